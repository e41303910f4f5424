"""A state of each kind."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from upshot.records import StateType
from upshot.states.details import StateDetails
from upshot.states.model import State


def Pending(cls: type[State[Any]] = State, **fields: Any) -> State[Any]:
    """A state of a run that has not been started."""
    return cls(type=StateType.PENDING, **fields)


def Scheduled(
    cls: type[State[Any]] = State, scheduled_time: datetime | None = None, **fields: Any
) -> State[Any]:
    """A state of a run that waits for its time, by default now.

    Raises:
        ValueError: if `state_details` says another time.
    """
    return cls(type=StateType.SCHEDULED, **_timed(scheduled_time, fields))


def Running(cls: type[State[Any]] = State, **fields: Any) -> State[Any]:
    """A state of a run whose function is being called."""
    return cls(type=StateType.RUNNING, **fields)


def Retrying(cls: type[State[Any]] = State, **fields: Any) -> State[Any]:
    """A state of a run whose function is being called again."""
    return cls(type=StateType.RUNNING, **{"name": "Retrying", **fields})


def AwaitingRetry(
    cls: type[State[Any]] = State, scheduled_time: datetime | None = None, **fields: Any
) -> State[Any]:
    """A state of a run that waits before its function is called again."""
    fields = _timed(scheduled_time, fields)
    return cls(type=StateType.SCHEDULED, **{"name": "AwaitingRetry", **fields})


def Completed(cls: type[State[Any]] = State, **fields: Any) -> State[Any]:
    """A state of a run that ended well; `data` is its result."""
    return cls(type=StateType.COMPLETED, **fields)


def Failed(cls: type[State[Any]] = State, **fields: Any) -> State[Any]:
    """A state of a run that failed; `data` is the exception, or a text."""
    return cls(type=StateType.FAILED, **fields)


def Crashed(cls: type[State[Any]] = State, **fields: Any) -> State[Any]:
    """A state of a run that was ended from outside."""
    return cls(type=StateType.CRASHED, **fields)


def Cancelled(cls: type[State[Any]] = State, **fields: Any) -> State[Any]:
    """A state of a run that was cancelled."""
    return cls(type=StateType.CANCELLED, **fields)


def Cancelling(cls: type[State[Any]] = State, **fields: Any) -> State[Any]:
    """A state of a run that is being cancelled."""
    return cls(type=StateType.CANCELLING, **fields)


def Paused(cls: type[State[Any]] = State, **fields: Any) -> State[Any]:
    """A state of a run that was paused."""
    return cls(type=StateType.PAUSED, **fields)


def _timed(at: datetime | None, fields: dict[str, Any]) -> dict[str, Any]:
    if at is None:
        return fields
    details = StateDetails.model_validate(fields.get("state_details") or {})
    if details.scheduled_time is not None:
        raise ValueError("An extra scheduled_time was provided in state_details")
    checked = StateDetails(scheduled_time=at).scheduled_time
    return {**fields, "state_details": details.copy(update={"scheduled_time": checked})}
