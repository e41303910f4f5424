"""Sync callers of async functions: `run_blocking` and its loops."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import trio

from upshot import _portals
from upshot._bridge import in_thread, run_blocking


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


def test_an_interrupt_of_the_caller_cancels_the_work_and_waits_for_it() -> None:
    code = """
import asyncio, os, signal, sys, threading
from upshot._bridge import in_thread, run_blocking
events = []
async def work():
    main = threading.main_thread().ident
    while sys._current_frames()[main].f_code.co_name != "wait":
        await asyncio.sleep(0)
    os.kill(os.getpid(), signal.SIGINT)
    try:
        await asyncio.Event().wait()
    finally:
        await in_thread(lambda: events.append("cleaned up"))
async def more():
    return "more"
try:
    run_blocking(work)
except KeyboardInterrupt:
    print(*events, run_blocking(more))
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert (ran.stdout, ran.stderr) == ("cleaned up more\n", "")


def test_a_loop_does_not_keep_the_interpreter_from_its_exit() -> None:
    code = """
import asyncio
from upshot._bridge import run_blocking
async def work():
    asyncio.get_running_loop().create_task(asyncio.Event().wait())
    return 1
print(run_blocking(work))
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "1\n", "")


def in_fork(function: Callable[[], object]) -> str:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, repr(function()).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as said:
        text = said.read()
    os.waitpid(child, 0)
    return text


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_gets_loops_of_its_own() -> None:
    nested(2)
    parents = len(_portals._open)
    assert parents >= 3

    def child() -> list[int]:
        return [len(set(nested(1))), len(_portals._open)]

    assert in_fork(child) == "[2, 2]"
    assert len(_portals._open) == parents
    assert len(set(nested(2))) == 3


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_child_that_is_forked_from_the_loop_itself_gets_its_own() -> None:
    async def fork() -> str:
        return in_fork(lambda: run_blocking(answer))

    assert run_blocking(fork) == "42"


async def answer() -> int:
    return 42


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_processes_of_every_kind_can_block(method: str) -> None:
    run_blocking(answer)
    with multiprocessing.get_context(method).Pool(1) as pool:
        assert pool.apply(run_blocking, [answer]) == 42


def test_what_is_awaited_may_be_any_awaitable() -> None:
    async def main() -> int:
        return run_blocking(lambda: asyncio.gather(answer(), answer()))[1]

    def gathered() -> Awaitable[list[int]]:
        return asyncio.gather(answer(), answer())

    assert run_blocking(gathered) == [42, 42]
    assert asyncio.run(main()) == 42
