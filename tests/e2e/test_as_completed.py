"""`as_completed`: futures in the order in which their runs end, for both colours."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import anyio
import pytest
import trio

from tests.e2e.colours import add, in_thread
from upshot import flow, task
from upshot.exceptions import WouldBlockLoop
from upshot.futures import as_completed
from upshot.task_runners import ConcurrentTaskRunner

pytestmark = pytest.mark.usefixtures("upshot_home")

PATIENCE = 20
RUNS = [
    pytest.param(asyncio.run, id="asyncio"),
    pytest.param(lambda coroutine: trio.run(lambda: coroutine), id="trio"),
]
any_loop = pytest.mark.parametrize("run", RUNS)


@task
def ends_with(event: threading.Event, number: int) -> int:
    assert event.wait(PATIENCE)
    return number


@task
async def forever(begun: anyio.Event | None = None) -> None:
    if begun is not None:
        begun.set()
    await anyio.sleep_forever()


def test_futures_come_in_the_order_in_which_their_runs_end() -> None:
    @flow
    def body() -> list[int]:
        events = [threading.Event() for _ in range(5)]
        futures = [ends_with.submit(event, n) for n, event in enumerate(events)]
        order, seen = [3, 0, 4, 1, 2], []
        events[order[0]].set()
        for future in as_completed(futures):
            seen.append(future.result())
            if len(seen) < 5:
                events[order[len(seen)]].set()
        return seen

    assert in_thread(body) == [3, 0, 4, 1, 2]


def test_those_that_have_ended_come_in_that_order_too_and_each_once() -> None:
    @flow
    def body() -> list[int]:
        events = [threading.Event() for _ in range(3)]
        futures = [ends_with.submit(event, n) for n, event in enumerate(events)]
        for number in (2, 0, 1):
            events[number].set()
            futures[number].result()
        return [future.result() for future in as_completed([*futures, *futures])]

    assert in_thread(body) == [2, 0, 1]


@any_loop
def test_an_async_caller_iterates_without_blocking(run: Any) -> None:
    @flow
    async def body() -> list[int]:
        events = [threading.Event() for _ in range(3)]
        futures = [ends_with.submit(event, n) for n, event in enumerate(events)]
        order, seen = [2, 0, 1], []
        events[order[0]].set()
        async for future in as_completed(futures):
            seen.append(await future.aresult())
            if len(seen) < 3:
                events[order[len(seen)]].set()
        return seen

    assert in_thread(lambda: run(body())) == [2, 0, 1]


@any_loop
def test_an_async_iteration_over_a_thousand_runs_ends(run: Any) -> None:
    @flow
    async def body() -> int:
        futures = [add.submit(n) for n in range(1_000)]
        return sum([await future.aresult() async for future in as_completed(futures)])

    assert in_thread(lambda: run(body())) == sum(range(1, 1_001))


@any_loop
def test_a_timeout_counts_from_the_call_and_says_how_many_are_late(run: Any) -> None:
    event = threading.Event()

    @flow(task_runner=ConcurrentTaskRunner(2))
    async def body() -> list[Any]:
        futures = [ends_with.submit(event, 1), add.submit(1)]
        seen: list[Any] = []
        try:
            ended = as_completed(futures, timeout=0.05)
            seen.append(await (await anext(ended)).aresult())
            with pytest.raises(TimeoutError, match=r"^1 runs have not ended within 0.05 seconds"):
                await anext(ended)
            with pytest.raises(TimeoutError, match="within 0 seconds"):
                list(as_completed(futures[:1], timeout=0))
        finally:
            event.set()
        return seen

    assert in_thread(lambda: run(body())) == [2]


def test_a_blocking_iteration_on_the_loop_of_a_run_is_refused() -> None:
    async def body() -> None:
        begun = anyio.Event()
        future = await forever.submit(begun)
        await begun.wait()
        with pytest.raises(WouldBlockLoop, match=r"'forever-0'.*await future\.aresult\(\)"):
            next(as_completed([future]))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        in_thread(lambda: asyncio.run(flow(body)()))


def test_of_nothing_there_is_nothing() -> None:
    async def main() -> list[Any]:
        return [future async for future in as_completed([], timeout=0)]

    assert list(as_completed([])) == asyncio.run(main()) == []
