"""What a call was called with, as a digest by which a retry of its flow knows it again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from upshot._arguments.hashing import digest
from upshot._future import UpshotFuture
from upshot._runs.replay import Place
from upshot.annotations import BaseAnnotation
from upshot.context import FlowRunContext, TaskRunContext
from upshot.documents import BaseResult
from upshot.states import State


def place_of(
    flow: FlowRunContext | None,
    key: str,
    parameters: Mapping[str, Any],
    wait_for: Iterable[Any] | None = None,
) -> Place | None:
    """The place of a call among those that a retry of the flow makes again.

    Returns:
        None if the flow is not retried. Calls that its tasks make are these tasks' own matter.
    """
    if flow is None or flow.replay is None or TaskRunContext.get() is not None:
        return None
    return flow.replay.take(key, digest_of(parameters, wait_for))


def digest_of(parameters: Mapping[str, Any], wait_for: Iterable[Any] | None) -> bytes | None:
    """The same for calls with the same arguments, another one for all others.

    Collections, dataclasses and models are taken by what they hold, futures and states by the
    runs behind them, and all else by its pickle.

    Returns:
        16 bytes; None where something cannot be pickled.
    """
    try:
        return digest([dict(parameters), wait_for], _parts_of)
    except Exception:  # whatever a class of the user's raises when it is looked into
        return None


def _parts_of(value: Any) -> list[Any] | None:
    """What makes a future, a state, a mark or a result what it is; None of all else."""
    if isinstance(value, UpshotFuture):
        # a run that is begun anew is another input, for it may give another value
        begun = [step for step in value.task_run.history if step.name == "Pending"]
        return [value.task_run.uid, len(begun)]
    if isinstance(value, State):
        details = value.state_details
        ids = [id and id.bytes for id in (details.task_run_id, details.flow_run_id)]
        if any(ids):
            return [*ids, value.timestamp.isoformat(), value.name]
        return [value.type.value, value.name, value.message, value.data]
    if isinstance(value, BaseAnnotation):
        return [value.unwrap()]
    if isinstance(value, BaseResult) and value.has_cached_object():
        # the value that a result holds belongs to no field of it
        return [vars(value), value.fetch()]
    return None
