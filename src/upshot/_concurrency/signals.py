"""SIGTERM while a flow runs: the run ends first, and is recorded; then the host has its say.

The handler stands for the time of the outermost flow runs of the main thread, and no longer. A
host that ignores the signal, or handles it outside of Python, is left alone.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any, Self

from upshot._concurrency.loops import in_trio, threadsafe_caller
from upshot._later import asyncio
from upshot.exceptions import TerminationSignal

_SIGNAL = signal.SIGTERM


class Terminable:
    """A run that SIGTERM ends where it is: a sync one, in whose block the main thread stays."""

    told = False  # the signal came
    raised = False  # and was raised in the block

    def __enter__(self) -> Self:
        self.guards = threading.current_thread() is threading.main_thread() and _begin(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if not self.guards or self not in _runs:  # a forked child has none
            return
        _end(self)
        if self.told and not (self.raised or isinstance(error, TerminationSignal)):
            raise TerminationSignal(_SIGNAL) from error

    def is_here(self) -> bool:
        """Whether the main thread is in the block now."""
        return True

    def cancel(self) -> None:
        """End the run from outside; called where a signal's handler is."""


class AsyncTerminable(Terminable):
    """One that a loop runs beside other work: it is cancelled, and so is what it waits for."""

    def __enter__(self) -> Self:
        super().__enter__()
        if self.guards:
            self._current: Callable[[], Any]
            self._call = threadsafe_caller()
            self._on_trio = in_trio()
            self._cancelled = 0
            if self._on_trio:
                trio = sys.modules["trio"]
                self._current = trio.lowlevel.current_task
                self._scope = trio.CancelScope()
                self._scope.__enter__()
            else:
                self._current = asyncio.current_task
                self._wakeup = _Wakeup.of_loop()
            self._task: Any = self._current()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        try:
            super().__exit__(kind, error, at)
        finally:
            if self.guards and self._on_trio:
                self._scope.__exit__(*sys.exc_info())
            elif self.guards:
                for _ in range(self._cancelled):
                    self._task.uncancel()
                if self._wakeup is not None:
                    self._wakeup.close()

    def is_here(self) -> bool:
        """Whether the main thread is in the block now."""
        with suppress(RuntimeError):  # no loop runs, or no task on it
            return self._current() is self._task
        return False

    def cancel(self) -> None:
        """Cancel it as soon as the loop comes to that."""
        with suppress(RuntimeError):  # the loop has ended
            self._call(self._cancel)

    def _cancel(self) -> None:
        if self not in _runs:
            return
        if self._on_trio:
            self._scope.cancel()
        else:
            self._cancelled += 1
            self._task.cancel()


class _Wakeup:
    """What wakes asyncio's loop when a signal comes just before it falls asleep.

    Python calls the handler between two of its own instructions, and there would be none.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._in, self._out = socket.socketpair()
        self._in.setblocking(False)
        self._out.setblocking(False)
        loop.add_reader(self._in, self._drain)
        signal.set_wakeup_fd(self._out.fileno(), warn_on_full_buffer=False)

    @classmethod
    def of_loop(cls) -> Self | None:
        """One for the loop that runs here; None if the host has its own, or the loop takes none."""
        here = signal.set_wakeup_fd(-1)
        if here != -1:
            signal.set_wakeup_fd(here)
            return None
        with suppress(NotImplementedError):
            return cls(asyncio.get_running_loop())
        return None

    def close(self) -> None:
        """Leave signals as they were before."""
        with suppress(ValueError):  # the collector ended a coroutine in another thread
            here = signal.set_wakeup_fd(-1)
            if here not in (-1, self._out.fileno()):
                signal.set_wakeup_fd(here)  # the host has set one meanwhile
        self._loop.remove_reader(self._in)
        self._in.close()
        self._out.close()

    def _drain(self) -> None:
        with suppress(BlockingIOError):
            self._in.recv(4096)


_runs: list[Terminable] = []
_host: Any = None  # the handler that was there
_came = False  # the host has not been told yet


def _begin(run: Terminable) -> bool:
    global _host
    if not _runs:
        found = signal.getsignal(_SIGNAL)
        if found is None or found is signal.SIG_IGN:
            return False
        _host = found if found is not _handle else _host
        try:
            signal.signal(_SIGNAL, _handle)
        except ValueError:  # the main thread of an interpreter that is not the main one
            return False
    _runs.append(run)
    return True


def _end(run: Terminable) -> None:
    global _came
    _runs.remove(run)
    if _runs:
        return
    if threading.current_thread() is not threading.main_thread():
        return  # the collector ended a coroutine here: the handler itself does the rest
    host = _host
    if signal.getsignal(_SIGNAL) is _handle:  # else somebody has set another one meanwhile
        signal.signal(_SIGNAL, host)
    came, _came = _came, False
    if came and callable(host):
        host(_SIGNAL, None)


def _handle(number: int, frame: FrameType | None) -> None:
    global _came
    if not _runs:
        signal.signal(_SIGNAL, _host)
        signal.raise_signal(_SIGNAL)
        return
    _came = True
    here = next((run for run in reversed(_runs) if run.is_here()), None)
    for run in _runs:
        run.told = True
        if run is not here:
            run.cancel()
    # in the midst of this module's own work not: who leaves a block looks at what was told
    if here is not None and (frame is None or frame.f_globals is not globals()):
        here.raised = True
        raise TerminationSignal(number)


def behind(error: BaseException) -> BaseException:
    """What a run was cancelled by: the signal, if that has come; else the error as it is."""
    if any(run.told for run in list(_runs)) and _is_cancellation(error):
        return TerminationSignal(_SIGNAL)
    return error


def _is_cancellation(error: BaseException) -> bool:
    trio_cancelled = getattr(sys.modules.get("trio"), "Cancelled", asyncio.CancelledError)
    return isinstance(error, (asyncio.CancelledError, trio_cancelled))


def _leave_to_host() -> None:
    """In a forked child the signal means what it would without a flow around the fork."""
    if _runs and signal.getsignal(_SIGNAL) is _handle:
        signal.signal(_SIGNAL, _host)
    _runs.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_host)
