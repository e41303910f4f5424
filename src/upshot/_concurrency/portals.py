"""Loops in threads of their own, on which sync callers have async work done."""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import suppress
from contextvars import Context
from functools import partial
from typing import TypeAlias, TypeVar

from upshot._concurrency.jobs import Job
from upshot._concurrency.waiting import enter, given_up, interruptible
from upshot._later import asyncio

T = TypeVar("T")
Refused: TypeAlias = Callable[[BaseException], object]

STALL = 0.1  # seconds after which a loop that does not begin a job is taken to be blocked
LOOK = 0.1  # seconds between two looks at the jobs that were started
IDLE_LOOKS = 20  # after so many at none, the thread that looks ends
END_PATIENCE = 5.0  # seconds that the end of the interpreter waits for a loop to stop


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

    def is_here(self) -> bool:
        """Whether this is its thread."""
        return self.thread.ident == threading.get_ident()

    def offer(self, job: Job) -> bool:
        """Have its loop begin a job when it comes to that; False if it has ended."""

        def begin() -> None:
            self.stalled = False
            job.begin()

        try:
            self._loop.call_soon_threadsafe(begin)
        except RuntimeError:
            return False
        return True

    def takes(self, job: Job) -> bool:
        """Whether its loop begins a job soon."""
        if not self.offer(job):
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


def start(work: Callable[[], Awaitable[None]], refused: Refused) -> None:
    """Begin async work, in the caller's context, and wait neither for its end nor for a loop.

    Args:
        work: is called on a loop; neither that nor what it gives may raise.
        refused: told why it could not begin.
    """
    job = Job(work)

    def interrupt() -> None:
        if not job.interrupt():
            refused(given_up())

    interruptible(interrupt)
    try:
        portal = next((portal for portal in _free() if portal.offer(job)), None)
        if portal is None:
            portal = _opened()
            portal.offer(job)
        _watch.add(job, portal, refused)
    except RuntimeError as error:
        refused(error)


def _free() -> list[Portal]:
    with _lock:
        return [portal for portal in _open if not (portal.callers or portal.stalled)]


def _opened() -> Portal:
    portal = Portal()
    with _lock:
        _open.append(portal)
    return portal


def _give(job: Job) -> None:
    try:
        free = _free()
        while not any(portal.takes(job) for portal in free):
            free = [_opened()]
    except BaseException:
        job.cancel()
        raise


class _Watch:
    """Hands jobs that a loop does not begin to another one, so that who starts them need not wait.

    It looks at them now and then: to be woken for each would cost more than to start it.
    """

    def __init__(self) -> None:
        self._jobs: deque[tuple[float, Job, Portal, Refused]] = deque()
        self._lock = threading.Lock()
        self._looks = False

    def add(self, job: Job, portal: Portal, refused: Refused) -> None:
        """Look after a job that was offered to a portal."""
        self._jobs.append((time.monotonic() + STALL, job, portal, refused))
        if self._looks:
            return
        with self._lock:
            looks, self._looks = self._looks, True
        if not looks:
            run = partial(Context().run, self._look)
            with suppress(RuntimeError):  # the interpreter ends: who is blocked then stays so
                threading.Thread(target=run, name="upshot-portal-watch", daemon=True).start()

    def _look(self) -> None:
        idle = 0
        while idle < IDLE_LOOKS:
            time.sleep(LOOK)
            idle = 0 if self._jobs else idle + 1
            while self._jobs and self._is_over(*self._jobs[0]):
                self._jobs.popleft()
        self._looks = False
        if self._jobs:  # one came just now, and found this thread at work
            _, job, portal, refused = self._jobs.popleft()
            self.add(job, portal, refused)

    def _is_over(self, due: float, job: Job, portal: Portal, refused: Refused) -> bool:
        if job.begun.is_set() or job.dropped:
            return True
        if time.monotonic() < due:
            return False
        portal.stalled = True
        try:
            _give(job)
        except RuntimeError as error:
            refused(error)
        return True


_watch = _Watch()


def _close() -> None:
    """Stop all loops, as `asyncio.run` does at its end: what is left on them is cancelled."""
    while _open:
        _open.pop().close()


def _forget() -> None:
    """In a forked child the threads are gone; its first need starts new ones."""
    global _lock, _watch
    _lock, _watch = threading.Lock(), _Watch()
    _open.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
atexit.register(_close)
