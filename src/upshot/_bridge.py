"""The border between sync and async: who calls, and how a sync caller gets what is async.

This is the only place that asks for a caller's colour. A user's function sets it on entry; where
none runs, the running loop alone decides.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from functools import partial, update_wrapper, wraps
from typing import Any, Generic, ParamSpec, Self, TypeVar, overload

import anyio
import anyio.to_thread

from upshot._concurrency import portals
from upshot._concurrency.in_time import await_while_wanted
from upshot._concurrency.loops import outlast

P = ParamSpec("P")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

# whether the innermost user function is async; None outside of all
caller_is_async: ContextVar[bool | None] = ContextVar("upshot_caller_is_async", default=None)


def loop_runs_here() -> bool:
    """Whether an event loop (asyncio's or trio's) runs in this thread."""
    modules = sys.modules  # who runs a loop has imported where it is from
    get_running_loop = getattr(modules.get("asyncio.events"), "_get_running_loop", None)
    if get_running_loop is not None and get_running_loop() is not None:
        return True
    in_trio_run = getattr(modules.get("trio.lowlevel"), "in_trio_run", None)
    return in_trio_run is not None and bool(in_trio_run())


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


class Compatible(Generic[P, T_co]):
    """A function that blocks sync callers and gives async ones an awaitable.

    Attributes:
        aio: the same function, awaited whoever calls; as a method it is bound as the function is.
    """

    def __init__(
        self,
        blocking: Callable[P, T_co],
        aio: Callable[P, Awaitable[Any]],
        *,
        on_class: bool = False,
    ) -> None:
        update_wrapper(self, blocking)
        self._blocking, self._on_class = blocking, on_class
        self.aio = aio

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Any:
        return self.aio(*args, **kwargs) if wants_awaitable() else self._blocking(*args, **kwargs)

    @overload
    def __get__(self, instance: None, owner: type) -> Compatible[..., T_co]: ...
    @overload
    def __get__(self, instance: object, owner: type) -> Bound: ...
    def __get__(self, instance: object, owner: type) -> Any:
        to = owner if self._on_class else instance
        return self if to is None else Bound(self, to)


class Bound(partial[Any]):
    """A compatible function as a method of something."""

    def __new__(cls, function: Compatible[..., Any], to: object) -> Self:
        bound = super().__new__(cls, function, to)
        bound.aio = partial(function.aio, to)
        return bound

    aio: Callable[..., Awaitable[Any]]


@overload
def compatible(blocking: Callable[..., Any]) -> Compatible[..., Any]: ...
@overload
def compatible(
    blocking: None = None,
    *,
    aio: Callable[..., Awaitable[Any]] | None = None,
    blocks: bool = True,
    on_class: bool = False,
) -> Callable[[Callable[..., Any]], Compatible[..., Any]]: ...
def compatible(
    blocking: Callable[..., Any] | None = None,
    *,
    aio: Callable[..., Awaitable[Any]] | None = None,
    blocks: bool = True,
    on_class: bool = False,
) -> Any:
    """Make a blocking function serve both worlds: async callers get an awaitable of its work.

    Args:
        blocking: what to do for sync callers.
        aio: what to do for async ones; by default the same, in a thread.
        blocks: False for work that is done at once, and needs no thread.
        on_class: whether it is to be a class method.
    """
    if blocking is None:
        return partial(compatible, aio=aio, blocks=blocks, on_class=on_class)
    if aio is None:
        aio = _threaded(blocking) if blocks else _at_once(blocking)
    return Compatible(blocking, aio, on_class=on_class)


def _at_once(work: Callable[P, T]) -> Callable[P, Awaitable[T]]:
    @wraps(work)
    async def aio(*args: P.args, **kwargs: P.kwargs) -> T:
        return work(*args, **kwargs)

    return aio


def _threaded(blocking: Callable[P, T]) -> Callable[P, Awaitable[T]]:
    @wraps(blocking)
    async def aio(*args: P.args, **kwargs: P.kwargs) -> T:
        return await in_thread(partial(blocking, *args, **kwargs))

    return aio


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

    async def wait() -> None:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(done.wait)

    try:
        with anyio.CancelScope(shield=True):
            value = await anyio.to_thread.run_sync(job)
    except BaseException as error:
        await outlast(
            error, lambda: claim.acquire(blocking=False) or done.is_set(), wait, done.wait
        )
    return value


def run_blocking(work: Callable[[], Awaitable[T]]) -> T:
    """Run async `work` to its end for a sync caller, on a loop in another thread.

    The caller's context variables are seen by `work`, but for its colour: there, it is async. An
    interrupt of the caller cancels `work`.
    """

    async def coloured() -> T:
        caller_is_async.set(True)
        return await await_while_wanted(work)

    return portals.call(coloured)
