"""An attempt that may run out of time, and what can no longer be done in it when it has.

Whatever goes on in an attempt registers how it is to be left. A function may be at work long after
its attempt is over: then nothing that it begins is a run, and no run that it had begun goes on.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from weakref import WeakSet

Leave = Callable[[], object]


class TimedOut(Exception):
    """What stands in an `Outcome` for a function that took longer than it may."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds

    def __str__(self) -> str:
        return f"exceeded timeout of {self.seconds} seconds"


class OutOfTime(BaseException):
    """Breaks off what goes on in an attempt that is over; no `except Exception` catches it."""

    def __init__(self, text: str, attempt: Attempt | None = None) -> None:
        super().__init__(text)
        self.attempt = attempt

    def __reduce__(self) -> tuple[object, ...]:
        return OutOfTime, self.args  # whose time it was matters only where it is raised


class Attempt:
    """One call of a function that may take so many seconds.

    Attributes:
        seconds: how many.
        over: whether they were not enough.
        abandons: whether it ends while its function goes on in another thread, which is then no
            longer waited for.
        lock: held for whatever must not happen when the attempt is over, and is short.
    """

    def __init__(self, seconds: float, *, abandons: bool = False) -> None:
        around = current.get()
        self.seconds = seconds
        self.over = False
        self.abandons: bool = abandons or (around is not None and around.abandons)
        self.lock = threading.RLock()
        self._registering = threading.Lock()
        self._around = around
        self._leave: list[Leave] = []
        _attempts.add(self)

    def begin(self) -> None:
        """Have this attempt end with the one around it.

        Raises:
            OutOfTime: if that one is over.
        """
        if self._around is not None:
            self._around.add(self.end)

    def finish(self) -> None:
        """Say that nothing is to be left any more."""
        if self._around is not None:
            self._around.remove(self.end)

    def add(self, leave: Leave) -> None:
        """Have `leave` called when the attempt is over.

        Raises:
            OutOfTime: if it is over now.
        """
        with self._registering:
            self.check()
            self._leave.append(leave)

    def remove(self, leave: Leave) -> bool:
        """Have `leave` not called; False if it was."""
        with self._registering:
            if leave not in self._leave:
                return False
            self._leave.remove(leave)
            return True

    def check(self) -> None:
        """Go on only if neither this attempt nor one around it is over.

        Raises:
            OutOfTime: if one of them is.
        """
        error = self.out_of_time()
        if error is not None:
            raise error

    def out_of_time(self) -> OutOfTime | None:
        """What breaks off what goes on in it; None while it may go on."""
        found: Attempt | None = None
        attempt: Attempt | None = self
        while attempt is not None:
            found = attempt if attempt.over else found
            attempt = attempt._around
        if found is None:
            return None
        return OutOfTime(f"the run around it exceeded timeout of {found.seconds} seconds", found)

    def end(self) -> None:
        """Leave all that goes on in it, the innermost first; more cannot begin."""
        with self.lock:
            self.over = True
        with self._registering:
            leave, self._leave = self._leave, []
        for last in reversed(leave):
            with suppress(Exception):  # a loop that has ended; the others shall be left too
                last()

    def broke_off(self, error: BaseException) -> bool:
        """Whether a function raised this because the attempt was over."""
        own = isinstance(error, OutOfTime) and error.attempt is self
        return self.over and (own or isinstance(error, Exception))


current: ContextVar[Attempt | None] = ContextVar("upshot_attempt", default=None)


def refuse_late() -> None:
    """Begin nothing in an attempt that is over.

    Raises:
        OutOfTime: if the attempt that goes on here is.
    """
    attempt = current.get()
    if attempt is not None:
        attempt.check()


_attempts: WeakSet[Attempt] = WeakSet()


def _start_over() -> None:
    """In a forked child a lock may be held for ever."""
    for attempt in list(_attempts):
        attempt.lock, attempt._registering = threading.RLock(), threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_over)
