"""Loops in threads of their own, on which sync callers have async work done."""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import suppress
from contextvars import Context
from functools import partial
from typing import NamedTuple, TypeAlias, TypeVar

from upshot._concurrency.jobs import Job
from upshot._concurrency.waiting import enter, given_up, interruptible
from upshot._later import asyncio

T = TypeVar("T")
Refused: TypeAlias = Callable[[BaseException], object]

STALL = 0.1  # seconds after which a loop that does not begin a job is taken to be blocked
IDLE_SECONDS = 2.0  # after so long without a job, the thread that looks after them ends
END_PATIENCE = 5.0  # seconds that the end of the interpreter waits for a loop to stop


class Portal:
    """A loop in a thread of its own.

    Not anyio's `start_blocking_portal`: its generator, when it is collected after a fork or at the
    interpreter's end, waits for ever for a thread that is no more; nor does it return from giving
    work to a loop that is blocked.
    """

    def __init__(self) -> None:
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
        try:
            self._loop.call_soon_threadsafe(job.begin)
        except RuntimeError:
            return False
        return True

    def takes(self, job: Job) -> bool:
        """Whether its loop begins a job soon."""
        if not self.offer(job):
            return False
        if job.begun.wait(STALL):
            return True
        self.stall()
        return False

    def stall(self) -> None:
        """Give it no more jobs until its loop goes on."""
        self.stalled = True
        with suppress(RuntimeError):  # the loop may have come to the job only just now
            self._loop.call_soon_threadsafe(setattr, self, "stalled", False)

    def close(self) -> None:
        """Stop the loop, unless that takes too long: then the end of the process stops it."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._end.set)
        self.thread.join(END_PATIENCE)


_lock = threading.Lock()
_open: list[Portal] = []
_calling: Counter[int] = Counter()  # by thread, also of loops not yet open: sync calls in progress


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
        _calling[here] += 1
    try:
        _give(job)
        value: T = job.wait()
        return value
    finally:
        with _lock:
            _calling[here] -= 1
            if not _calling[here]:
                del _calling[here]


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
            portal = Portal()
            portal.offer(job)
            _add(portal)
        _watch.add(_Started(time.monotonic() + STALL, job, portal, refused))
    except RuntimeError as error:
        refused(error)


def _free() -> list[Portal]:
    with _lock:
        return [
            portal for portal in _open if portal.thread.ident not in _calling and not portal.stalled
        ]


def _add(portal: Portal) -> None:
    with _lock:
        _open.append(portal)


def _give(job: Job) -> None:
    """Have a job begun; returns when it is, or when it was dropped."""
    try:
        if any(portal.takes(job) for portal in _free()):
            return
        # nobody else can block this one before it has begun the job, however long that takes
        portal = Portal()
        portal.offer(job)
        job.begun.wait()
        _add(portal)
    except BaseException:
        job.cancel()
        raise


class _Started(NamedTuple):
    """A job that a portal was offered, and by when its loop must have begun it."""

    due: float
    job: Job
    portal: Portal
    refused: Refused


class _Watch:
    """Hands jobs that a loop does not begin to another one, so that who starts them need not wait.

    That a loop is blocked nobody tells: it shows in that a job is not begun when its time is over.
    So a thread sleeps until then, and looks. It is woken for no job but the first after a rest, for
    that would cost more than to start the job; and it does not look while there are none.
    """

    def __init__(self) -> None:
        self._jobs: deque[_Started] = deque()  # without those at its head that have begun
        self._changed = threading.Condition(threading.Lock())
        self._rests = self._looks = False

    def add(self, started: _Started) -> None:
        """Look after a job."""
        with self._changed:
            self._drop_begun()  # here, too: however late the thread is, none of them stays
            self._jobs.append(started)
            if self._rests:
                self._rests = False
                self._changed.notify()
            looks, self._looks = self._looks, True
        if not looks:
            run = partial(Context().run, self._look)
            with suppress(RuntimeError):  # the interpreter ends: who is blocked then stays so
                threading.Thread(target=run, name="upshot-portal-watch", daemon=True).start()

    def _look(self) -> None:
        while (first := self._first()) is not None:
            left = first.due - time.monotonic()
            if left <= 0:
                self._hand_on(first)
            del first  # it is kept for no longer than it must be
            # to its deadline, for there is no event to wait for: a blocked loop tells nobody
            time.sleep(max(left, 0))

    def _first(self) -> _Started | None:
        """The first job that has not begun, waited for; None if none comes."""
        with self._changed:
            self._drop_begun()
            while not self._jobs:
                self._rests = True
                comes = self._changed.wait(IDLE_SECONDS)
                self._rests = False
                self._drop_begun()
                if not comes and not self._jobs:
                    self._looks = False
                    return None
            return self._jobs[0]

    def _drop_begun(self) -> None:
        while self._jobs and self._jobs[0].job.begun.is_set():
            self._jobs.popleft()

    def _hand_on(self, late: _Started) -> None:
        with self._changed:
            self._drop_begun()
            if not self._jobs or self._jobs[0] is not late:
                return
            self._jobs.popleft()
        late.portal.stall()
        try:
            _give(late.job)
        except RuntimeError as error:
            late.refused(error)


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
    _calling.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
atexit.register(_close)
