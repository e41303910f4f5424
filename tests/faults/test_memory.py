"""Memory holds references: what has ended leaves nothing behind that the user did not ask for."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from upshot import Task, flow, task
from upshot.task_runners import ProcessPoolTaskRunner, SequentialTaskRunner

SCRIPT = Path(__file__).with_name("calls_memory.py")
MODES = ["sync", "async", "submit", "asubmit", "map", "process"]
CASES = [
    *((mode, what) for mode in [*MODES, "default"] for what in ("results", "failures")),
    # not by default: nothing says that these are large, and 32 threads may hold 20 MB each at once
    *((mode, "plain") for mode in MODES),
]
MOST_MEGABYTES = 150


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="platform: no /proc")
@pytest.mark.parametrize(("mode", "what"), CASES)
def test_two_hundred_tasks_of_ten_megabytes_stay_small(mode: str, what: str) -> None:
    paths = os.pathsep.join(path for path in sys.path if path)
    printed = subprocess.run(
        [sys.executable, "-W", "error", str(SCRIPT), mode, what],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": paths},
    ).stdout
    assert float(printed) <= MOST_MEGABYTES


class Large:
    """Something that can be watched."""


Watched = list[weakref.ref[Large]]


def watching(watched: Watched) -> Large:
    large = Large()
    watched.append(weakref.ref(large))
    return large


def alive(watched: Watched) -> int:
    gc.collect()
    return sum(ref() is not None for ref in watched)


def as_task(fn: Any) -> Any:
    return fn if isinstance(fn, Task) else task(fn)


# their frames hold no argument, which is on its way only


def call(fn: Any, args: list[Any]) -> Any:
    return as_task(fn)(args.pop())


def state_of(fn: Any, args: list[Any]) -> Any:
    return as_task(fn)(args.pop(), return_state=True)


def submit(fn: Any, args: list[Any]) -> Any:
    future = as_task(fn).submit(args.pop())
    future.wait()
    return future


def mapped(fn: Any, args: list[Any]) -> Any:
    (future,) = as_task(fn).map([args.pop()])
    future.wait()
    return future


WAYS: dict[str, Callable[..., Any]] = {
    "call": call,
    "state": state_of,
    "submit": submit,
    "map": mapped,
}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """How a task is run in a flow; what is given back is kept."""
    return WAYS[request.param]


@pytest.fixture(params=[None, SequentialTaskRunner])
def runner(request: pytest.FixtureRequest) -> Any:
    """Where submitted tasks run."""
    return request.param


pytestmark = pytest.mark.usefixtures("upshot_home")


def test_the_arguments_of_a_task_that_has_ended_are_let_go(way: Any, runner: Any) -> None:
    @flow(task_runner=runner)
    def around() -> int:
        watched: Watched = []
        kept = way(lambda x: 1, [watching(watched)])
        found = alive(watched)
        del kept
        return found

    assert around() == 0


def test_the_arguments_of_a_task_that_has_failed_are_let_go(way: Any, runner: Any) -> None:
    @flow(task_runner=runner)
    def around() -> int:
        watched: Watched = []
        kept = None
        with suppress(ZeroDivisionError):
            kept = way(lambda x: 1 / 0, [watching(watched)])
        with suppress(ZeroDivisionError):
            way(lambda x: x / 0, [1])  # by the next end, at the latest
        found = alive(watched)
        del kept
        return found

    assert around() == 0


def test_the_variables_of_a_task_that_has_failed_are_let_go(way: Any, runner: Any) -> None:
    watched: Watched = []

    def fails(x: int) -> None:
        local = watching(watched)
        _fails_too(watched)
        del local

    @flow(task_runner=runner)
    def around() -> int:
        kept = []
        for _ in range(3):
            with suppress(ZeroDivisionError):
                kept.append(way(fails, [1]))
        with suppress(ZeroDivisionError):
            way(lambda x: x / 0, [1])
        return alive(watched)

    assert around() == 0
    assert len(watched) == 6


@pytest.mark.parametrize("in_memory", [True, False])
def test_a_thread_holds_no_more_of_a_failure_than_the_one_that_it_is_at(in_memory: bool) -> None:
    held = threading.local()
    left: list[int] = []

    @task(cache_result_in_memory=in_memory)
    def fails(x: int) -> None:
        before: Watched = getattr(held, "watched", [])
        left.append(sum(ref() is not None for ref in before))
        held.watched = watched = []
        local = watching(watched)
        _fails_too(watched)
        del local

    @flow
    def around() -> int:
        futures = [fails.submit(number) for number in range(200)]
        for future in futures:
            future.wait()
        return len(futures)

    assert around() == 200
    assert left == [0] * 200


def _fails_too(watched: Watched) -> None:
    local = watching(watched)
    try:
        raise KeyError
    except KeyError:
        1 / 0  # noqa: B018
    del local


def test_an_exception_that_its_caller_still_holds_keeps_its_variables() -> None:
    watched: Watched = []

    @task
    def fails() -> None:
        local = watching(watched)
        1 / 0  # noqa: B018
        del local

    @flow
    def around() -> int:
        found = 0
        try:
            fails()
        except ZeroDivisionError:
            with suppress(ZeroDivisionError):
                fails()
            found = watched[0]() is not None
        return found

    assert around() == 1


def test_an_async_flow_goes_on_after_what_it_dealt_with_was_let_go() -> None:
    watched: Watched = []

    @task
    async def fails() -> None:
        local = watching(watched)
        await asyncio.sleep(0)
        1 / 0  # noqa: B018
        del local

    @flow
    async def around() -> int:
        async def one() -> str:
            with suppress(ZeroDivisionError):
                await fails()
            await asyncio.sleep(0.01)
            return "went on"

        assert await asyncio.gather(one(), one(), one()) == ["went on"] * 3
        with suppress(ZeroDivisionError):
            await fails()
        return alive(watched[:3])

    assert asyncio.run(around()) == 0


@pytest.mark.parametrize("name", WAYS)
def test_a_value_that_is_kept_out_of_memory_is_let_go_when_it_is_stored(name: str) -> None:
    watched: Watched = []

    @task(cache_result_in_memory=False)
    def fn(x: int) -> Large:
        return watching(watched)

    @flow
    def around() -> int:
        kept = WAYS[name](fn, [1])
        if name == "call":
            del kept  # that is the value
        return alive(watched)

    assert around() == 0


def test_an_awaited_call_leaves_neither_argument_nor_value_behind() -> None:
    watched: Watched = []

    @task(cache_result_in_memory=False)
    async def fn(x: Any) -> Large:
        await asyncio.sleep(0)
        return watching(watched)

    @flow
    async def around() -> int:
        await fn(watching(watched))
        state = await fn(watching(watched), return_state=True)
        future = await fn.submit(watching(watched))
        await future.wait()
        found = alive(watched)
        del state, future
        return found

    assert asyncio.run(around()) == 0
    assert len(watched) == 6


def test_a_worker_process_leaves_no_argument_behind() -> None:
    @flow(task_runner=ProcessPoolTaskRunner(max_workers=1))
    def around() -> int:
        watched: Watched = []
        futures = [task(_size).submit(watching(watched)) for _ in range(3)]
        for future in futures:
            future.wait()
        return alive(watched)

    assert around() == 0


def _size(x: Any) -> int:
    return 1


def test_a_value_in_memory_lives_as_long_as_its_state_and_its_flow_run() -> None:
    watched: Watched = []

    @task
    def fn() -> Large:
        return watching(watched)

    @flow
    def around() -> Any:
        fn()
        state = fn(return_state=True)
        assert alive(watched) == 2
        return [state]

    state = around(return_state=True)
    assert alive(watched) == 1
    del state
    assert alive(watched) == 0


def test_a_flow_run_that_has_ended_leaves_nothing_behind() -> None:
    watched: Watched = []

    @task
    def child(x: Any) -> Large:
        return watching(watched)

    @flow
    def around(x: Any) -> int:
        child(x)
        child.submit(x).result()
        child.map([x])
        return 1

    around(watching(watched))
    assert alive(watched) == 0


def test_a_retried_flow_keeps_references_and_no_values() -> None:
    watched: Watched = []

    @task
    def child() -> Large:
        return watching(watched)

    @flow(retries=1)
    def around() -> int:
        if not watched:
            child()
            raise ValueError
        return alive(watched)

    assert around() == 0
