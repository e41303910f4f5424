"""What users of futures rely on: those that `submit` gives, and those that are made by hand."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from upshot import flow, task
from upshot.annotations import allow_failure
from upshot.exceptions import FailedRun
from upshot.futures import (
    UpshotFuture,
    as_completed,
    call_repr,
    resolve_futures_to_data,
    resolve_futures_to_states,
)
from upshot.states import Completed, Failed, State
from upshot.task_runners import SequentialTaskRunner

pytestmark = pytest.mark.usefixtures("upshot_home")


class Runner:
    """A task runner of a plugin: it knows runs by their keys."""

    def __init__(self, state: State[Any] | None) -> None:
        self.state = state
        self.asked: list[tuple[str, float | None]] = []

    async def wait(self, key: str, timeout: float | None = None) -> State[Any] | None:
        self.asked.append((key, timeout))
        return self.state


def ended(state: State[Any], **options: Any) -> UpshotFuture[Any]:
    return UpshotFuture(name="a", key="k", task_runner=None, _final_state=state, **options)


def submitted(runner: Any, **options: Any) -> UpshotFuture[Any]:
    future: UpshotFuture[Any] = UpshotFuture("a", "k", runner, **options)
    future._submitted.set()
    return future


@task
def add(x: int) -> int:
    return x + 1


def test_a_future_is_made_by_hand_with_a_name_a_key_a_runner_and_a_final_state() -> None:
    runner, state = Runner(None), Completed(data=1)
    future = UpshotFuture(
        name="a", key="k", task_runner=runner, asynchronous=False, _final_state=state
    )
    assert (future.name, future.key, future.task_runner) == ("a", "k", runner)
    assert future.asynchronous is False
    assert UpshotFuture("a", "k", runner).asynchronous is True
    assert future.wait() == state
    assert future.result() == 1
    assert future.get_state() == state
    assert repr(future) == "UpshotFuture('a', Completed)"


def test_a_future_made_by_hand_is_given_its_task_run() -> None:
    @flow
    def use() -> Any:
        return [add.submit(1).task_run]

    future = ended(Completed(data=1))
    assert future.task_run is None
    (future.task_run,) = use()
    assert future.task_run.task_name == "add"
    assert future.name == "a"


def test_a_submitted_future_has_its_task_run_its_key_and_its_runner() -> None:
    @flow(task_runner=SequentialTaskRunner())
    def use() -> Any:
        future = add.submit(1)
        assert future.task_runner == SequentialTaskRunner()
        assert future.key == str(future.task_run.id)
        assert future._submitted.is_set()
        assert future.get_state().is_completed()
        return future.task_run.name

    assert use() == "add-0"


def test_wait_gives_async_callers_an_awaitable_of_the_final_state() -> None:
    async def main() -> None:
        state = Completed(data=1)
        future = ended(state)
        future._submitted.set()
        waiting = future.wait()
        assert inspect.isawaitable(waiting)
        assert await waiting == state
        assert await future.wait(timeout=0) == state
        assert await future.result() == 1
        assert await future.get_state() == state

    asyncio.run(main())


def test_wait_asks_the_task_runner_once_the_future_is_submitted() -> None:
    async def main() -> None:
        runner, state = Runner(Completed(data=1)), None
        future: UpshotFuture[int] = UpshotFuture("a", "k", runner)
        assert await future.wait(timeout=0.01) is None
        assert runner.asked == []
        waiting = asyncio.create_task(future.wait(timeout=30))
        await asyncio.sleep(0)
        future._submitted.set()
        state = await waiting
        assert state == runner.state == await future.wait()
        assert runner.asked == [("k", 30)]
        assert await future.result() == 1

    asyncio.run(main())


def test_wait_blocks_sync_callers() -> None:
    future = submitted(Runner(Completed(data=1)), asynchronous=False)
    assert future.wait().is_completed()
    assert future.result() == 1


def test_wait_gives_none_if_the_run_has_not_ended_in_time() -> None:
    assert submitted(Runner(None), asynchronous=False).wait(timeout=0.01) is None
    assert asyncio.run(submitted(Runner(None)).await_state(timeout=0.01)) is None
    gate, waited = threading.Event(), list[Any]()

    @flow
    def use() -> Any:
        future = task(gate.wait, name="gated").submit()
        waited.append(future.wait(timeout=0.01))
        gate.set()
        return future.result()

    assert use() is True
    assert waited == [None]


def test_result_raises_a_timeout_error_if_the_run_has_not_ended_in_time() -> None:
    with pytest.raises(TimeoutError):
        submitted(Runner(None), asynchronous=False).result(timeout=0.01)

    async def main() -> None:
        with pytest.raises(TimeoutError):
            await submitted(Runner(None)).result(timeout=0.01)

    asyncio.run(main())


def test_result_raises_what_the_run_raised() -> None:
    error = ValueError("mine")
    with pytest.raises(ValueError, match="mine"):
        ended(Failed(data=error), asynchronous=False).result()

    @flow
    def use() -> None:
        future = task(int).submit("x")
        with pytest.raises(ValueError, match="invalid literal"):
            future.result()

    use(return_state=True)


def test_with_raise_on_failure_false_result_gives_the_exception() -> None:
    error = ValueError("mine")
    assert ended(Failed(data=error), asynchronous=False).result(raise_on_failure=False) is error

    async def main() -> None:
        assert await ended(Failed(data=error)).result(raise_on_failure=False) is error

    asyncio.run(main())


def test_what_a_runner_raises_ends_the_wait() -> None:
    class Broken:
        async def wait(self, key: str, timeout: float | None) -> None:
            raise ConnectionError("gone")

    with pytest.raises(ConnectionError, match="gone"):
        submitted(Broken(), asynchronous=False).wait()


def test_a_future_made_by_hand_is_an_argument_of_tasks_and_flows_wait_for_it() -> None:
    @flow
    def use() -> int:
        found: int = add.submit(submitted(Runner(Completed(data=1)))).result()
        return found + add(ended(Completed(data=10)))

    assert use() == 13


def test_futures_made_by_hand_are_given_as_their_runs_end() -> None:
    first = ended(Completed(data=1))
    second: UpshotFuture[int] = UpshotFuture("b", "k", Runner(Completed(data=2)))
    left = as_completed([second, first])
    assert next(left) is first
    second._submitted.set()
    assert list(left) == [second]


def test_a_run_whose_runner_lost_it_does_not_let_others_start() -> None:
    class Broken:
        async def wait(self, key: str, timeout: float | None) -> None:
            raise ConnectionError("gone")

    @flow
    def use() -> Any:
        state = add.submit(submitted(Broken()), return_state=True)
        return state.name

    assert use() == "NotReady"


def test_a_future_is_true_with_a_warning() -> None:
    expected = "An 'UpshotFuture' from a task call was cast to a boolean"
    with pytest.warns(UserWarning, match=expected):
        assert bool(ended(Completed(data=0))) is True

    @flow
    def use() -> bool:
        return bool(add.submit(1))

    with pytest.warns(UserWarning, match=expected):
        assert use() is True


def resolved(expr: Any, **options: Any) -> Any:
    return asyncio.run(resolve_futures_to_data(expr, **options))


def test_a_future_is_resolved_to_its_data() -> None:
    assert resolved(ended(Completed(data="foo"))) == "foo"
    assert resolved("plain") == "plain"


@pytest.mark.parametrize("kind", [list, tuple, set])
def test_futures_in_a_collection_are_resolved_in_a_new_one(kind: Any) -> None:
    expr = kind([1, ended(Completed(data="foo"))])
    found = resolved(expr)
    assert found == kind([1, "foo"])
    assert type(found) is kind
    assert any(isinstance(item, UpshotFuture) for item in expr)  # which stays as it was


@pytest.mark.parametrize("kind", [dict, OrderedDict])
def test_futures_in_values_and_keys_of_a_dictionary_are_resolved(kind: type) -> None:
    key, value = ended(Completed(data="k")), ended(Completed(data="v"))
    found = resolved(kind([("a", 1), (key, value), ("b", value)]))
    assert found == kind([("a", 1), ("k", "v"), ("b", "v")])
    assert type(found) is kind
    assert list(found) == ["a", "k", "b"]


@dataclass
class Pair:
    first: Any
    second: Any = 2


def test_futures_in_a_dataclass_are_resolved() -> None:
    assert resolved(Pair(ended(Completed(data="foo")))) == Pair("foo")


def test_futures_are_resolved_however_deep_they_are() -> None:
    deep = {"a": [(Pair({ended(Completed(data=1))}), ended(Completed(data=2)))]}
    assert resolved(deep) == {"a": [(Pair({1}), 2)]}


def test_states_and_annotations_are_left_as_they_are() -> None:
    state = Completed(data=1)
    found = resolved([state, allow_failure(ended(Completed(data=2)))])
    assert found == [state, allow_failure(2)]


def test_a_failed_future_raises_failed_run_with_its_text() -> None:
    with pytest.raises(FailedRun, match="foo"):
        resolved(ended(Failed(data="foo")))
    with pytest.raises(FailedRun, match="why"):
        resolved([ended(Failed(message="why"))])
    with pytest.raises(KeyError, match="mine"):
        resolved([ended(Failed(data=KeyError("mine")))])


def test_a_failed_future_is_resolved_to_its_exception_where_that_is_not_to_be_raised() -> None:
    (found,) = resolved([ended(Failed(message="foo"))], raise_on_failure=False)
    assert isinstance(found, FailedRun)
    assert str(found) == "foo"


def test_a_generator_is_consumed_and_resolved_to_an_empty_list() -> None:
    def generate() -> Iterator[Any]:
        yield "a"
        yield ended(Completed(data="b"))

    generator = generate()
    assert resolved(generator) == []
    assert list(generator) == []
    assert resolved([generate(), ended(Completed(data=1))]) == [[], 1]


def test_an_iterator_counts_as_a_list() -> None:
    found = resolved({"x": iter([1, 2]), "y": map(str, [1])})
    assert found == {"x": [], "y": []}


def test_a_failed_future_in_a_generator_is_found() -> None:
    with pytest.raises(FailedRun, match="foo"):
        resolved(ended(Failed(data="foo")) for _ in range(1))


def test_futures_are_resolved_to_states() -> None:
    state = Failed(data="foo")
    found = asyncio.run(resolve_futures_to_states({"x": [ended(state)], "y": 1}))
    assert found == {"x": [state], "y": 1}


def test_submitted_futures_are_resolved_inside_of_a_flow() -> None:
    @task
    async def async_add(x: int) -> int:
        await asyncio.sleep(0)
        return x + 1

    @flow
    async def use() -> Any:
        futures = {"x": add.submit(1), "y": [await async_add.submit(2)]}
        states = await resolve_futures_to_states(futures)
        return await resolve_futures_to_data(futures), states["x"].name

    assert asyncio.run(use()) == ({"x": 2, "y": [3]}, "Completed")


def test_call_repr_writes_a_call() -> None:
    assert call_repr(resolved, 1, "x", y=[2]) == "resolved(1, 'x', y=[2])"
