"""The border between sync and async: who calls, and how a sync caller gets what is async.

This is the only place that asks for a caller's colour. A user's function sets it on entry; where
none runs, the running loop alone decides.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from contextvars import ContextVar
from functools import partial, wraps
from typing import Any, ParamSpec, Protocol, TypeVar, overload

import anyio
import anyio.from_thread
import anyio.to_thread

P = ParamSpec("P")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

# whether the innermost user function is async; None outside of all
caller_is_async: ContextVar[bool | None] = ContextVar("upshot_caller_is_async", default=None)


def loop_runs_here() -> bool:
    """Whether an event loop (asyncio's or trio's) runs in this thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        in_trio_run = getattr(sys.modules.get("trio.lowlevel"), "in_trio_run", None)
        return in_trio_run is not None and bool(in_trio_run())
    return True


def wants_awaitable() -> bool:
    """Whether who calls now must be given an awaitable instead of being blocked."""
    return caller_is_async.get() is not False and loop_runs_here()


def call_must_block() -> bool:
    """Whether a call of an async flow or task must end before it returns.

    Inside a sync function it must. Elsewhere it gives its awaitable, also where no loop runs yet:
    `asyncio.run(my_flow())`.
    """
    colour = caller_is_async.get()
    return colour is False or (colour is True and not loop_runs_here())


class Compatible(Protocol[P, T_co]):
    """A blocking function that gives an awaitable to async callers; `aio` always gives one."""

    aio: Callable[P, Awaitable[Any]]

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T_co: ...
    @overload
    def __get__(self, instance: None, owner: type) -> Compatible[P, T_co]: ...
    @overload
    def __get__(self, instance: object, owner: type) -> Callable[..., T_co]: ...


def compatible(blocking: Callable[P, T]) -> Compatible[P, Any]:
    """Make a blocking function serve both worlds.

    Async callers get an awaitable of its work, which is then done in a thread.
    """

    @wraps(blocking)
    async def aio(*args: P.args, **kwargs: P.kwargs) -> T:
        return await in_thread(partial(blocking, *args, **kwargs))

    @wraps(blocking)
    def either(*args: P.args, **kwargs: P.kwargs) -> Any:
        return aio(*args, **kwargs) if wants_awaitable() else blocking(*args, **kwargs)

    either.aio = aio  # type: ignore[attr-defined]
    return either  # type: ignore[return-value]


async def in_thread(work: Callable[[], T]) -> T:
    """Do blocking `work` in a worker thread: one hop there, one back.

    Cancelling the caller does not abandon work that has begun: it is waited for, and the
    cancellation goes on after it.
    """
    claim, done = threading.Lock(), threading.Event()

    def job() -> T:
        if not claim.acquire(blocking=False):
            raise RuntimeError("cancelled before it began")
        try:
            return work()
        finally:
            done.set()

    try:
        with anyio.CancelScope(shield=True):
            value = await anyio.to_thread.run_sync(job)
        return value
    except GeneratorExit:
        # nobody will resume this coroutine, so the work can only be waited for here and now
        if not claim.acquire(blocking=False):
            done.wait()
        raise
    except BaseException:
        while not claim.acquire(blocking=False) and not done.is_set():
            with suppress(BaseException), anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(done.wait)
        raise


class _Portals:
    """Event loops in threads of their own, for sync callers of async functions.

    One loop serves all, so that what an async function leaves on its loop is there at the next
    call. Where that loop is itself blocked by such a caller, a further one is started.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: list[tuple[AbstractContextManager[Any], Any, list[int]]] = []

    def call(self, work: Callable[[], Awaitable[T]]) -> T:
        ended = threading.Event()

        async def settled() -> tuple[T | None, BaseException | None]:
            caller_is_async.set(True)
            try:
                return await work(), None
            except BaseException as error:
                # raised here, some of them would end the loop that others need too
                return None, error
            finally:
                ended.set()

        with self._free_portal() as portal:
            future = portal.start_task_soon(settled)
            try:
                value, error = future.result()
            except BaseException:
                # an interrupt of this thread; `work` is told, and ends first
                if future.cancel():
                    ended.wait()
                raise
        if error is None:
            return value  # type: ignore[no-any-return]
        try:
            raise error
        finally:
            del error

    @contextmanager
    def _free_portal(self) -> Iterator[Any]:
        here = threading.get_ident()
        with self._lock:
            blocked = next((row[2] for row in self._open if row[2][0] == here), [here, 0])
            blocked[1] += 1
            portal = next((row[1] for row in self._open if not row[2][1]), None)
            if portal is None:
                portal = self._start()
        try:
            yield portal
        finally:
            with self._lock:
                blocked[1] -= 1

    def _start(self) -> Any:
        manager = anyio.from_thread.start_blocking_portal(name="upshot-portal")
        portal = manager.__enter__()
        self._open.append((manager, portal, [portal.call(_thread_ident), 0]))
        return portal


async def _thread_ident() -> int:
    return threading.get_ident()


_portals = _Portals()


def run_blocking(work: Callable[[], Awaitable[T]]) -> T:
    """Run async `work` to its end for a sync caller, on a loop in another thread.

    The caller's context variables are seen by `work`, but for its colour: there, it is async. An
    interrupt of the caller cancels `work`.
    """
    return _portals.call(work)


def _forget_portals() -> None:
    """In a forked child the threads are gone; its first need starts new ones."""
    global _portals
    _portals = _Portals()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_portals)
