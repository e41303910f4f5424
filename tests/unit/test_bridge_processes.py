"""`run_blocking` where processes fork, are interrupted, and end."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from upshot._bridge import run_blocking
from upshot._concurrency import portals


async def answer() -> int:
    return 42


def nested(depth: int) -> list[int]:
    """Sync calls async calls sync …: the ids of the loops that this blocks."""

    async def down() -> list[int]:
        here = id(asyncio.get_running_loop())
        return [here, *(nested(depth - 1) if depth else [])]

    return run_blocking(down)


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
    parents = len(portals._open)
    assert parents >= 3

    def child() -> list[int]:
        return [len(set(nested(1))), len(portals._open)]

    assert in_fork(child) == "[2, 2]"
    assert len(portals._open) == parents
    assert len(set(nested(2))) == 3


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_child_that_is_forked_from_the_loop_itself_gets_its_own() -> None:
    async def fork() -> str:
        return in_fork(lambda: run_blocking(answer))

    assert run_blocking(fork) == "42"


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_processes_of_every_kind_can_block(method: str) -> None:
    run_blocking(answer)
    with multiprocessing.get_context(method).Pool(1) as pool:
        assert pool.apply(run_blocking, [answer]) == 42
