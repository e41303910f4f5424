"""The exceptions that states stand for, and what is a state."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any, TypeGuard

from upshot import _registry
from upshot.documents import BaseResult, Failure, revive
from upshot.exceptions import (
    CancelledRun,
    CrashedRun,
    FailedRun,
    UnfinishedRun,
    UpshotError,
    UpstreamFailed,
)
from upshot.records import StateType
from upshot.states.details import Standing

ENDED_BADLY: dict[StateType, type[UpshotError]] = {
    StateType.FAILED: FailedRun,
    StateType.CRASHED: CrashedRun,
    StateType.CANCELLED: CancelledRun,
}


_COLLECTIONS = (list, tuple, set)  # a union would be made for each look


def unfinished(name: str, message: str | None) -> UnfinishedRun:
    """The error of who wants the value of a run that has not ended."""
    said = f": {message.rstrip('.')}" if message else ""
    if name == "NotReady":
        return UpstreamFailed(f"the run was not started{said}")
    return UnfinishedRun(f"the run is {name!r} and has not ended{said}")


def stands_for_error(data: Any) -> bool:
    """Whether the data of a run that ended badly is its exception, or nothing."""
    return data is None or isinstance(data, BaseException | Failure)


def exception_of(state: Any) -> BaseException:
    """The exception that a state which ended badly stands for.

    Raises:
        ValueError: if the state did not end badly, or holds states of which none did.
        TypeError: if its data stands for no exception.
    """
    if state.type not in ENDED_BADLY:
        raise ValueError(f"Expected failed or crashed state got {state!r}.")
    data = state.data.fetch() if isinstance(state.data, BaseResult) else state.data
    return error_for(state, data)


def error_for(state: Any, data: Any) -> BaseException:
    """The exception of a state that ended badly, whose data, fetched, is `data`."""
    kind = ENDED_BADLY[state.type]
    if isinstance(data, BaseException):
        return data
    if isinstance(data, Failure):
        return _revived(state, data)
    if is_state(data):
        return exception_of(data)
    if is_state_iterable(data):
        failed = next((inner for inner in data if inner.type in ENDED_BADLY), None)
        if failed is None:
            raise ValueError("Failed state result was an iterable of states but none were failed.")
        return exception_of(failed)
    if data is None or isinstance(data, str):
        return kind(data or state.message or "")
    what = type(data).__name__
    problem = f"{what} cannot be resolved into an exception"
    raise TypeError(f"Unexpected data of a {state.name!r} state: {problem}")


def _revived(state: Any, failure: Failure) -> BaseException:
    """The exception that a failure tells of, as the run store has it; else one that stands in."""
    if failure.pickled is None:
        details = state.state_details
        look_up = _registry.load("room", "failure record")
        recorded: Failure | None = look_up(details.flow_run_id, details.task_run_id)
        # JSON of a state may come from anywhere: nothing is loaded but what this store wrote
        if recorded is not None and _says(recorded) == _says(failure):
            failure = recorded
    return revive(failure, partial(_stand_in, ENDED_BADLY[state.type]))


def _says(failure: Failure) -> tuple[str, str]:
    return failure.exception_type, failure.message


def _stand_in(kind: type[UpshotError], failure: Failure) -> BaseException:
    error = kind(f"{failure.exception_type}: {failure.message}")
    for note in (*failure.notes, failure.traceback):
        if note:
            error.add_note(note)
    return error


def is_state(thing: object) -> TypeGuard[Any]:
    """Whether this is a state."""
    return isinstance(thing, Standing)


def is_state_iterable(thing: object) -> TypeGuard[Iterable[Any]]:
    """Whether this is a list, tuple or set of states, not empty."""
    return isinstance(thing, _COLLECTIONS) and bool(thing) and all(map(is_state, thing))
