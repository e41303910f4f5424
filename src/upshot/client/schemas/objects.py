"""What the run store holds, as models: copies, which nothing changes behind one's back.

A run's model has the attributes of the record that the contexts of a run hold, and is made of it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Self
from uuid import UUID

from pydantic import ConfigDict, Field, field_validator

from upshot._models import Model
from upshot.blocks import BlockDocument
from upshot.records import FlowRun as FlowRunRecord
from upshot.records import Run, StateType, TaskRunResult, new_id
from upshot.states import State, StateDetails
from upshot.states.model import document_of

__all__ = [
    "BlockDocument",
    "ConcurrencyLimit",
    "Flow",
    "FlowRun",
    "State",
    "StateDetails",
    "StateType",
    "TaskRun",
    "TaskRunResult",
]


class _RunModel(Model):
    model_config = ConfigDict(extra="forbid", from_attributes=True)

    id: UUID = Field(default_factory=lambda: UUID(bytes=new_id()))
    name: str = ""
    created: datetime | None = None
    tags: list[str] = Field(default_factory=list)
    run_count: int = 0
    state: State[Any] | None = None
    state_id: UUID | None = None
    state_type: StateType | None = None
    state_name: str | None = None
    expected_start_time: datetime | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None
    total_run_time: timedelta = timedelta()

    @classmethod
    def of(cls, record: Run) -> Self:
        """The model of a record."""
        return cls.model_validate(record)

    @field_validator("tags", mode="before")
    @classmethod
    def _listed(cls, tags: Any) -> Any:
        return sorted(tags) if isinstance(tags, set | frozenset) else tags

    @field_validator("state", mode="before")
    @classmethod
    def _recorded(cls, state: Any) -> Any:
        # a recorded state's data is a document, whatever it looks like
        if isinstance(state, dict) and isinstance(state.get("data"), dict):
            return {**state, "data": document_of(state["data"])}
        return state


class FlowRun(_RunModel):
    """One call of a flow, as it was when it was read.

    Attributes:
        id: its identity.
        name: what it is called.
        flow_id: the flow's identity, which follows from its name.
        flow_name: the flow.
        flow_version: the flow's version.
        parameters: what it was called with, as far as JSON can hold it.
        parent_task_run_id: the task run that stands for it in the flow run that called it.
        tags: sorted.
        run_count: how often it was begun.
        state: where it stood, with its result; `state_id`, `state_type` and `state_name` are its.
        created: when it was made.
        expected_start_time: what it was scheduled for, or when it was made.
        start_time: when it was begun first.
        end_time: when it ended.
        total_run_time: how long it has been running.
    """

    flow_id: UUID
    flow_name: str | None = None
    flow_version: str | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)
    parent_task_run_id: UUID | None = None


class TaskRun(_RunModel):
    """One call of a task, or of a flow in a flow, as it was when it was read.

    Attributes:
        flow_run_id: the flow run that made the call; None outside of flows.
        task_key: the task's name and a hash of its code.
        dynamic_key: the number of the call among those of this key in its flow run.
        task_name: the task.
        task_version: the task's version.
        cache_key: under which the cache has its result.
        task_inputs: for each parameter the runs whose results it took.
    """

    flow_run_id: UUID | None = None
    task_key: str
    dynamic_key: str
    task_name: str | None = None
    task_version: str | None = None
    cache_key: str | None = None
    task_inputs: dict[str, list[TaskRunResult]] = Field(default_factory=dict)


def model_of(record: Run) -> FlowRun | TaskRun:
    """The model of a record of either kind."""
    return FlowRun.of(record) if record.kind == FlowRunRecord.kind else TaskRun.of(record)


class Flow(Model):
    """A flow that has runs.

    Attributes:
        id: its identity, which follows from its name.
        name: its name.
    """

    id: UUID
    name: str


class ConcurrencyLimit(Model):
    """How many task runs with a tag may run at a time.

    Attributes:
        id: its identity.
        created: when it was made.
        tag: the tag.
        concurrency_limit: how many.
        active_slots: the runs that run now.
    """

    id: UUID
    created: datetime
    tag: str
    concurrency_limit: int
    active_slots: list[UUID] = Field(default_factory=list)
