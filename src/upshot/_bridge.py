"""The border between sync and async: who calls, and how a sync caller gets what is async.

This is the only place that asks for a caller's colour. A user's function sets it on entry; where
none runs, the running loop alone decides.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import ContextVar
from functools import partial, wraps
from typing import Any, ParamSpec, Protocol, TypeVar, overload

import anyio
import anyio.to_thread

from upshot import _portals

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
    return value


def run_blocking(work: Callable[[], Awaitable[T]]) -> T:
    """Run async `work` to its end for a sync caller, on a loop in another thread.

    The caller's context variables are seen by `work`, but for its colour: there, it is async. An
    interrupt of the caller cancels `work`.
    """

    async def coloured() -> T:
        caller_is_async.set(True)
        return await work()

    return _portals.call(coloured)
