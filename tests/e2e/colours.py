"""Callers and callees of every colour; `test_colour_matrix` has each call each."""

from __future__ import annotations

import asyncio
import inspect
import sys
import threading
import traceback
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextvars import copy_context
from typing import Any

import anyio.lowlevel
import pytest
import trio

from upshot import flow, task
from upshot.task_runners import TaskRunner

PATIENCE = 20


@task
def add(x: int) -> int:
    return x + 1


@task
async def aadd(x: int) -> int:
    await anyio.lowlevel.checkpoint()
    return x + 1


@flow
def adding(x: int) -> Any:
    return add(x)


@flow
async def aadding(x: int) -> Any:
    return await aadd(x)


CALLEES = {"sync task": add, "async task": aadd, "sync flow": adding, "async flow": aadding}
WAYS = {
    "call": lambda callee: callee(1),
    "submit": lambda callee: callee.submit(1),
    "map": lambda callee: callee.map([1, 1]),
}
GIVES = {"call": 2, "submit": 2, "map": [2, 2]}


def use(way: str, callee: Any) -> Any:
    """What a sync function does; it is given no awaitable."""
    given = WAYS[way](callee)
    if way == "call":
        return given
    return given.result() if way == "submit" else [future.result() for future in given]


async def ause(way: str, callee: Any) -> Any:
    """What an async function does: it awaits what has to be awaited."""
    given = await got(WAYS[way](callee))
    if way == "call":
        return given
    if way == "submit":
        return await got(given.result())
    return [await got(future.result()) for future in given]


async def got(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


@task(name="caller")
def in_task(way: str, callee: Any) -> Any:
    return use(way, callee)


@task(name="acaller")
async def in_atask(way: str, callee: Any) -> Any:
    return await ause(way, callee)


def in_flow(runner: TaskRunner, body: Callable[[], Any]) -> Any:
    return flow(body, name="around", task_runner=runner)()


async def in_aflow(runner: TaskRunner, body: Callable[[], Awaitable[Any]]) -> Any:
    return await flow(body, name="around", task_runner=runner)()  # type: ignore[misc]


def in_thread(function: Callable[[], Any]) -> Any:
    """What it gives in a thread of its own; where its threads stand if that takes too long."""
    future: Future[Any] = Future()

    def run() -> None:
        try:
            future.set_result(function())
        except BaseException as error:
            future.set_exception(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        return future.result(PATIENCE)
    except TimeoutError:
        if future.done():
            raise
        frame = sys._current_frames().get(thread.ident or 0)
        pytest.fail("it hangs:\n" + "".join(traceback.format_stack(frame)))


def sync_flow(runner: TaskRunner, way: str, callee: Any) -> Any:
    return in_flow(runner, lambda: use(way, callee))


def sync_task_in_a_flow(runner: TaskRunner, way: str, callee: Any) -> Any:
    return in_flow(runner, lambda: in_task(way, callee))


def submitted_sync_task(runner: TaskRunner, way: str, callee: Any) -> Any:
    return in_flow(runner, lambda: in_task.submit(way, callee).result())


def async_task_in_a_sync_flow(runner: TaskRunner, way: str, callee: Any) -> Any:
    return in_flow(runner, lambda: in_atask(way, callee))


def submitted_async_task_in_a_sync_flow(runner: TaskRunner, way: str, callee: Any) -> Any:
    return in_flow(runner, lambda: in_atask.submit(way, callee).result())


def thread_of_a_flow(runner: TaskRunner, way: str, callee: Any) -> Any:
    def body() -> Any:
        context = copy_context()
        return in_thread(lambda: context.run(use, way, callee))

    return in_flow(runner, body)


def thread_without_context(runner: TaskRunner, way: str, callee: Any) -> Any:
    return in_flow(runner, lambda: in_thread(lambda: script(runner, way, callee)))


def script(runner: TaskRunner, way: str, callee: Any) -> Any:
    """Outside of all runs and loops, what is async gives its awaitable: `asyncio.run(f())`."""
    if not callee.isasync:
        return use(way, callee)
    given = asyncio.run(got(WAYS[way](callee)))
    return given if way == "call" else use(way, Given(given))


class Given:
    """What a script has in its hands once it has run `submit` or `map`."""

    def __init__(self, given: Any) -> None:
        self.submit = self.map = lambda x: given


def sync_task(runner: TaskRunner, way: str, callee: Any) -> Any:
    return in_task(way, callee)


SYNC_CALLERS = [
    script,
    sync_flow,
    sync_task,
    sync_task_in_a_flow,
    submitted_sync_task,
    async_task_in_a_sync_flow,
    submitted_async_task_in_a_sync_flow,
    thread_of_a_flow,
    thread_without_context,
]


async def running_loop(runner: TaskRunner, way: str, callee: Any) -> Any:
    return await ause(way, callee)


async def async_task(runner: TaskRunner, way: str, callee: Any) -> Any:
    return await in_atask(way, callee)  # type: ignore[misc]


async def async_flow(runner: TaskRunner, way: str, callee: Any) -> Any:
    async def body() -> Any:
        return await ause(way, callee)

    return await in_aflow(runner, body)


async def async_task_in_a_flow(runner: TaskRunner, way: str, callee: Any) -> Any:
    async def body() -> Any:
        return await in_atask(way, callee)  # type: ignore[misc]

    return await in_aflow(runner, body)


async def submitted_async_task(runner: TaskRunner, way: str, callee: Any) -> Any:
    async def body() -> Any:
        return await (await in_atask.submit(way, callee)).aresult()

    return await in_aflow(runner, body)


async def sync_task_in_an_async_flow(runner: TaskRunner, way: str, callee: Any) -> Any:
    async def body() -> Any:
        return in_task(way, callee)

    return await in_aflow(runner, body)


async def submitted_sync_task_in_an_async_flow(runner: TaskRunner, way: str, callee: Any) -> Any:
    async def body() -> Any:
        return await in_task.submit(way, callee).aresult()

    return await in_aflow(runner, body)


async def submitted_sync_task_that_blocks_an_async_flow(
    runner: TaskRunner, way: str, callee: Any
) -> Any:
    async def body() -> Any:
        return in_task.submit(way, callee).result()

    return await in_aflow(runner, body)


async def sync_flow_in_a_loop(runner: TaskRunner, way: str, callee: Any) -> Any:
    return sync_flow(runner, way, callee)


async def submitted_sync_task_in_a_sync_flow_in_a_loop(
    runner: TaskRunner, way: str, callee: Any
) -> Any:
    return submitted_sync_task(runner, way, callee)


ASYNC_CALLERS = [
    running_loop,
    async_task,
    async_flow,
    async_task_in_a_flow,
    submitted_async_task,
    sync_task_in_an_async_flow,
    submitted_sync_task_in_an_async_flow,
    submitted_sync_task_that_blocks_an_async_flow,
    sync_flow_in_a_loop,
    submitted_sync_task_in_a_sync_flow_in_a_loop,
]


def on_asyncio(caller: Any, *args: Any) -> Any:
    return asyncio.run(caller(*args))


def on_trio(caller: Any, *args: Any) -> Any:
    return trio.run(caller, *args)


def as_it_is(caller: Any, *args: Any) -> Any:
    return caller(*args)
