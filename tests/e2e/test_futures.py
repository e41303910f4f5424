"""The futures of submitted tasks."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from tests.e2e.submitting import aecho, echo, fail, inputs_of
from upshot import flow, task
from upshot.futures import UpshotFuture, as_completed
from upshot.runstore import open_store
from upshot.task_runners import ConcurrentTaskRunner, SequentialTaskRunner

pytestmark = pytest.mark.usefixtures("upshot_home")


def test_a_future_says_which_run_it_is_of(in_flow: Any) -> None:
    def use() -> Any:
        future = echo.submit(1)
        future.wait()
        return future

    future = in_flow(use)
    assert isinstance(future, UpshotFuture)
    assert future.name == future.task_run.name == "echo-0"
    assert repr(future) == "UpshotFuture('echo-0', Completed)"
    assert future.asynchronous is False
    assert future.result() == future.result() == 1
    assert future.wait() == future.wait(0) or future.wait().name == "Completed"


def test_a_future_is_true_with_a_warning(in_flow: Any) -> None:
    future = in_flow(lambda: echo.submit(0))
    with pytest.warns(UserWarning, match="cast to a boolean"):
        assert future


def test_a_failed_future_raises_or_gives_what_its_run_raised(in_flow: Any) -> None:
    future = in_flow(lambda: fail.submit("mine"))
    with pytest.raises(ValueError, match="mine"):
        future.result()
    assert str(future.result(raise_on_failure=False)) == "mine"
    assert future.wait().is_failed()


def test_a_future_may_be_waited_for_by_many_threads(in_flow: Any) -> None:
    def use() -> list[Any]:
        future, found = echo.submit("x"), list[Any]()
        threads = [threading.Thread(target=lambda: found.append(future.result())) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return found

    assert in_flow(use) == ["x"] * 8


def test_an_async_task_submitted_in_a_sync_flow_has_a_sync_future(in_flow: Any) -> None:
    def use() -> Any:
        future = aecho.submit("x")
        return future.asynchronous, future.result(), future.wait().name

    assert in_flow(use) == (False, "x", "Completed")


@pytest.mark.parametrize("runner", [ConcurrentTaskRunner, SequentialTaskRunner])
def test_an_async_task_submitted_in_an_async_flow_has_an_async_future(runner: Any) -> None:
    @flow(task_runner=runner)
    async def use() -> Any:
        future = await aecho.submit("x")
        state = await aecho.submit([future], return_state=True)
        by_wait = (await future.wait()).name
        return future.asynchronous, await future.result(), await state.aresult(), by_wait

    assert asyncio.run(use()) == (True, "x", ["x"], "Completed")


def test_a_submitted_task_is_tried_again_and_its_history_says_so(in_flow: Any) -> None:
    calls: list[int] = []

    @task(retries=2)
    def third_time() -> int:
        calls.append(1)
        if len(calls) < 3:
            raise ValueError("again")
        return len(calls)

    state = in_flow(lambda: third_time.submit(return_state=True))
    assert state.result() == 3
    run = open_store().task_run(state.state_details.task_run_id)
    assert run is not None
    names = ["Pending", "Running", "AwaitingRetry", "Retrying", "AwaitingRetry", "Retrying"]
    assert [step.name for step in run.history] == [*names, "Completed"]


def test_a_cached_task_is_hit_by_value_whoever_made_it(in_flow: Any) -> None:
    calls: list[Any] = []

    @task(cache_key_fn=lambda context, parameters: str(parameters["x"]), persist_result=True)
    def cached(x: Any) -> Any:
        calls.append(x)
        return [x]

    def use() -> Any:
        first = cached.submit("k", return_state=True)
        second = cached.submit(echo.submit("k"), return_state=True)  # the key sees the value
        return first, second, cached.submit("other", return_state=True)

    states = in_flow(use)
    assert [state.name for state in states] == ["Completed", "Cached", "Completed"]
    assert [state.result() for state in states] == [["k"], ["k"], ["other"]]
    assert calls == ["k", "other"]


def test_tasks_are_submitted_outside_of_flows_as_well() -> None:
    future = echo.submit([echo.submit(1)])
    assert future.result() == [1]
    assert inputs_of(future.wait())["x"]  # type: ignore[index]
    assert future.wait().state_details.flow_run_id is None


def test_as_completed_gives_each_future_once(in_flow: Any) -> None:
    def use() -> Any:
        futures = echo.map(range(20))
        return sorted(future.result() for future in as_completed(futures))

    assert in_flow(use) == list(range(20))


def test_waiting_and_reading_end_after_their_time() -> None:
    gate = threading.Event()

    @flow
    def use() -> Any:
        future = task(gate.wait, name="gated").submit()
        waited = future.wait(timeout=0.01)
        with pytest.raises(TimeoutError, match=r"'gated-0' has not ended within 0\.01 seconds"):
            future.result(timeout=0.01)
        with pytest.raises(TimeoutError):
            list(as_completed([future], timeout=0.01))
        assert not future.state().is_final()
        gate.set()
        return [waited, future.result()]

    assert use() == [None, True]


def test_what_was_submitted_and_not_waited_for_ends_before_the_flow() -> None:
    gate, ended = threading.Event(), list[int]()

    @task
    def late() -> None:
        gate.wait()
        ended.append(1)

    @flow
    def use() -> int:
        late.submit()
        gate.set()
        return 1

    state = use(return_state=True)
    assert ended == [1]
    (run,) = open_store().task_runs(state.state_details.flow_run_id)
    assert run.state_name == "Completed"


def test_submitted_tasks_overlap() -> None:
    both = threading.Barrier(2)

    @flow
    def use() -> list[int]:
        futures = [task(both.wait).submit() for _ in range(2)]
        return sorted(future.result() for future in futures)

    assert use() == [0, 1]


def test_a_failed_submitted_task_fails_no_flow_unless_it_is_returned() -> None:
    @flow
    def quiet() -> int:
        fail.submit()
        return 1

    @flow
    def returned() -> Any:
        return fail.submit(return_state=True)

    assert quiet() == 1
    assert returned(return_state=True).is_failed()
