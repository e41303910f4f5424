"""A flow that is interrupted does not wait, and leaves nothing of what it submitted."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable
from typing import Any

import anyio
import pytest
import trio

from tests.e2e.colours import add, in_thread
from upshot import flow, task
from upshot._concurrency import hands
from upshot._concurrency.waiting import wait_blocking
from upshot._engine.coordinator import coordinator
from upshot.futures import UpshotFuture
from upshot.task_runners import ConcurrentTaskRunner

pytestmark = pytest.mark.usefixtures("upshot_home")

PATIENCE = 20
INTERRUPTS = [KeyboardInterrupt(), SystemExit(3)]


@pytest.fixture(autouse=True)
def nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> Any:
    """No thread of a worker, no run that the coordinator knows, no coroutine that never ran."""
    monkeypatch.setattr(hands, "IDLE_SECONDS", 0.01)
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        if thread.name == "upshot-hand":
            thread.join(PATIENCE)
            assert not thread.is_alive()
    assert coordinator()._runs == {}
    gc.collect()


@task
def holds(begun: threading.Event, let_go: threading.Event) -> str:
    begun.set()
    assert let_go.wait(PATIENCE)
    return "ended"


@task
def fails() -> None:
    raise ValueError("no")


never_retried = fails.with_options(retries=5, retry_delay_seconds=3_600)


def name_of(future: UpshotFuture[Any]) -> str:
    assert wait_blocking([future.done], PATIENCE)
    return future.state().name


@pytest.mark.parametrize("error", INTERRUPTS, ids=lambda error: type(error).__name__)
def test_what_has_not_begun_never_does_and_what_has_ends(error: BaseException) -> None:
    begun, let_go = threading.Event(), threading.Event()
    made: list[UpshotFuture[Any]] = []

    @flow(task_runner=ConcurrentTaskRunner(max_workers=1))
    def body() -> None:
        made.append(never_retried.submit())
        while made[0].state().name != "AwaitingRetry":
            add.submit(1).result()
        made.append(holds.submit(begun, let_go))
        made.append(add.submit(1))
        made.append(add.submit(made[2]))
        assert begun.wait(PATIENCE)
        raise error

    with pytest.raises(type(error)):
        body()
    assert not made[1].done.done()
    assert name_of(made[0]) == "Crashed"
    let_go.set()
    # the one whose function was being called, one in the queue, one that waited for that
    assert [name_of(future) for future in made[1:]] == ["Completed", "Crashed", "Crashed"]
    assert made[2].task_run.run_count == 1
    assert "was interrupted" in str(made[2].state().message)


def cancelled_by_task(flow: Callable[[], Any], begun: asyncio.Event) -> None:
    async def main() -> None:
        running = asyncio.create_task(flow())
        await begun.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())


def cancelled_by_scope(flow: Callable[[], Any], begun: Any) -> Any:
    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(flow)
            await begun.wait()
            group.cancel_scope.cancel()

    return main


@pytest.mark.parametrize("how", ["task", "scope of asyncio", "scope of trio"])
def test_async_tasks_on_the_loop_of_a_cancelled_flow_are_cancelled_before_it_ends(
    how: str,
) -> None:
    ended: list[str] = []
    made: list[UpshotFuture[Any]] = []
    begun = anyio.Event() if how != "task" else asyncio.Event()

    @task
    async def hosted() -> None:
        begun.set()
        try:
            await anyio.sleep_forever()
        finally:
            ended.append("hosted")

    @flow
    async def body() -> None:
        try:
            made.append(await hosted.submit())
            await anyio.sleep_forever()
        finally:
            ended.append("body")

    async def around() -> None:
        try:
            await body()  # type: ignore[unused-awaitable]
        finally:
            ended.append("flow")

    def run() -> None:
        if how == "task":
            cancelled_by_task(around, begun)
        elif how == "scope of asyncio":
            asyncio.run(cancelled_by_scope(around, begun)())
        else:
            trio.run(cancelled_by_scope(around, begun))

    in_thread(run)
    assert (sorted(ended[:2]), ended[2:]) == (["body", "hosted"], ["flow"])
    assert name_of(made[0]) == "Crashed"


@pytest.mark.parametrize("how", ["asyncio", "trio"])
def test_a_flow_that_is_cancelled_while_it_waits_for_others_leaves_none(how: str) -> None:
    made: list[UpshotFuture[Any]] = []
    ended: list[str] = []

    @task
    async def hosted() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            ended.append("hosted")

    @flow
    async def body() -> None:
        made.append(await hosted.submit())

    async def main() -> None:
        with anyio.move_on_after(0.05) as scope:
            await body()  # type: ignore[unused-awaitable]
        ended.append("main")
        assert scope.cancelled_caught

    in_thread(lambda: anyio.run(main, backend=how))
    assert ended == ["hosted", "main"]
    assert name_of(made[0]) == "Crashed"


@pytest.mark.parametrize("how", ["asyncio", "trio"])
def test_an_interrupt_in_a_task_on_the_loop_crashes_that_run_alone(how: str) -> None:
    @task
    async def interrupts() -> None:
        raise KeyboardInterrupt

    @flow
    async def body() -> list[str]:
        future = await interrupts.submit()
        state = await future.wait()
        return [state.name, str(await add.submit(1).aresult())]

    assert in_thread(lambda: anyio.run(body, backend=how)) == ["Crashed", "2"]


def test_a_flow_that_ends_well_leaves_no_thread() -> None:
    @flow(task_runner=ConcurrentTaskRunner(8))
    def body() -> int:
        met = threading.Barrier(8, timeout=PATIENCE)
        meets = task(lambda: met.wait() >= 0)
        return sum(future.result() for future in [meets.submit() for _ in range(8)])

    assert body() == 8


def test_runs_that_are_given_up_twice_end_once() -> None:
    begun, let_go = threading.Event(), threading.Event()
    future = holds.submit(begun, let_go)
    waiting = add.submit(future)
    assert begun.wait(PATIENCE)
    for _ in range(3):
        coordinator().give_up([waiting.done, waiting.done])
    assert name_of(waiting) == "Crashed"
    let_go.set()
    assert name_of(future) == "Completed"
    coordinator().give_up([waiting.done])
    assert add.submit(1).result(PATIENCE) == 2


@pytest.mark.parametrize("error", INTERRUPTS, ids=lambda error: type(error).__name__)
def test_async_tasks_of_a_sync_flow_are_cancelled_before_it_ends(error: BaseException) -> None:
    ended: list[str] = []
    made: list[UpshotFuture[Any]] = []
    begun = threading.Event()

    @task
    async def hosted() -> None:
        begun.set()
        try:
            await asyncio.sleep(1_000)
        finally:
            await asyncio.sleep(0)
            ended.append("hosted")

    @flow
    def body() -> None:
        made.append(hosted.submit())
        assert begun.wait(PATIENCE)
        raise error

    with pytest.raises(type(error)):
        body()
    ended.append("flow")
    assert ended == ["hosted", "flow"]
    assert made[0].done.done()
    assert name_of(made[0]) == "Crashed"
    assert add.submit(1).result(PATIENCE) == 2
