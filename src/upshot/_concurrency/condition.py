"""A condition that costs next to nothing until somebody waits for it."""

from __future__ import annotations

import threading


class LazyCondition:
    """As much of a `threading.Condition` as futures use, in a fifth of its memory.

    There is one for each submitted run, and for nearly none a thread waits.
    """

    __slots__ = ("_lock", "_waited_for")

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._waited_for: threading.Condition | None = None

    def acquire(self) -> bool:
        """Take the lock."""
        return self._lock.acquire()

    def release(self) -> None:
        """Give it back."""
        self._lock.release()

    def __enter__(self) -> bool:
        return self._lock.acquire()

    def __exit__(self, *raised: object) -> None:
        self._lock.release()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait to be notified, without the lock, which who calls has; False if not in time."""
        if self._waited_for is None:
            self._waited_for = threading.Condition(self._lock)
        return self._waited_for.wait(timeout)

    def notify_all(self) -> None:
        """Wake all who wait; who calls has the lock, so that nobody begins to wait meanwhile."""
        if self._waited_for is not None:
            self._waited_for.notify_all()
