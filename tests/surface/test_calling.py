"""Calls of flows and tasks: who blocks, and who is given an awaitable."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import pytest

from upshot import flow, task
from upshot.futures import UpshotFuture

pytestmark = pytest.mark.usefixtures("upshot_home")


@task
def sync_task(x: int) -> int:
    return x + 1


@task
async def async_task(x: int) -> int:
    await asyncio.sleep(0)
    return x + 1


@flow
def sync_flow(x: int) -> int:
    return sync_task(x)


@flow
async def async_flow(x: int) -> int:
    return await async_task(x)


def test_a_sync_flow_blocks() -> None:
    assert sync_flow(1) == 2
    assert sync_flow(1, return_state=True).result() == 2


def test_a_sync_flow_blocks_also_where_a_loop_runs() -> None:
    async def main() -> Any:
        return sync_flow(1), sync_flow(1, return_state=True)

    value, state = asyncio.run(main())
    assert value == 2
    assert state.is_completed()


def test_a_sync_flow_with_async_tasks_blocks_where_a_loop_runs() -> None:
    @flow
    def outer() -> list[int]:
        return [async_task(1), async_task.submit(2).result(), async_flow(3)]

    async def main() -> list[int]:
        return outer()

    assert asyncio.run(main()) == [2, 3, 4]


def test_a_sync_flow_blocks_in_an_async_flow() -> None:
    @flow
    async def outer() -> int:
        return sync_flow(1)

    assert asyncio.run(outer()) == 2


def test_an_async_flow_gives_an_awaitable() -> None:
    call = async_flow(1)
    assert inspect.isawaitable(call)
    assert asyncio.run(call) == 2

    async def main() -> Any:
        return await async_flow(1), (await async_flow(1, return_state=True)).name

    assert asyncio.run(main()) == (2, "Completed")


def test_an_async_flow_in_an_async_flow_is_awaited() -> None:
    @flow
    async def outer() -> list[int]:
        call = async_flow(1)
        assert inspect.isawaitable(call)
        return [await call, *await asyncio.gather(async_flow(2), async_flow(3))]

    assert asyncio.run(outer()) == [2, 3, 4]


def test_in_a_sync_flow_an_async_subflow_and_an_async_task_block() -> None:
    @flow
    def outer() -> Any:
        state = async_flow(3, return_state=True)
        return async_flow(1), async_task(2), state.result()

    assert outer() == (2, 3, 4)


def test_a_sync_task_in_an_async_flow_blocks() -> None:
    @flow
    async def outer() -> list[Any]:
        return [sync_task(1), sync_task(1, return_state=True).name, sync_task.submit(2).result()]

    assert asyncio.run(outer()) == [2, "Completed", 3]


def test_an_async_task_in_an_async_flow_is_awaited() -> None:
    @flow
    async def outer() -> list[Any]:
        call = async_task(1)
        assert inspect.isawaitable(call)
        future = await async_task.submit(2)
        assert future.asynchronous is True
        return [await call, await future.result(), (await future.wait()).name]

    assert asyncio.run(outer()) == [2, 3, "Completed"]


def test_a_future_of_an_async_task_made_in_a_sync_flow_is_a_sync_future() -> None:
    @flow
    def outer() -> int:
        future = async_task.submit(1)
        assert isinstance(future, UpshotFuture)
        assert future.asynchronous is False
        assert future.wait().is_completed()
        result: int = future.result()
        return result

    assert outer() == 2

    async def main() -> int:
        return outer()

    assert asyncio.run(main()) == 2


def test_a_future_of_a_sync_task_made_in_an_async_flow_is_a_sync_future() -> None:
    @flow
    async def outer() -> int:
        future = sync_task.submit(1)
        assert future.asynchronous is False
        result: int = future.result()
        return result

    assert asyncio.run(outer()) == 2
