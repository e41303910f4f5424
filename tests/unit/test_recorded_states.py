"""The state of a run that was read from a store."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest

from upshot import flow, task
from upshot._engine.endings import recorded_state
from upshot.documents import Failure, LiteralResult, PersistedResult, UnpersistedResult
from upshot.exceptions import NotPersisted
from upshot.runstore import open_store
from upshot.states import State, StateType


class Loaded(Exception):
    """Counts how often it is made of a pickle."""

    times: ClassVar[int] = 0

    @classmethod
    def made(cls, text: str) -> Loaded:
        cls.times += 1
        return cls(text)

    def __reduce__(self) -> Any:
        return Loaded.made, self.args


def returning(value: Any, **options: Any) -> Any:
    @task(**options)
    def run() -> Any:
        if isinstance(value, Exception):
            raise value
        return value

    return run


@pytest.fixture
def recorded(upshot_home: Path) -> Any:
    """The recorded states of tasks, called one after the other in a flow."""

    def states(*tasks: Any) -> list[State[Any]]:
        @flow
        def around() -> int:
            for each in tasks:
                each(return_state=True)
            return 1

        run = around(return_state=True).state_details.flow_run_id
        return [recorded_state(run) for run in open_store().task_runs(run)]

    return states


def test_persisted_and_literal_results_are_fetched(recorded: Any) -> None:
    persisted, literal = recorded(
        returning({"a": 1}, persist_result=True), returning(None, persist_result=True)
    )
    assert isinstance(persisted.data, PersistedResult)
    assert persisted.result() == {"a": 1}
    assert isinstance(literal.data, LiteralResult)
    assert literal.result() is None


@pytest.mark.parametrize("value", [1, None])
def test_a_result_that_was_not_persisted_is_missing(recorded: Any, value: Any) -> None:
    (state,) = recorded(returning(value))
    assert isinstance(state.data, UnpersistedResult)
    with pytest.raises(NotPersisted, match="the result of task run"):
        state.result()


def test_an_exception_is_loaded_when_it_is_asked_for_and_not_before(recorded: Any) -> None:
    (state,) = recorded(returning(Loaded("x")))
    before = Loaded.times
    assert state.type is StateType.FAILED
    assert isinstance(state.data, Failure)
    assert "Loaded" in f"{state!r}{state.json()}{open_store().flow_runs()}{state.message}"
    assert State.parse_raw(state.json()).message == state.message
    assert Loaded.times == before
    with pytest.raises(Loaded, match="x"):
        state.result()
    assert Loaded.times == before + 1
