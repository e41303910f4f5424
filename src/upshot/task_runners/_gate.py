"""A gate before functions whose values are to be stored: shut while too much waits for that."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from threading import Event
from typing import Any

import anyio

from upshot._concurrency.loops import thread_safe

MOST_BYTES = 48 * 2**20
_SMALL = 2**20


class Gate:
    """Counts the bytes of large values that were returned and are not stored yet.

    Storing takes longer than many a function that makes a value. Were functions called
    regardless, values would pile up.
    """

    def __init__(self, most: int = MOST_BYTES) -> None:
        self._most = most
        self._held = 0
        self._lock = threading.Lock()
        self._blocked: list[Event] = []
        self._waiting: list[Callable[[], object]] = []

    def wait(self) -> None:
        """Block until it is open. When the function that comes next has ended, `pass_on`."""
        while self._held > self._most:
            event = Event()
            with self._lock:
                if self._open():
                    return
                self._blocked.append(event)
            event.wait()

    async def wait_async(self) -> None:
        """Wait until it is open, without blocking the loop."""
        while self._held > self._most:
            event = anyio.Event()
            with self._lock:
                if self._open():
                    return
                self._waiting.append(thread_safe(event.set))
            await event.wait()

    def enter(self, value: Any) -> int:
        """Count a value; what it counts as."""
        size = _size_of(value)
        if size:
            with self._lock:
                self._held += size
        return size

    def leave(self, size: int) -> None:
        """Count it no longer."""
        if not size:
            return
        with self._lock:
            self._held -= size
            if not self._open():
                return
            waiting, self._waiting = self._waiting, []
            blocked = self._let_in(size)
        for event in blocked:
            event.set()
        for wake in waiting:  # each looks again when it is its turn
            wake()

    def _let_in(self, size: int) -> list[Event]:
        """The threads that shall look again now that a value of this size has left.

        So many as there is room for if their values are as large, and one at least; all when
        nothing is being stored, for then nobody else would wake them.
        """
        count = max((self._most - self._held) // size, 1) if self._held else len(self._blocked)
        # the latest, so that few threads do the work: each keeps memory of its own
        start = max(len(self._blocked) - count, 0)
        let_in = self._blocked[start:]
        del self._blocked[start:]
        return let_in

    def pass_on(self) -> None:
        """Let another thread in, if there is room: a function has ended that had passed."""
        if not self._blocked:
            return
        with self._lock:
            let_in = self._blocked.pop() if self._blocked and self._open() else None
        if let_in is not None:
            let_in.set()

    def counted(self, keep: Callable[[Any], Any], value: Any) -> Any:
        """What `keep` makes of a value, which counts meanwhile."""
        size = self.enter(value)
        try:
            return keep(value)
        finally:
            self.leave(size)

    def _open(self) -> bool:
        return self._held <= self._most


def _size_of(value: Any) -> int:
    """The bytes of a large value, if it tells them; those of all others make no difference."""
    size = len(value) if type(value) in (bytes, bytearray, str) else getattr(value, "nbytes", 0)
    return size if type(size) is int and size >= _SMALL else 0


_gate = Gate()


def gate() -> Gate:
    """The gate of this process."""
    return _gate


def _start_over() -> None:
    """In a forked child nothing is being stored."""
    global _gate
    _gate = Gate()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_over)
