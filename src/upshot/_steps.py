"""The states of a run as its record has them."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, NamedTuple, TypeAlias


class StateType(StrEnum):
    """Where a run can stand."""

    PENDING = "PENDING"
    SCHEDULED = "SCHEDULED"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    CRASHED = "CRASHED"
    PAUSED = "PAUSED"
    CANCELLING = "CANCELLING"


FINAL = frozenset({StateType.COMPLETED, StateType.FAILED, StateType.CANCELLED, StateType.CRASHED})


# the numbers of states in records and stores: only ever added to
CODES = {
    StateType.PENDING.value: 0,
    StateType.SCHEDULED.value: 1,
    StateType.RUNNING.value: 2,
    StateType.COMPLETED.value: 3,
    StateType.FAILED.value: 4,
    StateType.CANCELLED.value: 5,
    StateType.CRASHED.value: 6,
    StateType.PAUSED.value: 7,
    StateType.CANCELLING.value: 8,
}
_TYPES = {code: StateType(value) for value, code in CODES.items()}


class Step(NamedTuple):
    """One state in a run's history."""

    type: StateType
    name: str
    timestamp: float  # seconds since the epoch, UTC
    message: str | None = None
    scheduled: float | None = None  # when the run is to start, likewise


# a step as records and stores have it: its type's code, and then the fields of a step, without
# those at the end that are None. It is plain data, so that a million of them are nothing to the
# garbage collector
Packed: TypeAlias = tuple[Any, ...]


def packed(
    type: StateType,
    name: str,
    timestamp: float,
    message: str | None = None,
    scheduled: float | None = None,
) -> Packed:
    """A step of these fields, packed."""
    if scheduled is not None:
        return (CODES[type], name, timestamp, message, scheduled)
    if message is not None:
        return (CODES[type], name, timestamp, message)
    return (CODES[type], name, timestamp)


def type_of(packed: Packed) -> StateType:
    """The type of a packed step; a later upshot's unknown one is taken for none that is final."""
    return _TYPES.get(packed[0], StateType.PENDING)


def unpacked(packed: Packed) -> Step:
    """The step that was packed."""
    return Step(type_of(packed), *packed[1:5])
