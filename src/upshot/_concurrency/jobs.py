"""Async work for callers in other threads."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from upshot._concurrency.waiting import Completion, blocked_by, wait_async
from upshot._later import asyncio


class Job:
    """Async work for a sync caller, done by one loop: the first that comes to it.

    Attributes:
        done: ends when it has ended.
        begun: set when a loop need no longer come to it: it has begun, or never will.
        dropped: whether it was cancelled before it began.
    """

    def __init__(self, work: Callable[[], Awaitable[Any]]) -> None:
        self.done = Completion("async work")
        self.begun, self._ended = threading.Event(), threading.Event()
        self.dropped = False
        self._work: Callable[[], Awaitable[Any]] | None = work
        self._claim = threading.Lock()
        self._value: Any = None
        self._error: BaseException | None = asyncio.CancelledError()  # before it has begun

    def begin(self) -> None:
        """Begin on the loop that runs here, unless it has begun or is no more wanted."""
        if self._claim.acquire(blocking=False):
            self.done.thread = threading.get_ident()
            work, self._work = self._work, None
            assert work is not None
            self._task = asyncio.get_running_loop().create_task(self._run(work()))
            self._task.add_done_callback(self._end)
            self.begun.set()

    def _end(self, task: asyncio.Task[None]) -> None:
        self._ended.set()
        self.done.set_result(None)

    async def _run(self, work: Awaitable[Any]) -> None:
        try:
            self._value, self._error = await work, None
        except BaseException as error:
            self._error = error  # raised here, some of them would end the loop that others need too

    def wait(self) -> Any:
        """What the work gives; an interrupt of this thread cancels it, and waits for its end.

        Raises:
            WouldBlockLoop: if the work waits for what this thread alone can do.
        """
        try:
            with blocked_by([self.done]):
                self._ended.wait()
        except BaseException:
            self.cancel()
            raise
        value, self._value = self._value, None
        error, self._error = self._error, None
        try:
            if error is not None:
                raise error
            return value
        finally:
            del error  # else the traceback would hold a frame that holds the traceback

    async def await_end(self) -> Any:
        """As `wait`, for callers on a loop of their own."""
        try:
            await wait_async([self.done])
        except BaseException:
            self.interrupt()
            raise
        return self.wait()

    def cancel(self) -> None:
        """Have the work cancelled, and wait for its end; if it has not begun, it never will."""
        if self.interrupt():
            self._ended.wait()

    def interrupt(self) -> bool:
        """Have the work cancelled; False if it had not begun, and never will."""
        if self.dropped or self._claim.acquire(blocking=False):
            self.dropped, self._work = True, None
            self.begun.set()
            return False
        self.begun.wait()
        with suppress(RuntimeError):  # its loop has ended, and it before
            self._task.get_loop().call_soon_threadsafe(self._task.cancel)
        return True
