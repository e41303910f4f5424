"""From what a function returned to the state that its run ends in."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from upshot._engine.endings import Conclusion, Ended, Kept
from upshot.documents import BaseResult, UnpersistedResult
from upshot.records import StateType
from upshot.states import State, is_state, is_state_iterable, summarize


def conclude(
    value: Any,
    document_of: Callable[[Any], BaseResult[Any]],
    made: Iterable[Ended] = (),
    *,
    writes: bool = True,
    keeps: bool = False,
) -> Conclusion:
    """The conclusion of a run that returned `value`.

    Args:
        value: a state that the function made by hand is the conclusion; states of runs, alone or
            in a list, tuple or set, are summed up; anything else is the run's result.
        document_of: makes (and, with persistence, writes) the document of a value.
        made: the ends of the runs that a flow made; they are summed up if it returned None.
        writes: whether `document_of` does.
        keeps: whether results are in memory only, and need no document before one is asked for.
    """
    if value is None and (ended := list(made)):
        return _of_made(ended, document_of, writes)
    states: Iterable[State[Any]] = ()
    if is_state(value):
        if not _of_a_run(value):
            return _by_hand(value, document_of)
        states = (value,)
    elif is_state_iterable(value):
        states = value
    if not states:
        if keeps and not isinstance(value, BaseResult):
            return Conclusion(StateType.COMPLETED, "Completed", None, Kept(value))
        return Conclusion(StateType.COMPLETED, "Completed", None, document_of(value))
    type, message = summarize(state.type for state in states)
    data = document_of(value) if type is StateType.COMPLETED else value
    return Conclusion(type, type.value.capitalize(), message, data)


def _of_made(
    made: list[Ended], document_of: Callable[[Any], BaseResult[Any]], writes: bool
) -> Conclusion:
    type, message = summarize(end.type for end in made)
    states = [end.state() for end in made]
    if type is not StateType.COMPLETED:
        return Conclusion(type, type.value.capitalize(), message, states)
    if not writes:
        return Conclusion(type, "Completed", message, document_of(states))
    # what is written are the states; the values are their runs' to keep
    document = document_of([state.copy(update={"data": _bare(state.data)}) for state in states])
    if document.has_cached_object():
        document.hold(states)
    return Conclusion(type, "Completed", message, document)


def _bare(data: Any) -> Any:
    return UnpersistedResult() if isinstance(data, UnpersistedResult) else data


def _of_a_run(state: State[Any]) -> bool:
    details = state.state_details
    return details.flow_run_id is not None or details.task_run_id is not None


def _by_hand(state: State[Any], document_of: Callable[[Any], BaseResult[Any]]) -> Conclusion:
    data = state.data
    if state.type is StateType.COMPLETED and not isinstance(data, BaseResult):
        data = document_of(data)
    return Conclusion(state.type, state.name, state.message, data)
