"""Loops in threads of their own, on which sync callers have async work done."""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import suppress
from contextvars import Context
from functools import partial
from typing import Any, TypeVar

from upshot._waiting import Completion, blocked_by, enter

T = TypeVar("T")

STALL = 0.1  # seconds after which a loop that does not begin a job is taken to be blocked
END_PATIENCE = 5.0  # seconds that the end of the interpreter waits for a loop to stop


class Job:
    """Async work for a sync caller, done by one loop: the first that comes to it."""

    def __init__(self, work: Callable[[], Awaitable[Any]]) -> None:
        self.done = Completion("async work")
        self.begun, self._ended = threading.Event(), threading.Event()
        self._work, self._claim = work, threading.Lock()
        self._value: Any = None
        self._error: BaseException | None = asyncio.CancelledError()  # before it has begun

    def begin(self) -> None:
        """Begin on the loop that runs here, unless it has begun or is no more wanted."""
        if self._claim.acquire(blocking=False):
            self.done.thread = threading.get_ident()
            self._task = asyncio.get_running_loop().create_task(self._run(self._work()))
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

    def cancel(self) -> None:
        """Have the work cancelled, and wait for its end; if it has not begun, it never will."""
        if not self._claim.acquire(blocking=False):
            self.begun.wait()
            self._task.get_loop().call_soon_threadsafe(self._task.cancel)
            self._ended.wait()


class Portal:
    """A loop in a thread of its own.

    Not anyio's `start_blocking_portal`: its generator, when it is collected after a fork or at the
    interpreter's end, waits for ever for a thread that is no more; nor does it return from giving
    work to a loop that is blocked.
    """

    def __init__(self) -> None:
        self.callers = 0  # sync calls that its thread makes now, one inside of the other
        self.stalled = False
        self._runs: Future[None] = Future()
        # on Pythons whose threads inherit the context: not that of who happens to come first
        run = partial(Context().run, self._run)
        self.thread = threading.Thread(target=run, name="upshot-portal", daemon=True)
        self.thread.start()
        self._runs.result()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            if not self._runs.done():
                self._runs.set_exception(error)

    async def _serve(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        self._runs.set_result(None)
        await self._end.wait()

    def takes(self, job: Job) -> bool:
        """Whether its loop begins a job soon."""

        def begin() -> None:
            self.stalled = False
            job.begin()

        try:
            self._loop.call_soon_threadsafe(begin)
        except RuntimeError:  # it has ended
            return False
        self.stalled = not job.begun.wait(STALL)
        return not self.stalled

    def close(self) -> None:
        """Stop the loop, unless that takes too long: then the end of the process stops it."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._end.set)
        self.thread.join(END_PATIENCE)


_lock = threading.Lock()
_open: list[Portal] = []


def call(work: Callable[[], Awaitable[T]]) -> T:
    """Do async work, in the caller's context, and wait for its end; an interrupt cancels it.

    One loop serves all, so that what an async function leaves on it is there at the next call.
    Where that one is blocked, by such a caller or by whatever it waits for, there are more.
    """

    async def entered() -> T:
        enter(job.done)
        return await work()

    job, here = Job(entered), threading.get_ident()
    with _lock:
        blocked = [portal for portal in _open if portal.thread.ident == here]
        for portal in blocked:
            portal.callers += 1
    try:
        _give(job)
        value: T = job.wait()
        return value
    finally:
        with _lock:
            for portal in blocked:
                portal.callers -= 1


def start(work: Callable[[], Awaitable[None]], refused: Callable[[BaseException], object]) -> None:
    """Begin async work, in the caller's context, and do not wait for its end.

    Args:
        work: is called on a loop; neither that nor what it gives may raise.
        refused: told why it could not begin.
    """
    try:
        _give(Job(work))
    except RuntimeError as error:
        refused(error)


def _give(job: Job) -> None:
    try:
        with _lock:
            free = [portal for portal in _open if not (portal.callers or portal.stalled)]
        while not any(portal.takes(job) for portal in free):
            free = [Portal()]
            with _lock:
                _open.extend(free)
    except BaseException:
        job.cancel()
        raise


def _close() -> None:
    """Stop all loops, as `asyncio.run` does at its end: what is left on them is cancelled."""
    while _open:
        _open.pop().close()


def _forget() -> None:
    """In a forked child the threads are gone; its first need starts new ones."""
    global _lock
    _lock = threading.Lock()
    _open.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
atexit.register(_close)
