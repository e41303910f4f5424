"""The states of a run as its record has them."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


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


class Step(NamedTuple):
    """One state in a run's history, as the store packs it."""

    type: StateType
    name: str
    timestamp: float  # seconds since the epoch, UTC
    message: str | None = None
    scheduled: float | None = None  # when the run is to start, likewise
