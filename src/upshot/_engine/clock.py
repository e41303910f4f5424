"""The time by which submitted runs sleep."""

from __future__ import annotations

import threading
import time
from queue import Empty, SimpleQueue
from typing import Any, Protocol


class Clock(Protocol):
    """What the coordinator knows of time."""

    def after(self, seconds: float) -> float:
        """The moment that is so far away."""

    def next(self, inbox: SimpleQueue[Any], until: float | None) -> Any:
        """Wait for the next message; raises `Empty` if `until` comes first, or has come."""


class RealClock:
    """The time that passes."""

    def after(self, seconds: float) -> float:
        """The moment that is so far away."""
        return time.monotonic() + seconds

    def next(self, inbox: SimpleQueue[Any], until: float | None) -> Any:
        """Wait for the next message; raises `Empty` if `until` comes first, or has come."""
        if until is None:
            return inbox.get()
        seconds = until - time.monotonic()
        if seconds <= 0:
            raise Empty  # or else messages that never cease would keep sleepers asleep
        return inbox.get(timeout=min(seconds, threading.TIMEOUT_MAX))  # it refuses more
