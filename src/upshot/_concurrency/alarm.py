"""Calls in the main thread that are broken off when they take too long.

A process has one interval timer. It is set to the moment that comes first: of all calls that go on
one inside of the other, and of a timer that the host had set, whose handler is called in time.
"""

from __future__ import annotations

import os
import signal
import threading
import time
import weakref
from collections.abc import Callable
from types import FrameType
from typing import Any, TypeVar

from upshot._concurrency.attempt import Attempt, OutOfTime, TimedOut, current

T = TypeVar("T")

_SOON = 0.001  # seconds; where it cannot break in now, it tries again after them
_AGAIN = 0.1  # seconds after which it looks whether a function goes on all the same
_HAS_TIMER = hasattr(signal, "setitimer")


def rings_here() -> bool:
    """Whether a call can be broken off in this thread."""
    if not _HAS_TIMER or threading.current_thread() is not threading.main_thread():
        return False
    return signal.getsignal(signal.SIGALRM) is not None  # one that Python could not restore


def call_until_alarm(call: Callable[[], T], seconds: float) -> T:
    """Call a function, and break it off when it is late.

    What breaks it off may take its time, as a `finally` does; if it was swallowed, by the function
    or by Python itself (in a `__del__`, say), it comes again.

    Raises:
        TimedOut: if it took longer.
    """
    attempt = Attempt(seconds)
    attempt.begin()
    token, alarm = current.set(attempt), _Alarm(attempt)
    problem: BaseException | None = None
    try:
        with alarm:
            value = call()
    except BaseException as error:
        del call  # see `sync_driver.invoke`
        if not attempt.broke_off(error):
            raise
        problem = error
    else:
        if not attempt.over and time.monotonic() < alarm.at:
            return value
    finally:
        current.reset(token)
        attempt.finish()
    attempt.end()
    try:
        raise late_by(attempt, problem)
    finally:
        del problem  # else its traceback would hold a frame that holds it


def late_by(attempt: Attempt, problem: BaseException | None) -> TimedOut:
    """What says that a function was too late, where it was then, and what it made of that."""
    error = TimedOut(attempt.seconds)
    if isinstance(problem, OutOfTime):
        return error.with_traceback(problem.__traceback__)
    error.__cause__ = problem
    return error


class _Host:
    """The handler and the timer that were there before."""

    def __init__(self) -> None:
        left, self._interval = signal.setitimer(signal.ITIMER_REAL, 0)
        self.at = time.monotonic() + left if left else None
        self._handler: Any = signal.signal(signal.SIGALRM, _ring)

    def restore(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._handler)
        if self.at is not None:
            left = max(self.at - time.monotonic(), _SOON)
            signal.setitimer(signal.ITIMER_REAL, left, self._interval)

    def ring(self, number: int, frame: FrameType | None) -> None:
        """Do what would have been done without us."""
        self.at = time.monotonic() + self._interval if self._interval else None
        if callable(self._handler):
            self._handler(number, frame)
        elif self._handler == signal.SIG_DFL:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)


class _Alarm:
    """The end of a block that may take so long."""

    def __init__(self, attempt: Attempt) -> None:
        self.attempt = attempt
        self.at = time.monotonic() + attempt.seconds
        self.host: _Host | None = None
        self.rings_at = self.at
        self._error: Callable[[], OutOfTime | None] = _none

    def ring(self, now: float) -> None:
        """Break off the block, if it is time."""
        if self.rings_at > now:
            return
        self.rings_at = now + _AGAIN
        if self._error() is not None:
            return  # it is on its way still
        self.attempt.over = True
        error = OutOfTime(str(TimedOut(self.attempt.seconds)), self.attempt)
        self._error = weakref.ref(error)
        try:
            raise error
        finally:
            del error  # else its traceback would hold this frame, and so itself

    def __enter__(self) -> None:
        try:
            if signal.getsignal(signal.SIGALRM) is not _ring:
                self.host = _Host()
            _alarms.append(self)
            _set_timer()
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *error: object) -> None:
        if self in _alarms:
            del _alarms[_alarms.index(self) :]
        if signal.getsignal(signal.SIGALRM) is not _ring:
            return  # the function left a handler of its own behind
        if self.host is not None:
            self.host.restore()
        else:
            _set_timer()


def _none() -> None:
    """Nothing was raised yet."""


_alarms: list[_Alarm] = []  # the outermost first


def _set_timer() -> None:
    moments = [alarm.rings_at for alarm in _alarms]
    moments += [alarm.host.at for alarm in _alarms if alarm.host and alarm.host.at is not None]
    seconds = max(min(moments) - time.monotonic(), _SOON) if moments else 0
    signal.setitimer(signal.ITIMER_REAL, seconds)


def _ring(number: int, frame: FrameType | None) -> None:
    try:
        now = time.monotonic()
        for alarm in tuple(_alarms):
            if alarm.host is not None and alarm.host.at is not None and alarm.host.at <= now:
                alarm.host.ring(number, frame)
        if frame is not None and frame.f_globals is globals():
            return  # an alarm is set or taken away just now, and that must be done whole
        for alarm in reversed(_alarms):
            alarm.ring(now)
    finally:
        if signal.getsignal(signal.SIGALRM) is _ring:
            _set_timer()


def _forget() -> None:
    """A forked child has no timer, and is not what was to end in time."""
    hosts = [alarm.host for alarm in _alarms if alarm.host is not None]
    _alarms.clear()
    if hosts and signal.getsignal(signal.SIGALRM) is _ring:
        hosts[0].at = None
        hosts[0].restore()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
