"""A state that is made of its run: what it is made of is found out when it is looked at."""

from __future__ import annotations

import asyncio
import copy
import pickle
import threading
from collections.abc import Callable, MutableMapping
from pathlib import Path
from typing import Any

import pytest

from upshot import flow, task
from upshot.documents import UnpersistedResult
from upshot.filesystems import LocalFileSystem
from upshot.states import Completed, State, StateType


class Told:
    """Counts how often it is asked for the fields of a state."""

    def __init__(self) -> None:
        self.state: State[Any] = Completed(message="well", data=UnpersistedResult())
        self.asked = 0

    def fields(self) -> MutableMapping[str, Any]:
        self.asked += 1
        return dict(vars(self.state))


@pytest.mark.parametrize(
    "look",
    [
        lambda state: state.type,
        lambda state: state.state_details,
        lambda state: vars(state),
        lambda state: dict(state),
        lambda state: state.copy(),
        lambda state: copy.copy(state),
        lambda state: copy.deepcopy(state),
        lambda state: pickle.dumps(state),
        lambda state: state.model_dump(),
        lambda state: state.json(),
        lambda state: state.model_fields_set,
        lambda state: state == Completed(),
        lambda state: Completed() == state,
        lambda state: hash(state),
        lambda state: repr(state),
        lambda state: hasattr(state, "no_such_field"),
        lambda state: setattr(state, "message", "other"),
        lambda state: state.is_final(),
        lambda state: State.model_validate(state).name,
    ],
)
def test_a_state_asks_what_it_is_made_of_once_whichever_way_it_is_looked_at(
    look: Callable[[State[Any]], object],
) -> None:
    told = Told()
    state = State.of(told)
    assert told.asked == 0
    look(state)
    assert told.asked == 1
    look(state)
    assert told.asked == 1


def test_a_state_that_was_made_of_its_fields_later_is_equal_to_one_that_had_them() -> None:
    told = Told()
    assert State.of(told) == told.state
    assert told.state == State.of(told)
    assert State.of(told).json() == told.state.json()
    assert pickle.loads(pickle.dumps(State.of(told))) == told.state
    assert copy.copy(State.of(told)) == told.state
    assert State.of(told).copy(update={"name": "Other"}).name == "Other"
    assert State.of(told).model_fields_set == set(State.model_fields)


def test_what_a_state_is_not_made_of_is_no_attribute_of_it() -> None:
    for state in (State.of(Told()), Completed()):
        with pytest.raises(AttributeError, match="no_such_field"):
            state.no_such_field  # type: ignore[attr-defined]  # noqa: B018


def test_a_change_of_a_state_that_was_not_looked_at_stays() -> None:
    state = State.of(Told())
    state.message = "other"
    assert (state.message, state.name) == ("other", "Completed")


def test_a_flow_that_returns_none_gives_the_states_of_all_its_runs() -> None:
    @task
    async def double(x: int) -> int:
        return 2 * x

    @flow
    async def doubling() -> None:
        await asyncio.gather(*[double(x) for x in range(3)])

    states: Any = asyncio.run(doubling())
    assert [state.result() for state in states] == [0, 2, 4]
    assert {state.type for state in states} == {StateType.COMPLETED}
    assert len({state.id for state in states}) == 3


def test_a_state_stays_as_it_was_when_a_retry_of_the_flow_goes_on_with_its_run(
    tmp_path: Path,
) -> None:
    kept: list[State[Any]] = []

    @task(result_storage=LocalFileSystem(basepath=str(tmp_path)), result_storage_key="kept")
    def keep() -> str:
        return "kept"

    @flow(retries=1)
    def keeping() -> bool:
        kept.append(keep(return_state=True))
        if len(kept) == 1:
            (tmp_path / "kept").unlink()  # so that it has to be made again
            raise ValueError("again")
        return True

    assert keeping()
    first, second = kept
    assert first.state_details.task_run_id == second.state_details.task_run_id
    assert first.id != second.id
    assert first.timestamp < second.timestamp


def test_threads_that_look_at_a_state_at_the_same_moment_see_all_of_it() -> None:
    both_ask = threading.Barrier(2, timeout=20)

    class Slow(Told):
        def fields(self) -> MutableMapping[str, Any]:
            both_ask.wait()
            return super().fields()

    state, names = State.of(Slow()), []
    looking = [threading.Thread(target=lambda: names.append(state.name)) for _ in range(2)]
    for thread in looking:
        thread.start()
    for thread in looking:
        thread.join()
    assert names == ["Completed", "Completed"]
