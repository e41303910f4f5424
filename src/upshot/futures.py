"""Futures: what is handed out for runs that were submitted, and ways to wait for several."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import suppress
from math import inf
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

import anyio

from upshot._arguments.upstreams import Filling
from upshot._concurrency.loops import thread_safe
from upshot._concurrency.waiting import Completion, awaiting, blocked_by
from upshot._future import Async, Sync, UpshotFuture
from upshot.annotations import BaseAnnotation

R = TypeVar("R")
A = TypeVar("A", bound=bool)


async def resolve_futures_to_data(expr: Any, raise_on_failure: bool = True) -> Any:
    """`expr` with the value of its run in the place of each future, once all of them have ended.

    Looked into are built-in collections, keys of dictionaries too, dataclasses and pydantic
    models; those with futures in them are copies of the same type. An iterator is run through for
    the futures that it gives, and an empty list is in its place.

    Args:
        expr: anything.
        raise_on_failure: raise what a failed run raised; False has it in the future's place.
    """
    return await _resolved(expr, lambda future: future.aresult(raise_on_failure=raise_on_failure))


async def resolve_futures_to_states(expr: Any) -> Any:
    """`expr` with the final state of its run in the place of each future; as for their data."""
    return await _resolved(expr, lambda future: future.await_state())


async def _resolved(expr: Any, of: Callable[[UpshotFuture[Any, Any]], Awaitable[Any]]) -> Any:
    futures: dict[int, UpshotFuture[Any, Any]] = {}
    pending = [expr]
    while pending:
        for part in Filling.parts_of(pending.pop()):
            if isinstance(part, UpshotFuture):
                futures[id(part)] = part
            elif isinstance(part, Iterator):
                pending.append(list(part))
    found = {key: await of(future) for key, future in futures.items()}
    return _Resolving(lambda future: found[id(future)]).of(expr)


class _Resolving(Filling):
    """As for the arguments of a call, but states and annotations stay what they are."""

    def _replaces(self, value: Any) -> bool:
        return isinstance(value, UpshotFuture | Iterator)

    def _fill(self, value: Any) -> None:
        if isinstance(value, Iterator):
            self._filled[id(value)] = []
        elif isinstance(value, BaseAnnotation):
            self._filled[id(value)] = value.rewrap(self._new(value.unwrap()))
        else:
            super()._fill(value)


def call_repr(__fn: Callable[..., Any], *args: Any, **kwargs: Any) -> str:
    """A call as one would write it."""
    given = [*map(repr, args), *(f"{name}={value!r}" for name, value in kwargs.items())]
    return f"{__fn.__name__}({', '.join(given)})"


class as_completed(Generic[R, A]):
    """The futures in the order in which their runs end, each as soon as its run has ended.

    To be iterated over with `for`, which blocks until the next run ends, or with `async for`.

    Args:
        futures: each is given once.
        timeout: seconds from now until all must have ended.

    Raises:
        TimeoutError: from the iteration, if they have not.
        WouldBlockLoop: from a blocking one, if a run needs the very loop that it would block.
    """

    def __init__(self, futures: Iterable[UpshotFuture[R, A]], timeout: float | None = None) -> None:
        self._timeout = timeout
        self._until = None if timeout is None else time.monotonic() + timeout
        self._left = {future.done: future for future in futures}
        self._ended: SimpleQueue[Any] = SimpleQueue()
        self._tell: Callable[[], object] | None = None
        # for the sake of those that have ended already
        for future in sorted(self._left.values(), key=_latest):
            future.done.add_done_callback(self._one_ended)

    def _one_ended(self, done: Any) -> None:
        self._ended.put(done)
        tell = self._tell
        if tell is not None:
            tell()

    def __iter__(self) -> Iterator[UpshotFuture[R, A]]:
        return self

    def __next__(self) -> UpshotFuture[R, A]:
        if not self._left:
            raise StopIteration
        with suppress(Empty):
            return self._left.pop(self._ended.get_nowait())
        with blocked_by(list(self._left)), suppress(Empty):
            return self._left.pop(self._ended.get(timeout=self._seconds()))
        raise self._late()

    def __aiter__(self) -> AsyncIterator[UpshotFuture[R, A]]:
        return self

    async def __anext__(self) -> UpshotFuture[R, A]:
        if not self._left:
            raise StopAsyncIteration
        with suppress(Empty):
            return self._left.pop(self._ended.get_nowait())
        with awaiting(list(self._left)), anyio.move_on_after(self._seconds()):
            return self._left.pop(await self._next_ended())
        raise self._late()

    async def _next_ended(self) -> Completion:
        while self._ended.empty():
            event = anyio.Event()
            self._tell = thread_safe(event.set)
            if self._ended.empty():
                await event.wait()
        found: Completion = self._ended.get_nowait()
        return found

    def _seconds(self) -> float | None:
        return None if self._until is None else max(0.0, self._until - time.monotonic())

    def _late(self) -> TimeoutError:
        return TimeoutError(f"{len(self._left)} runs have not ended within {self._timeout} seconds")


def _latest(future: UpshotFuture[Any, Any]) -> float:
    last = future.task_run.last if future.task_run is not None else None
    return last.timestamp if last else inf


__all__ = [
    "Async",
    "Sync",
    "UpshotFuture",
    "as_completed",
    "call_repr",
    "resolve_futures_to_data",
    "resolve_futures_to_states",
]
