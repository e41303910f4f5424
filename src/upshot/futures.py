"""Futures: what is handed out for a run that was submitted."""

from __future__ import annotations

import time
import warnings
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import suppress
from math import inf
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

import anyio

from upshot._bridge import wants_awaitable
from upshot._engine.endings import Ended, state_of
from upshot._html import facts
from upshot._loops import thread_safe
from upshot._waiting import (
    Completion,
    awaiting,
    blocked_by,
    wait_async,
    wait_blocking,
)
from upshot.records import TaskRun
from upshot.states import Pending, State

R = TypeVar("R")


class UpshotFuture(Generic[R]):
    """A run that was submitted.

    Attributes:
        task_run: its record, which changes while it runs.
        asynchronous: whether `wait` and `result` are to be awaited.
    """

    def __init__(self, task_run: TaskRun, done: Completion, *, asynchronous: bool) -> None:
        self.task_run = task_run
        self.asynchronous = asynchronous
        self.done = done

    @property
    def name(self) -> str:
        """The run's name."""
        return self.task_run.name

    def wait(self, timeout: float | None = None) -> Any:
        """Wait for the run to end.

        Args:
            timeout: seconds to wait at the most.

        Returns:
            The final state; None if the run has not ended in time. An awaitable of it for async
            callers of an async task.

        Raises:
            WouldBlockLoop: if the run needs the very loop that waiting would block.
        """
        if self.asynchronous and wants_awaitable():
            return self.await_state(timeout)
        return self.state() if wait_blocking([self.done], timeout) else None

    def result(self, timeout: float | None = None, raise_on_failure: bool = True) -> Any:
        """What the run returned, once it has ended.

        Args:
            timeout: seconds to wait at the most.
            raise_on_failure: raise what a failed run raised; False returns it instead.

        Returns:
            The value; an awaitable of it for async callers of an async task.

        Raises:
            TimeoutError: if the run has not ended in time.
            MissingResult: if the value cannot be had; a subclass names the cause.
            WouldBlockLoop: if the run needs the very loop that waiting would block.
        """
        if self.asynchronous and wants_awaitable():
            return self.aresult(timeout, raise_on_failure)
        if not wait_blocking([self.done], timeout):
            raise TimeoutError(f"{self.name!r} has not ended within {timeout} seconds")
        value, error = self.state().outcome(raise_on_failure)
        if error is not None:
            raise error
        return value

    async def await_state(self, timeout: float | None = None) -> State[R] | None:
        """As `wait` for sync callers, to be awaited: the same meaning wherever it is called."""
        with anyio.move_on_after(timeout):
            await wait_async([self.done])
        return self.state() if self.done.done() else None

    async def aresult(self, timeout: float | None = None, raise_on_failure: bool = True) -> R:
        """As `result` for sync callers, to be awaited: the same meaning wherever it is called."""
        state = await self.await_state(timeout)
        if state is None:
            raise TimeoutError(f"{self.name!r} has not ended within {timeout} seconds")
        value: R = await state.aresult(raise_on_failure)
        return value

    def state(self) -> State[R]:
        """The state that the run is in now."""
        if self.done.done():
            end: Ended = self.done.result()
            return end.state()
        if not self.task_run.history:  # its first step has not been taken
            return Pending()
        return state_of(self.task_run, None)

    def __bool__(self) -> bool:
        warnings.warn(
            "An 'UpshotFuture' from a task call was cast to a boolean; did you mean to look at its"
            " result? Say `.result()` or `.aresult()`.",
            stacklevel=2,
        )
        return True

    def _repr_html_(self) -> str:
        rows = {"state": self.task_run.state_name, "run": self.task_run.id}
        return facts(f"Future of {self.name}", rows)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, {self.task_run.state_name})"


class as_completed(Generic[R]):
    """The futures in the order in which their runs end, each as soon as its run has ended.

    To be iterated over with `for`, which blocks until the next run ends, or with `async for`.

    Args:
        futures: each is given once.
        timeout: seconds from now until all must have ended.

    Raises:
        TimeoutError: from the iteration, if they have not.
        WouldBlockLoop: from a blocking one, if a run needs the very loop that it would block.
    """

    def __init__(self, futures: Iterable[UpshotFuture[R]], timeout: float | None = None) -> None:
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

    def __iter__(self) -> Iterator[UpshotFuture[R]]:
        return self

    def __next__(self) -> UpshotFuture[R]:
        if not self._left:
            raise StopIteration
        with suppress(Empty):
            return self._left.pop(self._ended.get_nowait())
        with blocked_by(list(self._left)), suppress(Empty):
            return self._left.pop(self._ended.get(timeout=self._seconds()))
        raise self._late()

    def __aiter__(self) -> AsyncIterator[UpshotFuture[R]]:
        return self

    async def __anext__(self) -> UpshotFuture[R]:
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


def _latest(future: UpshotFuture[Any]) -> float:
    history = future.task_run.history
    return history[-1].timestamp if history else inf
