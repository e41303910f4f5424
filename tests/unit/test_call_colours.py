"""Calls of flows and tasks across colours: who blocks, who awaits, and that nothing deadlocks."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import multiprocessing
import threading
from collections.abc import Callable
from typing import Any

import pytest
import trio

from upshot import flow, get_run_context, task
from upshot._bridge import caller_is_async
from upshot.testing import isolated

pytestmark = pytest.mark.usefixtures("upshot_home")


@task
def sync_task(x: int) -> int:
    return x + 1


@task
async def async_task(x: int) -> int:
    await asyncio.sleep(0)
    return x + 1


def descend(kinds: list[Any], persist: bool) -> Callable[[], Any]:
    """A call that goes down through flows and tasks of alternating colours, sync first."""
    if not kinds:
        return lambda: [caller_is_async.get()]
    decorate, *rest = kinds
    inner = descend(rest, persist)

    def plain() -> Any:
        return [caller_is_async.get(), *inner()]

    async def awaited() -> Any:
        below = inner()
        assert not inspect.isawaitable(below)  # the next one is sync
        return [caller_is_async.get(), *below]

    is_async = len(rest) % 2 == 0
    made = decorate(persist_result=persist)(awaited if is_async else plain)
    return lambda: made()


LADDERS = [[flow, task] * 2, [task, flow] * 2, [flow] * 4, [task] * 4, [flow, task] * 3]


@pytest.mark.parametrize("persist", [False, True])
@pytest.mark.parametrize("kinds", LADDERS, ids=lambda kinds: "-".join(k.__name__ for k in kinds))
def test_sync_in_async_in_sync_in_async_ends(kinds: list[Any], persist: bool) -> None:
    colours = [False, True] * (len(kinds) // 2)
    down = descend(kinds, persist)
    assert down() == [*colours, True]

    async def main() -> Any:
        return down()

    assert asyncio.run(main()) == [*colours, True]
    assert trio.run(main) == [*colours, True]
    copied = contextvars.copy_context()
    for run in (down, lambda: copied.run(down)):
        given: list[Any] = []
        thread = threading.Thread(target=lambda run=run, given=given: given.extend(run()))
        thread.start()
        thread.join()
        assert given == [*colours, True]


@pytest.mark.parametrize("decorate", [flow, task])
def test_outside_of_runs_an_async_call_is_a_coroutine(decorate: Any) -> None:
    made = decorate(async_task.fn)
    call = made(1)
    assert inspect.iscoroutine(call)
    assert asyncio.run(call) == 2

    async def main() -> int:
        return await asyncio.create_task(made(2))

    assert asyncio.run(main()) == 3


def test_a_sync_flow_blocks_on_async_tasks_and_flows() -> None:
    async_flow = flow(async_task.fn, name="async-flow")

    @flow
    def outer() -> list[Any]:
        return [async_task(1), async_flow(2), async_task(3, return_state=True).result()]

    assert outer() == [2, 3, 4]


def test_an_async_flow_awaits_async_tasks_and_calls_sync_ones() -> None:
    @flow
    async def outer() -> list[Any]:
        together = await asyncio.gather(async_task(1), async_task(2))
        return [*together, sync_task(3), (await async_task(4, return_state=True)).is_completed()]

    assert asyncio.run(outer()) == [2, 3, 4, True]


def test_a_sync_flow_called_from_a_coroutine_gets_plain_values() -> None:
    @flow
    def inner() -> int:
        state = task(lambda: 5, persist_result=True, cache_result_in_memory=False)(
            return_state=True
        )
        return state.result() + async_task(1)

    @flow
    async def outer() -> int:
        return inner()

    async def main() -> list[int]:
        return [inner(), await outer()]

    assert asyncio.run(main()) == [7, 7]


def test_a_helper_thread_of_an_async_flow_blocks() -> None:
    @flow
    async def outer() -> tuple[int, Any]:
        names = await asyncio.to_thread(lambda: get_run_context().flow.name)
        return await asyncio.to_thread(async_task, 1), names

    assert asyncio.run(outer()) == (2, "outer")


def test_a_thread_without_context_calls_as_from_outside() -> None:
    @flow
    def outer() -> Any:
        given: list[Any] = []
        thread = threading.Thread(target=lambda: given.append((sync_task(1), async_task(2))))
        thread.start()
        thread.join()
        return given[0][0], asyncio.run(given[0][1])

    assert outer() == (2, 3)


def test_an_exception_crosses_all_colours_as_it_is() -> None:
    error = ValueError("from below")

    @task
    async def bottom() -> None:
        raise error

    @flow
    def middle() -> None:
        bottom()

    @flow
    async def top() -> None:
        middle()

    for call in (lambda: asyncio.run(top()), middle, lambda: asyncio.run(bottom())):
        with pytest.raises(ValueError, match="from below") as caught:
            call()
        assert caught.value is error


def test_many_blocking_calls_at_once_end() -> None:
    @flow
    def outer(x: int) -> int:
        return async_task(async_task(x))

    async def main() -> list[int]:
        return await asyncio.gather(*(asyncio.to_thread(outer, x) for x in range(30)))

    assert asyncio.run(main()) == [x + 2 for x in range(30)]


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_blocking_calls_end_in_processes_of_every_kind(method: str) -> None:
    assert blocking() == 3
    with multiprocessing.get_context(method).Pool(1) as pool:
        assert pool.apply(blocking) == 3


def blocking() -> int:
    # a fork server has the environment of its start, so this home has to be made here
    with isolated():
        return flow(lambda: async_task(async_task(1)), name="blocking")()
