"""Identities that sort by time, and times as programs see them."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from uuid import UUID, SafeUUID

_EARLIEST = datetime.min.replace(tzinfo=UTC)
_LATEST = datetime.max.replace(tzinfo=UTC)
_set = object.__setattr__  # UUIDs refuse another way


_AT_ONCE = 256

# what ids end with, and names, drawn ahead: while the system draws, another thread may take the
# interpreter, and one such change for each id would cost more than all the rest of making it
_tails: list[bytes] = []
_names: list[str] = []

if hasattr(os, "register_at_fork"):  # they are the parent's
    os.register_at_fork(after_in_child=_tails.clear)
    os.register_at_fork(after_in_child=_names.clear)


def new_id() -> bytes:
    """16 bytes of a UUID that sorts by the time it was made (UUIDv7, RFC 9562 section 5.7)."""
    now = time.time_ns() // 1_000_000
    try:
        tail = _tails.pop()
    except IndexError:
        tail, *others = _draw(10, 7)
        _tails.extend(others)
    return now.to_bytes(6, "big") + tail


def new_name() -> str:
    """32 hexadecimal digits that nothing else has: those of a UUIDv4, as `uuid4().hex`."""
    try:
        return _names.pop()
    except IndexError:
        name, *others = (drawn.hex() for drawn in _draw(16, 4))
        _names.extend(others)
        return name


def _draw(size: int, version: int) -> list[bytes]:
    """Random ends of UUIDs, or whole ones, with the bits that say which kind they are."""
    drawn = bytearray(os.urandom(size * _AT_ONCE))
    for end in range(size, len(drawn) + 1, size):
        drawn[end - 10] = drawn[end - 10] & 0x0F | version << 4
        drawn[end - 8] = drawn[end - 8] & 0x3F | 0x80
    return [bytes(drawn[start : start + size]) for start in range(0, len(drawn), size)]


def uuid_of(uid: bytes) -> UUID:
    """The UUID of 16 bytes that are known to be one; without checks, at half the price."""
    made = object.__new__(UUID)
    _set(made, "int", int.from_bytes(uid, "big"))
    _set(made, "is_safe", SafeUUID.unknown)
    return made


def made_at(uid: bytes) -> float:
    """When a `new_id` was made, in seconds since the epoch."""
    return int.from_bytes(uid[:6], "big") / 1000


def moment(timestamp: float) -> datetime:
    """Seconds since the epoch as an aware datetime in UTC; the nearest that there is."""
    try:
        return datetime.fromtimestamp(timestamp, UTC)
    except (OSError, OverflowError, ValueError):
        return _LATEST if timestamp > 0 else _EARLIEST
