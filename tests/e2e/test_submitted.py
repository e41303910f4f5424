"""Submitted runs: whom they belong to, what they see, and who waits for them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import anyio
import pytest
import trio

from tests.e2e.colours import aadd, add, in_thread
from upshot import flow, get_run_context, task
from upshot._concurrency.waiting import wait_blocking
from upshot.context import FlowRunContext
from upshot.futures import UpshotFuture
from upshot.runstore import open_store
from upshot.settings import get_current_settings, temporary_settings
from upshot.task_runners import ConcurrentTaskRunner, SequentialTaskRunner

pytestmark = pytest.mark.usefixtures("upshot_home")

PATIENCE = 20
RUNS = [
    pytest.param(asyncio.run, id="asyncio"),
    pytest.param(lambda coroutine: trio.run(lambda: coroutine), id="trio"),
]
any_loop = pytest.mark.parametrize("run", RUNS)


@task
def after(event: threading.Event) -> str:
    return "late" if event.wait(PATIENCE) else "never"


@task
async def aafter(event: threading.Event) -> str:
    while not event.is_set():
        await anyio.lowlevel.checkpoint()
    return "late"


def states_in(flow_state: Any) -> dict[str, str]:
    runs = open_store().task_runs(flow_state.state_details.flow_run_id)
    return {run.name: run.state_name for run in runs}


def ending(error: Exception | None) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """A sync and an async flow that let their submitted runs end only when they have."""

    def end(event: threading.Event) -> None:
        # set by the time at which the flow's function has returned, not before
        threading.Timer(0.01, event.set).start()
        if error is not None:
            raise error

    @flow
    def sync() -> None:
        event = threading.Event()
        after.submit(event)
        aafter.submit(event)
        end(event)

    @flow
    async def async_() -> None:
        event = threading.Event()
        after.submit(event)
        await aafter.submit(event)
        end(event)

    return sync, async_


@pytest.mark.parametrize("error", [None, ValueError("no")])
def test_a_sync_flow_ends_after_all_that_it_submitted(error: Exception | None) -> None:
    state = in_thread(lambda: ending(error)[0](return_state=True))  # type: ignore[call-arg]
    assert state.name == ("Completed" if error is None else "Failed")
    assert states_in(state) == {"after-0": "Completed", "aafter-0": "Completed"}


@any_loop
@pytest.mark.parametrize("error", [None, ValueError("no")])
def test_an_async_flow_ends_after_all_that_it_submitted(run: Any, error: Exception | None) -> None:
    state = in_thread(lambda: run(ending(error)[1](return_state=True)))  # type: ignore[call-arg]
    assert state.name == ("Completed" if error is None else "Failed")
    assert states_in(state) == {"after-0": "Completed", "aafter-0": "Completed"}


def test_a_flow_that_returns_nothing_is_as_good_as_what_it_submitted() -> None:
    @task
    def fail() -> None:
        raise ValueError("no")

    @flow
    def submits(*tasks: Any) -> None:
        for each in tasks:
            each.submit()

    assert submits(fail, return_state=True).type == "FAILED"

    @task
    def handles() -> int:
        return 0 if fail.submit().wait().is_failed() else 1

    # what a task submits is the task's own
    assert submits(handles, return_state=True).type == "COMPLETED"


def test_a_submit_outside_of_flows_and_loops_gives_a_future() -> None:
    future = add.submit(1)
    assert future.result(PATIENCE) == 2
    assert future.task_run.flow_run_id is None
    assert asyncio.run(aadd.submit(1)).result(PATIENCE) == 2


@any_loop
def test_futures_from_outside_of_flows_may_be_awaited(run: Any) -> None:
    async def main() -> Any:
        future = await aadd.submit(1)
        return await future.aresult(), await add.submit(2).aresult(), await future.result()

    assert run(main()) == (2, 3, 2)


def test_threads_submit_for_the_flow_whose_context_they_have_and_else_for_none() -> None:
    @flow
    def submits() -> list[UpshotFuture[int]]:
        with ThreadPoolExecutor(8) as pool:
            inside = [pool.submit(copy_context().run, add.submit, n) for n in range(100)]
            outside = pool.submit(add.submit, 1)
        assert outside.result().task_run.flow_run_id is None
        futures = [each.result() for each in inside]
        assert sorted(future.result() for future in futures) == list(range(1, 101))
        return len(futures)

    state = submits(return_state=True)
    runs = open_store().task_runs(state.state_details.flow_run_id)
    assert sorted(run.call_index for run in runs) == list(range(state.result()))


@pytest.mark.parametrize("runner", [ConcurrentTaskRunner(4), SequentialTaskRunner()])
def test_a_thousand_submitted_runs_are_read_in_any_order(runner: Any) -> None:
    @flow(task_runner=runner)
    def submits() -> bool:
        futures = [add.submit(n) for n in range(1_000)]
        backwards = [future.result() for future in reversed(futures)]
        return backwards == list(range(1_000, 0, -1))

    assert submits()


def test_a_chain_of_a_thousand_runs_ends() -> None:
    @flow(task_runner=ConcurrentTaskRunner(1))
    def chained() -> Any:
        future: Any = 0
        for _ in range(1_000):
            future = add.submit(future)
        return future.result()

    assert chained() == 1_000


def test_submitted_runs_see_the_settings_and_contexts_of_who_submitted_them() -> None:
    @task
    def look() -> Any:
        around = FlowRunContext.get()
        assert around is not None
        return (
            get_current_settings().task_default_retries,
            around.flow_run.id,
            get_run_context().task_run.flow_run_id,  # type: ignore[union-attr]
        )

    @task
    async def alook() -> Any:
        return look()

    @flow
    def submits() -> Any:
        with temporary_settings({"UPSHOT_TASK_DEFAULT_RETRIES": 7}):
            futures = [look.submit(), alook.submit()]
        return get_run_context().flow_run.id, [each.result() for each in futures]

    run_id, seen = submits()
    assert seen == [(7, run_id, run_id)] * 2


def test_a_result_or_a_state_that_comes_too_late() -> None:
    @flow
    def waits() -> None:
        event = threading.Event()
        try:
            future = after.submit(event)
            assert future.wait(0.01) is None
            assert future.wait(0) is None
            with pytest.raises(TimeoutError, match="'after-0' has not ended within"):
                future.result(0.01)
        finally:
            event.set()
        assert future.result(PATIENCE) == "late"

    waits()


@any_loop
def test_an_async_wait_that_is_cancelled_leaves_the_run_alone(run: Any) -> None:
    async def main() -> Any:
        event = threading.Event()
        future = await aafter.submit(event)
        assert await future.wait(0.01) is None
        with pytest.raises(TimeoutError, match="'aafter-0' has not ended within"):
            await future.result(0.01)
        event.set()
        return await future.aresult()

    assert run(main()) == "late"


def test_a_future_is_no_truth_and_shows_its_run() -> None:
    future = add.submit(1)
    assert wait_blocking([future.done], PATIENCE)
    with pytest.warns(UserWarning, match="An 'UpshotFuture' from a task call was cast"):
        assert bool(future)
    assert repr(future) == "UpshotFuture('add-0', Completed)"
