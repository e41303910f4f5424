"""Which runs a listing is about; all that is said must hold.

A filter is made of smaller ones, each about one thing and given as a dict or by its class:
``FlowRunFilter(name={"like_": "daily"}, state=FlowRunFilterState(type={"any_": ["FAILED"]}))``.
What a filter does not know is refused with a `pydantic.ValidationError`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import AfterValidator, ConfigDict

from upshot._models import Model
from upshot.records import StateType
from upshot.runstore import Condition, How

_HOW: dict[str, How] = {
    "after_": "from",
    "all_": "all",
    "any_": "any",
    "before_": "until",
    "is_null_": "null",
    "like_": "like",
    "not_any_": "not any",
}


def _aware(time: datetime) -> datetime:
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time


_Time = Annotated[datetime, AfterValidator(_aware)]


def _known(value: Any) -> Any:
    """A value as the run store knows it."""
    if isinstance(value, list):
        return [_known(one) for one in value]
    if isinstance(value, UUID):
        return value.bytes
    return value.timestamp() if isinstance(value, datetime) else value


class _Part(Model):
    model_config = ConfigDict(extra="forbid")

    def conditions(self, what: str) -> Iterator[Condition]:
        """What it asks for, said of `what`."""
        for name, value in self:
            if value is not None:
                yield Condition(what, _HOW[name], _known(value))


class _Whole(Model):
    """A filter whose fields are parts, each about the thing that `about` names."""

    model_config = ConfigDict(extra="forbid")
    about: ClassVar[dict[str, str]] = {}

    def conditions(self, what: str = "") -> Iterator[Condition]:
        """What all its parts ask for."""
        for name, part in self:
            if part is not None:
                yield from part.conditions(self.about.get(name, name))


class FlowRunFilterId(_Part):
    """By identity."""

    any_: list[UUID] | None = None
    not_any_: list[UUID] | None = None


class FlowRunFilterName(_Part):
    """By name: one of several, or one that has a text in it, whatever its case."""

    any_: list[str] | None = None
    like_: str | None = None


class FlowRunFilterTags(_Part):
    """By tags: all of these, or, with `is_null_`, none at all."""

    all_: list[str] | None = None
    is_null_: bool | None = None


class FlowRunFilterStateType(_Part):
    """By the type of the present state."""

    any_: list[StateType] | None = None
    not_any_: list[StateType] | None = None


class FlowRunFilterStateName(_Part):
    """By the name of the present state."""

    any_: list[str] | None = None
    not_any_: list[str] | None = None


class FlowRunFilterState(_Whole):
    """By the present state."""

    about: ClassVar[dict[str, str]] = {"type": "state_type", "name": "state_name"}

    type: FlowRunFilterStateType | None = None
    name: FlowRunFilterStateName | None = None


class FlowRunFilterStartTime(_Part):
    """By when the run began; both bounds are included. A time without zone is UTC."""

    before_: _Time | None = None
    after_: _Time | None = None
    is_null_: bool | None = None


class FlowRunFilterExpectedStartTime(_Part):
    """By when the run was to begin; both bounds are included. A time without zone is UTC."""

    before_: _Time | None = None
    after_: _Time | None = None


class FlowRunFilterFlowVersion(_Part):
    """By the flow's version."""

    any_: list[str] | None = None


class FlowRunFilterParentTaskRunId(_Part):
    """By the task run that stands for the run in its parent; `is_null_` for those without."""

    any_: list[UUID] | None = None
    is_null_: bool | None = None


class TaskRunFilterFlowRunId(_Part):
    """By the flow run; `is_null_` for runs outside of flows."""

    any_: list[UUID] | None = None
    is_null_: bool | None = None


class TaskRunFilterSubFlowRuns(_Part):
    """Whether the task run stands for a flow run."""

    exists_: bool | None = None

    def conditions(self, what: str) -> Iterator[Condition]:
        """What it asks for, said of `what`."""
        if self.exists_ is not None:
            yield Condition(what, "null", not self.exists_)


FlowFilterId, FlowFilterName = FlowRunFilterId, FlowRunFilterName
TaskRunFilterId, TaskRunFilterName = FlowRunFilterId, FlowRunFilterName
TaskRunFilterState, TaskRunFilterTags = FlowRunFilterState, FlowRunFilterTags
TaskRunFilterStateName, TaskRunFilterStateType = FlowRunFilterStateName, FlowRunFilterStateType
TaskRunFilterStartTime = FlowRunFilterStartTime


class FlowRunFilter(_Whole):
    """Which flow runs."""

    about: ClassVar[dict[str, str]] = {"id": "uid", "parent_task_run_id": "parent"}

    id: FlowRunFilterId | None = None
    name: FlowRunFilterName | None = None
    tags: FlowRunFilterTags | None = None
    state: FlowRunFilterState | None = None
    flow_version: FlowRunFilterFlowVersion | None = None
    start_time: FlowRunFilterStartTime | None = None
    expected_start_time: FlowRunFilterExpectedStartTime | None = None
    parent_task_run_id: FlowRunFilterParentTaskRunId | None = None


class TaskRunFilter(_Whole):
    """Which task runs."""

    about: ClassVar[dict[str, str]] = {
        "flow_run_id": "flow_run",
        "id": "uid",
        "subflow_runs": "child",
    }

    id: FlowRunFilterId | None = None
    name: FlowRunFilterName | None = None
    tags: FlowRunFilterTags | None = None
    state: FlowRunFilterState | None = None
    start_time: FlowRunFilterStartTime | None = None
    flow_run_id: TaskRunFilterFlowRunId | None = None
    subflow_runs: TaskRunFilterSubFlowRuns | None = None


class FlowFilter(_Whole):
    """Which flows."""

    id: FlowRunFilterId | None = None
    name: FlowRunFilterName | None = None
