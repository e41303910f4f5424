"""Two hundred tasks of 10 MB each, in a process that prints how far its memory rose, in megabytes.

python calls_memory.py <sync|async|submit|asubmit|map|process|default> <results|failures|plain>

Plain failures are those of tasks without `cache_result_in_memory=False`.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from upshot import flow, task
from upshot.task_runners import ConcurrentTaskRunner, ProcessPoolTaskRunner
from upshot.testing import isolated

COUNT, SIZE = 200, 10_000_000
PAGE = os.sysconf("SC_PAGE_SIZE")


def resident() -> float:
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * PAGE / 1e6


class Peak:
    """The most that was resident, looked at all the time."""

    def __enter__(self) -> Peak:
        self.start = self.most = resident()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def _look(self) -> None:
        while not self._done.wait(0.002):
            self.most = max(self.most, resident())

    def __exit__(self, *exc_info: object) -> None:
        self._done.set()
        self._thread.join()


def large(number: int) -> bytes:
    return bytes([number % 256]) * SIZE


@task(cache_result_in_memory=False)
def result(number: int) -> bytes:
    return large(number)


@task(cache_result_in_memory=False)
async def aresult(number: int) -> bytes:
    return large(number)


def _fail(number: int) -> None:
    helper = large(number)
    raise ValueError(len(helper))


@task(cache_result_in_memory=False)
def failure(number: int) -> None:
    local = large(number)
    _fail(len(local))


@task(cache_result_in_memory=False)
async def afailure(number: int) -> None:
    local = large(number)
    _fail(len(local))


WHAT = {
    "results": (result, aresult),
    "failures": (failure, afailure),
    "plain": tuple(
        each.with_options(cache_result_in_memory=True)  # type: ignore[attr-defined]
        for each in (failure, afailure)
    ),
}


def run_sync(called: Any, acalled: Any, count: int) -> Any:
    @flow
    def around() -> int:
        for number in range(count):
            with suppress(ValueError):
                called(number)
            called(number, return_state=True)
        return 1

    return around()


def run_async(called: Any, acalled: Any, count: int) -> Any:
    @flow
    async def around() -> int:
        for number in range(count):
            with suppress(ValueError):
                await acalled(number)
            await acalled(number, return_state=True)
        return 1

    return asyncio.run(around())


def run_submitted(called: Any, acalled: Any, count: int, runner: Any = None) -> Any:
    @flow(task_runner=runner or ConcurrentTaskRunner(max_workers=4))
    def around() -> int:
        futures = [called.submit(number) for number in range(count)]
        states = [future.wait() for future in futures]
        for future in futures:
            with suppress(ValueError):
                future.result()
        return len(states)

    return around()


def run_in_processes(called: Any, acalled: Any, count: int) -> Any:
    return run_submitted(called, acalled, count, ProcessPoolTaskRunner(max_workers=2))


def run_submitted_by_default(called: Any, acalled: Any, count: int) -> Any:
    @flow
    def around() -> int:
        futures = [called.submit(number) for number in range(count)]
        for future in futures:
            future.wait()
        return len(futures)

    return around()


def run_submitted_async(called: Any, acalled: Any, count: int) -> Any:
    @flow
    async def around() -> int:
        futures = [await acalled.submit(number) for number in range(count)]
        states = [await future.wait() for future in futures]
        for future in futures:
            with suppress(ValueError):
                await future.result()
        return len(states)

    return asyncio.run(around())


def run_mapped(called: Any, acalled: Any, count: int) -> Any:
    @flow(task_runner=ConcurrentTaskRunner(max_workers=4))
    def around() -> int:
        return len(called.map(range(count), return_state=True))

    return around()


MODES = {
    "sync": run_sync,
    "async": run_async,
    "submit": run_submitted,
    "asubmit": run_submitted_async,
    "map": run_mapped,
    "process": run_in_processes,
    "default": run_submitted_by_default,
}


def main() -> None:
    run = MODES[sys.argv[1]]
    what = WHAT[sys.argv[2]]
    with isolated():
        run(*what, 4)  # what is loaded and made once is not what a task costs
        with Peak() as peak:
            run(*what, COUNT)
    print(peak.most - peak.start)


if __name__ == "__main__":
    main()
