"""Tasks that return futures end as flows do that return them: in the sum of the states."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from upshot import flow, task
from upshot.states import State
from upshot.task_runners import (
    ConcurrentTaskRunner,
    ProcessPoolTaskRunner,
    SequentialTaskRunner,
)

pytestmark = pytest.mark.usefixtures("upshot_home")

RUNNERS = [ConcurrentTaskRunner, SequentialTaskRunner, ProcessPoolTaskRunner]


@task
def good() -> int:
    threading.Event().wait(0.01)
    return 1


@task
async def agood() -> int:
    await asyncio.sleep(0.01)
    return 1


@task
def bad() -> int:
    raise ValueError("bad")


@task
def one_future(failing: bool) -> Any:
    return bad.submit() if failing else good.submit()


@task
def several(kind: type, failing: bool) -> Any:
    return kind([good.submit(), bad.submit() if failing else good.submit()])


@pytest.fixture(params=["call", "submit"])
def state_of(request: pytest.FixtureRequest) -> Any:
    """The final state of a task that runs in a flow, called or submitted."""

    def run(runner: Any, called: Any, *args: Any) -> State[Any]:
        found: list[State[Any]] = []

        @flow(task_runner=runner())
        def around() -> int:
            how = called if request.param == "call" else called.submit
            found.append(how(*args, return_state=True))
            return 1

        around()
        return found[0]

    return run


@pytest.mark.parametrize("runner", RUNNERS)
def test_a_future_is_replaced_by_its_state(state_of: Any, runner: Any) -> None:
    state = state_of(runner, one_future, False)
    assert state.is_completed()
    inner = state.result()
    assert isinstance(inner, State)
    assert inner.result() == 1


@pytest.mark.parametrize("runner", RUNNERS)
@pytest.mark.parametrize("kind", [list, tuple])
def test_futures_in_a_collection_are_replaced_by_states(
    state_of: Any, runner: Any, kind: Any
) -> None:
    state = state_of(runner, several, kind, False)
    assert state.name == "Completed"
    assert type(state.result()) is kind
    assert [inner.result() for inner in state.result()] == [1, 1]


@pytest.mark.parametrize("runner", RUNNERS)
def test_a_failed_future_fails_the_task_that_returns_it(state_of: Any, runner: Any) -> None:
    assert state_of(runner, one_future, True).is_failed()
    state = state_of(runner, several, list, True)
    assert state.is_failed()
    assert state.message == "1/2 states failed."
    with pytest.raises(ValueError, match="bad"):
        state.result()


def test_the_task_of_an_async_function_awaits_them() -> None:
    @task
    async def several_async() -> Any:
        return [await agood.submit(), await agood.submit()]

    @flow
    async def around() -> Any:
        return await several_async()

    assert [state.result() for state in asyncio.run(around())] == [1, 1]


def test_other_collections_are_returned_as_they_are() -> None:
    value = [1, "two", [3]]

    @task
    def same() -> Any:
        return value

    assert flow(lambda: same() is value, name="around")()
