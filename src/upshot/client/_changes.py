"""Runs that nothing has called, and states that runs are put into from outside."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import Any, Protocol
from uuid import UUID

import orjson

from upshot._arguments.parameters import describe
from upshot._engine.endings import recorded
from upshot.client.schemas.responses import OrchestrationResult, SetStateStatus
from upshot.exceptions import ObjectNotFound
from upshot.records import FINAL, FlowRun, Run, StateType, TaskRun, TaskRunResult
from upshot.runstore import RunStore
from upshot.states import Pending, State

# of two that read a run to change it, each is to see what the other wrote
_changing = threading.Lock()


class FlowLike(Protocol):
    """A flow, as far as its runs know it."""

    name: str
    version: str | None


class TaskLike(Protocol):
    """A task, as far as its runs know it."""

    name: str
    version: str | None
    task_key: str
    tags: set[str]


def new_flow_run(
    store: RunStore,
    flow: FlowLike,
    name: str | None,
    parameters: Mapping[str, Any] | None,
    tags: Iterable[str] | None,
    parent_task_run_id: UUID | None,
    state: State[Any] | None,
) -> FlowRun:
    """Record a run of a flow."""
    parent = None
    if parent_task_run_id is not None and (parent := store.task_run(parent_task_run_id)) is None:
        raise ObjectNotFound("task run", parent_task_run_id)
    run = FlowRun(
        name=name or "",
        flow_name=flow.name,
        flow_version=flow.version,
        parameters_json=describe(parameters or {}),
        tags=tuple(sorted(set(tags or ()))),
        parent=parent,
    )
    run.name = name or f"{flow.name}-{run.uid.hex()[-6:]}"
    _put_into(run, state or Pending())
    store.commit(run)
    if parent is not None and parent.child_uid is None:
        parent.child_uid = run.uid
        store.commit(parent)
    return run


def new_task_run(
    store: RunStore,
    task: TaskLike,
    flow_run_id: UUID | None,
    dynamic_key: str,
    name: str | None,
    extra_tags: Iterable[str] | None,
    state: State[Any] | None,
    task_inputs: Mapping[str, Iterable[TaskRunResult]] | None,
) -> TaskRun:
    """Record a run of a task."""
    flow_run = None
    if flow_run_id is not None and (flow_run := store.flow_run(flow_run_id)) is None:
        raise ObjectNotFound("flow run", flow_run_id)
    run = TaskRun(
        name=name or f"{task.name}-{dynamic_key}",
        task_name=task.name,
        task_key=task.task_key,
        task_version=task.version,
        own_key=dynamic_key,
        flow_run=flow_run,
        tags=tuple(sorted({*task.tags, *(extra_tags or ())})),
        inputs=_ids_of(task_inputs) if task_inputs else None,
    )
    _put_into(run, state or Pending())
    store.commit(run)
    return run


def _ids_of(inputs: Mapping[str, Iterable[TaskRunResult]]) -> str:
    return orjson.dumps({name: [one.id for one in runs] for name, runs in inputs.items()}).decode()


def set_state(
    store: RunStore, run_of: Any, id: UUID, state: State[Any], *, force: bool
) -> OrchestrationResult:
    """Put the run that `run_of` reads into a state."""
    with _changing:
        run: Run = run_of(id)
        if run.state_type in FINAL and not force:
            reason = f"the run has ended as {run.state_name!r}; force=True sets it all the same"
            return OrchestrationResult(state=run.state, status=SetStateStatus.REJECT, reason=reason)
        _put_into(run, state)
        store.commit(run)
    return OrchestrationResult(state=run.state, status=SetStateStatus.ACCEPT)


def _put_into(run: Run, state: State[Any]) -> None:
    due = state.state_details.scheduled_time if state.type is StateType.SCHEDULED else None
    if state.type not in FINAL:
        run.ended = None
    run.result, run.failure = recorded(state.data)
    run.enter(
        state.type,
        state.name,
        state.timestamp.timestamp(),
        state.message,
        None if due is None else due.timestamp(),
    )
