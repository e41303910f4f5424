"""Blocking work of async callers: `in_thread`, and what cancelling does to it."""

from __future__ import annotations

import asyncio
import contextvars
import sys
import threading
import weakref
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest
import trio

from upshot._bridge import in_thread

BACKENDS = ["asyncio", "trio"]


class Work:
    """Work that begins, waits to be let go, and is finished."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.begun, self.let_go = threading.Event(), threading.Event()
        self.finished = False
        self.error = error

    def __call__(self) -> str:
        self.begun.set()
        assert self.let_go.wait(20)
        self.finished = True
        if self.error is not None:
            raise self.error
        return "done"


async def until(true: Callable[[], bool]) -> None:
    while not true():
        await anyio.lowlevel.checkpoint()


async def some_turns_of_the_loop() -> None:
    for _ in range(50):
        await anyio.lowlevel.checkpoint()


@pytest.mark.parametrize("backend", BACKENDS)
def test_work_is_done_in_another_thread_that_sees_the_callers_context(backend: str) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")

    async def main() -> tuple[int, str]:
        variable.set("mine")
        return await in_thread(lambda: (threading.get_ident(), variable.get()))

    thread, seen = anyio.run(main, backend=backend)
    assert (thread != threading.get_ident(), seen) == (True, "mine")


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("error", [ValueError("x"), SystemExit(1), KeyboardInterrupt()])
def test_what_the_work_raises_reaches_the_caller(backend: str, error: BaseException) -> None:
    work = Work(error)
    work.let_go.set()

    async def main() -> BaseException:
        with pytest.raises(type(error)) as caught:
            await in_thread(work)
        return caught.value

    assert anyio.run(main, backend=backend) is error


@pytest.mark.parametrize("backend", BACKENDS)
def test_more_work_than_threads_is_done_all_the_same(backend: str) -> None:
    async def main() -> int:
        done: list[int] = []
        async with anyio.create_task_group() as group:
            for number in range(200):
                group.start_soon(in_thread, lambda number=number: done.append(number))
        return len(set(done))

    assert anyio.run(main, backend=backend) == 200


@pytest.mark.parametrize("error", [None, ValueError("of the work")])
def test_a_cancelled_task_waits_for_work_that_has_begun(error: Exception | None) -> None:
    work = Work(error)

    async def main() -> None:
        task = asyncio.create_task(in_thread(work))
        await until(work.begun.is_set)
        for _ in range(3):  # whoever is impatient gains nothing
            task.cancel()
            await some_turns_of_the_loop()
            assert not task.done()
        work.let_go.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert work.finished

    asyncio.run(main())


def test_a_timeout_comes_after_the_work_that_has_begun() -> None:
    work = Work()

    async def expire(it: asyncio.Timeout) -> None:
        await until(work.begun.is_set)
        it.reschedule(0)
        await until(it.expired)
        await some_turns_of_the_loop()
        assert not work.finished
        work.let_go.set()

    async def with_timeout() -> None:
        async with asyncio.timeout(None) as it:
            others.append(asyncio.create_task(expire(it)))
            await in_thread(work)

    async def main() -> None:
        with pytest.raises(TimeoutError):
            await with_timeout()
        await others[0]

    others: list[asyncio.Task[None]] = []
    asyncio.run(main())
    assert work.finished


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_cancelled_scope_goes_on_being_so_after_the_work(backend: str) -> None:
    work, after = Work(), []

    async def main() -> None:
        async def working() -> None:
            with anyio.CancelScope() as scope:
                scopes.append(scope)
                after.append(await in_thread(work))
                await anyio.lowlevel.checkpoint()
                after.append("never")

        scopes: list[anyio.CancelScope] = []
        async with anyio.create_task_group() as group:
            group.start_soon(working)
            await until(work.begun.is_set)
            scopes[0].cancel()
            await some_turns_of_the_loop()
            assert after == []
            work.let_go.set()
        assert scopes[0].cancelled_caught

    anyio.run(main, backend=backend)
    assert (work.finished, after) == (True, ["done"])


def test_cancelled_work_that_has_not_begun_is_never_done() -> None:
    first, second = Work(), Work()

    async def main() -> None:
        anyio.to_thread.current_default_thread_limiter().total_tokens = 1
        running = asyncio.create_task(in_thread(first))
        await until(first.begun.is_set)
        waiting = asyncio.create_task(in_thread(second))
        await some_turns_of_the_loop()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        first.let_go.set()
        assert await running == "done"

    asyncio.run(main())
    assert not second.begun.is_set()


@pytest.mark.parametrize("cancelled", [False, True])
def test_a_coroutine_that_is_closed_waits_for_work_that_has_begun(cancelled: bool) -> None:
    work = Work()
    main_thread = threading.get_ident()

    def let_go_once_somebody_waits() -> None:
        while sys._current_frames()[main_thread].f_code.co_name != "wait":
            pass
        work.let_go.set()

    async def main() -> bool:
        coroutine = in_thread(work)
        while not isinstance(coroutine.send(None), asyncio.Future):
            pass
        work.begun.wait()
        if cancelled:
            coroutine.throw(asyncio.CancelledError())
        helper = threading.Thread(target=let_go_once_somebody_waits)
        helper.start()
        coroutine.close()
        helper.join()
        return work.finished

    assert asyncio.run(main())


def test_nothing_of_ours_holds_what_the_work_gave() -> None:
    class Value:
        pass

    async def main() -> list[object]:
        given = [weakref.ref(await in_thread(Value)) for _ in range(3)]
        await in_thread(lambda: None)
        return [alive() for alive in given]

    assert asyncio.run(main()) == [None, None, None]


def test_one_loop_after_another_has_threads() -> None:
    async def main() -> int:
        return await in_thread(threading.get_ident)

    runs: list[Callable[[], Awaitable[Any]]] = [main] * 3
    assert all(asyncio.run(run()) for run in runs)
    assert all(trio.run(run) for run in runs)
