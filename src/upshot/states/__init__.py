"""States: where a run stands, and what became of it."""

from upshot.records import StateType
from upshot.states.details import StateDetails
from upshot.states.failures import exception_of, is_state, is_state_iterable
from upshot.states.functions import (
    exception_to_crashed_state,
    exception_to_failed_state,
    get_state_exception,
    raise_state_exception,
    return_value_to_state,
)
from upshot.states.group import StateGroup, summarize
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
)
from upshot.states.model import State

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
    "StateGroup",
    "StateType",
    "exception_of",
    "exception_to_crashed_state",
    "exception_to_failed_state",
    "get_state_exception",
    "is_state",
    "is_state_iterable",
    "raise_state_exception",
    "return_value_to_state",
    "summarize",
]
