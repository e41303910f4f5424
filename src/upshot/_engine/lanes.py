"""Lanes: how the runs of one event loop share a thread, and its hop, for what may block.

Who finds nobody in the thread goes there, and serves the line until he is through: the first call
of each, then, from the end of the line, the second of each. So what many runs have queued for the
store, the first of them flushes for all. A call that takes long does not hold up the line: more and
more of those who stand in it go to threads as well.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from itertools import islice
from typing import Any
from weakref import WeakKeyDictionary

import anyio
import anyio.to_thread

from upshot._bridge import in_thread
from upshot._concurrency import hands
from upshot._concurrency.loops import in_trio, outlast, without_loop
from upshot._engine.effects import Effect, Io, Steps
from upshot._engine.stepping import End, answer, through_io
from upshot._later import asyncio

PATIENCE = 0.005  # seconds in which each thread is to make one call at least

_lanes: WeakKeyDictionary[asyncio.AbstractEventLoop, _Lane] = WeakKeyDictionary()


async def go_on(steps: Steps[Any], call: Callable[[], Any]) -> Effect | End:
    """As `through_io`, in a thread; the steps are taken in this context.

    A cancellation does not abandon what has begun: it is waited for, and then goes on.
    """
    if in_trio():
        return await in_thread(partial(through_io, steps, call))
    loop = asyncio.get_running_loop()
    lane = _lanes.get(loop)
    if lane is None:
        lane = _lanes[loop] = _Lane()
    return await lane.serve(_Job(steps, call))


class _Job:
    """What a run wants done, and where it comes to with that."""

    __slots__ = ("at", "begun", "call", "context", "leads", "over", "steps", "told")

    def __init__(self, steps: Steps[Any], call: Callable[[], Any]) -> None:
        self.steps, self.call = steps, call
        self.context = without_loop(copy_context())
        self.at: Any = None
        self.begun = threading.Lock()  # taken by who begins it, or by who withdraws it
        self.over = threading.Lock()  # held until it is over
        self.over.acquire()
        self.leads = False  # its run goes to a thread, or is in one
        self.told: asyncio.Future[bool] | None = None

    def begin(self) -> bool:
        """Whether it is the caller's from now on."""
        return self.begun.acquire(blocking=False)

    @property
    def ended(self) -> bool:
        return not self.over.locked()

    def advance(self) -> bool:
        """Make its call; False if there is another to be made."""
        self.at = self.context.run(answer, self.steps, self.call)
        if isinstance(self.at, Io):
            self.call = self.at.call
            return False
        del self.steps, self.call  # what they hold is its run's alone
        self.over.release()
        return True

    async def word(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Wait until `wake` is called; what it was told."""
        told: asyncio.Future[bool] = loop.create_future()
        self.told = told
        task = asyncio.current_task()
        if task is None or not task.cancelling():
            return await told
        with anyio.CancelScope(shield=True):  # or anyio would say it again and again
            await told
        return told.result()

    def wake(self, *, refused: bool = False) -> None:
        """Have its run look at it again, and perhaps go to a thread itself."""
        if self.told is not None and not self.told.done():
            self.told.set_result(refused)


class _Lane:
    """The runs of a loop that wait for their turn. All but `_drain` happens on the loop."""

    def __init__(self) -> None:
        self._line: deque[_Job] = deque()  # whose next call nobody makes yet
        self._waiting: dict[_Job, None] = {}  # all
        self._leaders = 0
        self._calls = 0  # that were made
        self._watched = False
        self._ended: deque[_Job] = deque()
        self._telling = False
        self._limiter = anyio.to_thread.current_default_thread_limiter()

    async def serve(self, job: _Job) -> Effect | End:
        """Have a job done, by its own run or by one that is there already."""
        self._waiting[job] = None
        self._line.append(job)
        if not self._leaders:
            self._send(job)
        try:
            while not job.ended:
                await self._wait(job)
        except BaseException as error:
            await outlast(
                error,
                lambda: job.ended or job.begin(),
                partial(self._wait, job),
                partial(self._finish, job),
            )
        finally:
            del self._waiting[job]
            self._pass_on(job)
        end: Effect | End = job.at
        return end

    async def _wait(self, job: _Job) -> None:
        """Wait in a thread or in the line; perhaps not for long enough."""
        loop = asyncio.get_running_loop()
        if job.leads:
            # soon: who comes at the same time is in the line by then
            loop.call_soon(self._hand_over, job, loop.call_soon_threadsafe)
        else:
            self._watch(loop)
        if await job.word(loop):
            try:
                await in_thread(partial(self._drain, job, loop.call_soon_threadsafe))
            finally:
                self._pass_on(job)

    def _hand_over(self, job: _Job, soon: Callable[[Callable[[], object]], object]) -> None:
        """Have a thread serve the line, unless there are as many as anyio allows."""
        if not job.leads:
            return
        drain = partial(self._drain, job, soon)
        try:
            self._limiter.acquire_on_behalf_of_nowait(drain)
        except anyio.WouldBlock:
            job.wake(refused=True)
            return

        def returned() -> None:
            self._limiter.release_on_behalf_of(drain)
            self._leaders -= 1
            job.wake()
            self._send_more(1)

        job.leads = False  # this thread does now, perhaps for longer than its run waits
        hands.do(drain, partial(soon, returned))

    def _finish(self, job: _Job) -> None:
        """Nobody will resume the run's coroutine: have its job over here and now."""
        while not job.ended:
            try:
                self._line.remove(job)
            except ValueError:  # a thread is at it
                if job.over.acquire(timeout=PATIENCE):
                    job.over.release()
            else:
                while not job.advance():
                    pass

    def _send(self, job: _Job) -> None:
        job.leads = True
        self._leaders += 1
        job.wake()

    def _pass_on(self, job: _Job) -> None:
        """If the run of this job was to go, or has gone, have another one go in its place."""
        if job.leads:
            job.leads = False
            self._leaders -= 1
            self._send_more(1)

    def _send_more(self, number: int) -> None:
        # the last ones first: they serve the whole line before they are through
        others = (job for job in reversed(self._waiting) if not job.leads)
        for job in islice(others, min(number, len(self._line))):
            self._send(job)

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._watched:
            self._watched = True
            due = time.monotonic() + PATIENCE
            loop.call_later(PATIENCE, self._look, loop, self._calls, due)

    def _look(self, loop: asyncio.AbstractEventLoop, calls: int, due: float) -> None:
        """Send twice as many if those who are there make few calls."""
        self._watched = False
        if self._line:
            # a loop that is late was busy, and kept the interpreter's lock from the threads
            in_time = time.monotonic() - due < PATIENCE
            if in_time and self._calls - calls < self._leaders:
                self._send_more(self._leaders)
            self._watch(loop)

    def _drain(self, own: _Job, soon: Callable[[Callable[[], None]], object]) -> None:
        """In a thread: serve the line until a job has ended."""
        while not own.ended:
            try:
                job = self._line.popleft()
            except IndexError:
                return  # another thread is at it
            if job.at is None and not job.begin():
                continue  # withdrawn
            self._calls += 1
            if not job.advance():
                self._line.append(job)
            elif job is not own:
                self._ended.append(job)
                if not self._telling:
                    self._telling = True
                    with suppress(RuntimeError):  # the loop has ended, and with it who waits
                        soon(self._tell)

    def _tell(self) -> None:
        self._telling = False
        while self._ended:
            self._ended.popleft().wake()
