"""A state of each kind, and the one state that several amount to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from upshot.records import FINAL, StateType
from upshot.states.model import State


def summarize(states: Iterable[State[Any]]) -> tuple[StateType, str]:
    """The state type of a run that stands for several others, and a message that counts them."""
    types = Counter(state.type for state in states)
    total = types.total()
    if types[StateType.COMPLETED] == total:
        return StateType.COMPLETED, "All states completed."
    if count := types[StateType.CANCELLED]:
        return StateType.CANCELLED, f"{count}/{total} states cancelled."
    if count := types[StateType.PAUSED]:
        return StateType.PAUSED, f"{count}/{total} states paused."
    if count := types[StateType.FAILED] + types[StateType.CRASHED]:
        return StateType.FAILED, f"{count}/{total} states failed."
    unfinished = sum(count for type, count in types.items() if type not in FINAL)
    return StateType.FAILED, f"{unfinished}/{total} states are not final."


def Pending(**fields: Any) -> State[Any]:
    """A state of a run that has not been started."""
    return State(type=StateType.PENDING, **fields)


def Scheduled(**fields: Any) -> State[Any]:
    """A state of a run that waits for its time."""
    return State(type=StateType.SCHEDULED, **fields)


def Running(**fields: Any) -> State[Any]:
    """A state of a run whose function is being called."""
    return State(type=StateType.RUNNING, **fields)


def Retrying(**fields: Any) -> State[Any]:
    """A state of a run whose function is being called again."""
    return State(type=StateType.RUNNING, name="Retrying", **fields)


def AwaitingRetry(**fields: Any) -> State[Any]:
    """A state of a run that waits before its function is called again."""
    return State(type=StateType.SCHEDULED, name="AwaitingRetry", **fields)


def Completed(**fields: Any) -> State[Any]:
    """A state of a run that ended well; `data` is its result."""
    return State(type=StateType.COMPLETED, **fields)


def Failed(**fields: Any) -> State[Any]:
    """A state of a run that failed; `data` is the exception, or a text."""
    return State(type=StateType.FAILED, **fields)


def Crashed(**fields: Any) -> State[Any]:
    """A state of a run that was ended from outside."""
    return State(type=StateType.CRASHED, **fields)


def Cancelled(**fields: Any) -> State[Any]:
    """A state of a run that was cancelled."""
    return State(type=StateType.CANCELLED, **fields)


def Cancelling(**fields: Any) -> State[Any]:
    """A state of a run that is being cancelled."""
    return State(type=StateType.CANCELLING, **fields)


def Paused(**fields: Any) -> State[Any]:
    """A state of a run that was paused."""
    return State(type=StateType.PAUSED, **fields)
