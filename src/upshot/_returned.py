"""From what a function returned to a state, for who has no run."""

from __future__ import annotations

from typing import Any

from upshot._engine.conclusions import conclude
from upshot.documents import BaseResult
from upshot.results import ResultFactory
from upshot.states import State, is_state


def conclude_by_hand(value: Any, factory: ResultFactory) -> State[Any]:
    """The state in which a run ends that returned `value`; blocks."""
    if is_state(value) and not _is_of_a_run(value):
        data = value.data
        if not isinstance(data, BaseResult):
            # the state is given back itself, so its data is replaced in its place
            document = factory.create_now(data)
            object.__setattr__(value, "data", document)
        return value  # type: ignore[no-any-return]
    conclusion = conclude(value, factory.create_now)
    return State(
        type=conclusion.type,
        name=conclusion.name,
        message=conclusion.message,
        data=conclusion.data,
    )


def _is_of_a_run(state: State[Any]) -> bool:
    details = state.state_details
    return details.flow_run_id is not None or details.task_run_id is not None
