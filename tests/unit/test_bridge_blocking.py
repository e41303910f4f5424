"""Sync callers of async functions: `run_blocking` and its loops."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import trio

from upshot._bridge import in_thread, run_blocking
from upshot._concurrency import portals as loops


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop that begins late because the machine is busy is not taken to be blocked."""
    monkeypatch.setattr(loops, "STALL", 20)


async def loop_here() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()


def nested(depth: int) -> list[int]:
    """Sync calls async calls sync …: the ids of the loops that this blocks."""

    async def down() -> list[int]:
        here = id(asyncio.get_running_loop())
        return [here, *(nested(depth - 1) if depth else [])]

    return run_blocking(down)


def test_four_levels_of_blocking_do_not_deadlock() -> None:
    loops = nested(4)
    assert len(loops) == len(set(loops)) == 5


def test_a_loop_that_is_blocked_before_others_know_of_it_is_passed_by(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    blocked, open_to_all = threading.Event(), threading.Event()
    asked: list[loops.Portal] = []
    add = loops._add

    def add_late(portal: loops.Portal) -> None:
        assert blocked.wait(20)
        add(portal)
        if len(loops._open) == 2:
            open_to_all.set()

    async def inner() -> asyncio.AbstractEventLoop:
        blocked.set()
        assert open_to_all.wait(20)
        return run_blocking(loop_here)

    async def outer() -> asyncio.AbstractEventLoop:
        return run_blocking(inner)

    monkeypatch.setattr(loops, "_open", [])
    monkeypatch.setattr(loops, "_add", add_late)
    monkeypatch.setattr(loops.Portal, "takes", lambda portal, _: asked.append(portal))

    assert run_blocking(outer).is_running()
    assert asked == []
    for portal in loops._open:
        portal.close()


def test_levels_of_blocking_end_under_a_running_loop_too() -> None:
    async def main() -> list[int]:
        return nested(4)

    assert len(set(asyncio.run(main()))) == 5
    assert len(set(trio.run(main))) == 5


def test_loops_are_used_again_when_they_are_free() -> None:
    assert nested(3) == nested(3)


def test_one_loop_serves_successive_calls_from_every_thread() -> None:
    with ThreadPoolExecutor(1) as pool:
        loops = [
            run_blocking(loop_here),
            run_blocking(loop_here),
            pool.submit(run_blocking, loop_here).result(),
            asyncio.run(call_from_coroutine()),
        ]
    assert len(set(map(id, loops))) == 1


async def call_from_coroutine() -> asyncio.AbstractEventLoop:
    return run_blocking(loop_here)


def test_what_is_left_on_the_loop_is_there_at_the_next_call() -> None:
    tasks: list[asyncio.Task[str]] = []
    go = threading.Event()

    async def start() -> None:
        tasks.append(asyncio.create_task(asyncio.to_thread(lambda: str(go.wait()))))

    async def finish() -> str:
        go.set()
        return await tasks[0]

    run_blocking(start)
    assert run_blocking(finish) == "True"


def test_calls_from_several_threads_are_interleaved() -> None:
    barrier = asyncio.Barrier(4)

    async def meet() -> bool:
        await barrier.wait()
        return True

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda _: run_blocking(meet), range(4))) == [True] * 4


def test_a_loop_that_is_blocked_is_passed_by_and_used_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loops, "STALL", 0.01)
    blocked, let_go = threading.Event(), threading.Event()

    async def block() -> asyncio.AbstractEventLoop:
        blocked.set()
        let_go.wait(20)
        return asyncio.get_running_loop()

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(run_blocking, block)
        blocked.wait()
        second = run_blocking(loop_here)
        assert not first.done()
        let_go.set()
        assert first.result() is not second
    monkeypatch.setattr(loops, "STALL", 20)
    portals = len(loops._open)
    assert len(set(map(id, (run_blocking(loop_here) for _ in range(10))))) == 1
    assert len(loops._open) == portals


def test_work_that_was_given_to_several_loops_is_done_once() -> None:
    done: list[int] = []

    async def work() -> None:
        done.append(1)

    job = loops.Job(work)

    async def begin() -> None:
        job.begin()

    for _ in range(3):
        run_blocking(begin)
    assert (job.wait(), done) == (None, [1])


def test_a_worker_thread_of_the_loop_may_block_on_the_same_loop() -> None:
    async def work() -> tuple[object, object]:
        return asyncio.get_running_loop(), await in_thread(lambda: run_blocking(loop_here))

    first, second = run_blocking(work)
    assert first is second


@pytest.mark.parametrize(
    "error",
    [ValueError("x"), StopIteration(1), KeyboardInterrupt(), SystemExit(3), GeneratorExit(),
     asyncio.CancelledError(), BaseException("base")],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
def test_any_exception_reaches_the_caller_and_the_loop_lives_on(error: BaseException) -> None:
    before = run_blocking(loop_here)

    class Raises:
        def __await__(self) -> Any:
            raise error
            yield

    with pytest.raises(BaseException) as caught:
        run_blocking(Raises)
    assert caught.value is error or isinstance(caught.value.__cause__, StopIteration)
    assert run_blocking(loop_here) is before


async def answer() -> int:
    return 42


def test_what_is_awaited_may_be_any_awaitable() -> None:
    async def main() -> int:
        return run_blocking(lambda: asyncio.gather(answer(), answer()))[1]

    def gathered() -> Awaitable[list[int]]:
        return asyncio.gather(answer(), answer())

    assert run_blocking(gathered) == [42, 42]
    assert asyncio.run(main()) == 42


def test_work_that_is_started_does_not_wait_for_a_blocked_loop() -> None:
    blocked, let_go, done = threading.Event(), threading.Event(), threading.Event()

    async def block() -> None:
        blocked.set()
        let_go.wait(20)

    async def work() -> None:
        done.set()

    loops.start(block, refused=pytest.fail)
    assert blocked.wait(20)
    # the first loop that is free is the blocked one; it begins nothing, and start returns
    loops.start(work, refused=pytest.fail)
    assert not done.is_set()
    let_go.set()
    assert done.wait(20)


def test_started_work_that_a_blocked_loop_does_not_begin_goes_to_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loops, "STALL", 0.01)
    monkeypatch.setattr(loops, "_watch", loops._Watch())  # none that sleeps for a longer time
    blocked, let_go = threading.Event(), threading.Event()
    done: list[int] = []
    all_done = threading.Event()

    async def block() -> None:
        blocked.set()
        let_go.wait(20)

    async def work() -> None:
        done.append(1)
        if len(done) == 3:
            all_done.set()

    loops.start(block, refused=pytest.fail)
    assert blocked.wait(20)
    for _ in range(3):
        loops.start(work, refused=pytest.fail)
    assert all_done.wait(20)
    let_go.set()
    run_blocking(loop_here)
    assert done == [1, 1, 1]
