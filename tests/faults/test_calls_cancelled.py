"""Cancelled flows and tasks: a final state, no hang, nothing half."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
import trio

from tests.faults.test_calls_errors import ended
from upshot import flow, task
from upshot.documents import BaseResult
from upshot.runstore import RunStore, open_store

pytestmark = pytest.mark.usefixtures("upshot_home")


class Gate:
    """A value whose pickling tells that it has begun, and goes on when it is let."""

    def __init__(self) -> None:
        self.begun, self.let = threading.Event(), threading.Event()

    def __reduce__(self) -> Any:
        self.begun.set()
        assert self.let.wait(30)
        return str, ("through",)


def names() -> dict[str, str]:
    return {name: run.state_name for name, run in ended().items()}


async def cancelled(call: Any, begun: threading.Event, then: Callable[[], object] = list) -> None:
    """Cancel an awaitable that has begun; when it has been told, do `then`, and see it end."""
    pending = asyncio.ensure_future(call)
    assert await asyncio.to_thread(begun.wait, 30)
    pending.cancel()
    for _ in range(3):
        await asyncio.sleep(0)
    then()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(pending, 30)


@flow
async def outer(call: Any) -> Any:
    return await call()


def test_a_run_that_is_cancelled_in_the_users_await_has_crashed() -> None:
    begun = threading.Event()

    @task(persist_result=True, retries=3)
    async def inner() -> None:
        begun.set()
        await asyncio.sleep(1000)

    asyncio.run(cancelled(outer(inner), begun))  # type: ignore[arg-type]

    assert names() == {"inner": "Crashed", "outer": "Crashed"}
    assert "CancelledError" in ended()["inner"].failure


def test_a_run_that_is_cancelled_while_its_result_is_written_is_completed(
    upshot_home: Path,
) -> None:
    gate = Gate()

    @task(persist_result=True)
    async def inner() -> Gate:
        return gate

    asyncio.run(cancelled(outer(inner), gate.begun, gate.let.set))  # type: ignore[arg-type]

    assert names() == {"inner": "Completed", "outer": "Crashed"}
    assert BaseResult.model_validate_json(ended()["inner"].result).fetch() == "through"
    assert len(list((upshot_home / "storage").iterdir())) == 1


def test_a_flow_that_is_cancelled_while_its_result_is_written_is_completed() -> None:
    gate = Gate()

    @flow(persist_result=True)
    async def writing() -> Gate:
        return gate

    asyncio.run(cancelled(writing(), gate.begun, gate.let.set))  # type: ignore[arg-type]

    assert names() == {"writing": "Completed"}


def test_a_run_whose_write_is_cancelled_before_it_has_begun_has_crashed(upshot_home: Path) -> None:
    returned = threading.Event()

    @task(persist_result=True)
    async def inner() -> list[int]:
        returned.set()
        return [1]

    async def main() -> None:
        limiter = anyio.to_thread.current_default_thread_limiter()
        limiter.total_tokens = 1
        limiter.acquire_on_behalf_of_nowait(returned)
        free = partial(limiter.release_on_behalf_of, returned)
        await cancelled(outer(inner), returned, free)  # type: ignore[arg-type]

    asyncio.run(main())

    assert names() == {"inner": "Crashed", "outer": "Crashed"}
    assert not (upshot_home / "storage").exists()


def test_a_run_that_is_cancelled_before_a_retry_has_crashed() -> None:
    failed = threading.Event()

    @task(retries=1, retry_delay_seconds=1000)
    async def inner() -> None:
        failed.set()
        raise ValueError

    asyncio.run(cancelled(outer(inner), failed))  # type: ignore[arg-type]

    assert names() == {"inner": "Crashed", "outer": "Crashed"}
    assert ended()["inner"].run_count == 1


@pytest.mark.parametrize(
    ("step", "of"), [("cached", "inner"), ("flush", "inner"), ("flush", "outer")]
)
def test_a_run_that_is_cancelled_while_the_store_works_has_a_final_state(
    step: str, of: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, let, calls = threading.Event(), threading.Event(), itertools.count()
    original = getattr(type(open_store()), step)

    def slow(store: RunStore, *args: Any) -> Any:
        if next(calls) == ["inner", "outer"].index(of):
            begun.set()
            assert let.wait(30)
        return original(store, *args)

    @task(cache_key_fn=lambda context, parameters: "key")
    async def inner() -> list[int]:
        return [1]

    monkeypatch.setattr(type(open_store()), step, slow)
    asyncio.run(cancelled(outer(inner), begun, let.set))  # type: ignore[arg-type]
    monkeypatch.undo()

    inner_ended = "Crashed" if step == "cached" else "Completed"
    outer_ended = "Completed" if of == "outer" else "Crashed"
    assert names() == {"inner": inner_ended, "outer": outer_ended}


@pytest.mark.parametrize("library", [asyncio, trio])
def test_siblings_of_a_failing_task_in_a_task_group_have_crashed(library: Any) -> None:
    @task(persist_result=True)
    async def waiting() -> None:
        await anyio.sleep(1000)

    @task
    async def failing() -> None:
        raise ValueError("no")

    @flow
    async def group() -> None:
        async with anyio.create_task_group() as tasks:
            for one in (waiting, waiting, failing):
                tasks.start_soon(one)

    with pytest.raises(ExceptionGroup) as caught:
        library.run(group()) if library is asyncio else library.run(group)

    assert isinstance(caught.value.exceptions[0], ValueError)
    assert names() == {"waiting": "Crashed", "failing": "Failed", "group": "Failed"}


def test_a_flow_under_a_deadline_of_trio_is_crashed_and_its_write_completed() -> None:
    gate = Gate()

    @task(persist_result=True)
    async def inner() -> Gate:
        return gate

    async def go_on() -> None:
        await inner()
        await trio.lowlevel.checkpoint()

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            with trio.CancelScope() as scope:
                nursery.start_soon(cancel, scope)
                await outer(go_on)
        assert scope.cancelled_caught

    async def cancel(scope: trio.CancelScope) -> None:
        await trio.to_thread.run_sync(gate.begun.wait)
        scope.cancel()
        gate.let.set()

    trio.run(main)

    assert names() == {"inner": "Completed", "outer": "Crashed"}
