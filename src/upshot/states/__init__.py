"""States: where a run stands, and what became of it."""

from upshot.records import StateType
from upshot.states.details import StateDetails
from upshot.states.makers import (
    AwaitingRetry,
    Cancelled,
    Cancelling,
    Completed,
    Crashed,
    Failed,
    Paused,
    Pending,
    Retrying,
    Running,
    Scheduled,
    summarize,
)
from upshot.states.model import State, exception_of, is_state, is_state_iterable

__all__ = [
    "AwaitingRetry",
    "Cancelled",
    "Cancelling",
    "Completed",
    "Crashed",
    "Failed",
    "Paused",
    "Pending",
    "Retrying",
    "Running",
    "Scheduled",
    "State",
    "StateDetails",
    "StateType",
    "exception_of",
    "is_state",
    "is_state_iterable",
    "summarize",
]
