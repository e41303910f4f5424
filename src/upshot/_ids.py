"""Identities that sort by time, and times as programs see them."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime

_EARLIEST = datetime.min.replace(tzinfo=UTC)
_LATEST = datetime.max.replace(tzinfo=UTC)


def new_id() -> bytes:
    """16 bytes of a UUID that sorts by the time it was made (UUIDv7, RFC 9562 section 5.7)."""
    now = time.time_ns() // 1_000_000
    tail = bytearray(os.urandom(10))
    tail[0] = tail[0] & 0x0F | 0x70
    tail[2] = tail[2] & 0x3F | 0x80
    return now.to_bytes(6, "big") + tail


def made_at(uid: bytes) -> float:
    """When a `new_id` was made, in seconds since the epoch."""
    return int.from_bytes(uid[:6], "big") / 1000


def moment(timestamp: float) -> datetime:
    """Seconds since the epoch as an aware datetime in UTC; the nearest that there is."""
    try:
        return datetime.fromtimestamp(timestamp, UTC)
    except (OSError, OverflowError, ValueError):
        return _LATEST if timestamp > 0 else _EARLIEST
