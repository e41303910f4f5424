"""Times, durations and sizes as people read them."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime

from upshot.records import moment

_UNITS = ("B", "kB", "MB", "GB", "TB")
_LARGER = ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s"))


def duration(seconds: float | None) -> str:
    """`12 ms`, `1.2 s`, `3 min 5 s`, `2 h 10 min`, `4 d 3 h`."""
    if seconds is None:
        return "–"
    if seconds < 1e-5:
        return "<0.01 ms"
    if seconds < 0.9995:
        return f"{seconds * 1000:.3g} ms"
    if seconds < 59.95:
        return f"{seconds:.3g} s"
    whole = round(seconds)
    for unit, name, part, part_name in _LARGER:
        if whole >= unit:
            rest = whole % unit // part
            return f"{whole // unit} {name}" + (f" {rest} {part_name}" if rest else "")
    return f"{whole} s"


def age(at: float | None, now: float) -> str:
    """How long ago something was, in the largest unit: `12 s`, `3 min`, `4 d`."""
    if at is None:
        return "–"
    seconds = max(now - at, 0.0)
    found = next(
        ((s, n) for s, n in ((86400, "d"), (3600, "h"), (60, "min")) if seconds >= s), None
    )
    return f"{seconds:.0f} s" if found is None else f"{seconds // found[0]:.0f} {found[1]}"


def size(number: int | None) -> str:
    """`246 B`, `1.2 kB`, `3.4 GB`."""
    if number is None:
        return "–"
    if number < 1000:
        return f"{number} B"
    power = next((p for p in range(1, len(_UNITS)) if number / 1000**p < 999.5), len(_UNITS) - 1)
    amount = number / 1000**power
    return f"{amount:.3g} {_UNITS[power]}" if amount < 1000 else f"{amount:.0f} {_UNITS[power]}"


def local_time(at: float | None) -> str:
    """A time of the local clock, to the second."""
    if at is None:
        return "–"
    point = moment(at)
    with suppress(OSError, OverflowError, ValueError):  # at the ends of the calendar
        point = point.astimezone()
    return point.replace(tzinfo=None).isoformat(" ", "seconds")


def iso(at: float | None) -> str | None:
    """A time in UTC, for programs."""
    return None if at is None else moment(at).astimezone(UTC).isoformat()


def iso_moment(at: datetime) -> str:
    """A time in UTC, for programs."""
    return at.astimezone(UTC).isoformat()
