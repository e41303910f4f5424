"""The flow run that is going on here: `flow_run.id`, `flow_run.name`, …

In a task outside of flows, and outside of runs, it is the one that the variable
`UPSHOT__FLOW_RUN_ID` names, as the run store has it. Where there is none, an attribute is None,
0, empty or now. A variable such as `UPSHOT__RUNTIME__FLOW_RUN__NAME` stands in for an attribute.

Attributes:
    id: as text.
    tags: sorted.
    run_count: how often the function was called for it.
    scheduled_start_time: when it was to start.
    name: the run's own.
    flow_name: the flow's.
    flow_version: the flow's.
    parameters: what the flow was called with; of a run that goes on elsewhere, as JSON has it.
    parent_flow_run_id: the id of the flow run around it, as text.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from upshot.context import FlowElsewhere, FlowRunContext, TaskRunContext
from upshot.exceptions import InvalidSettings
from upshot.runstore import open_store
from upshot.runtime._facts import fact

_VARIABLE = "UPSHOT__FLOW_RUN_ID"


def get_id() -> str | None:
    """The run's identity."""
    flow, task = FlowRunContext.get(), TaskRunContext.get()
    if flow is not None and flow.flow_run is not None:
        return str(flow.flow_run.id)
    around = task and task.task_run and task.task_run.flow_run_id
    return str(around) if around else os.environ.get(_VARIABLE)


def get_tags() -> list[str]:
    """The run's tags."""
    return sorted(_recorded("tags", ()))


def get_run_count() -> int:
    """How often the function was called for the run."""
    return int(_recorded("run_count", 0))


def get_scheduled_start_time() -> datetime:
    """When the run was to start; outside of runs, now."""
    return _recorded("expected_start_time", None) or datetime.now(UTC)


def get_name() -> str | None:
    """The run's name."""
    return _recorded("name", None)  # type: ignore[no-any-return]


def get_flow_name() -> str | None:
    """The flow's name."""
    return _of_flow("name") or _recorded("flow_name", None)  # type: ignore[no-any-return]


def get_flow_version() -> str | None:
    """The flow's version."""
    return _of_flow("version") or _recorded("flow_version", None)  # type: ignore[no-any-return]


def get_parameters() -> dict[str, Any]:
    """What the flow was called with, by name."""
    flow = FlowRunContext.get()
    if flow is not None and not isinstance(flow.flow, FlowElsewhere):
        return dict(flow.parameters)
    return dict(_recorded("parameters", {}))


def get_parent_flow_run_id() -> str | None:
    """The identity of the flow run that called the flow."""
    run = _record()
    if getattr(run, "parent", None) is not None:
        around = run.parent.flow_run_id
    else:
        task_run = getattr(run, "parent_task_run_id", None)
        found = task_run and open_store().task_run(task_run)
        around = found and found.flow_run_id
    return str(around) if around else None


FIELDS: dict[str, Callable[[], Any]] = {
    "flow_name": get_flow_name,
    "flow_version": get_flow_version,
    "id": get_id,
    "name": get_name,
    "parameters": get_parameters,
    "parent_flow_run_id": get_parent_flow_run_id,
    "run_count": get_run_count,
    "scheduled_start_time": get_scheduled_start_time,
    "tags": get_tags,
}


def _of_flow(name: str) -> Any:
    """An attribute of the flow itself, where it is at hand."""
    flow = FlowRunContext.get()
    return getattr(flow.flow, name, None) if flow else None


def _recorded(name: str, otherwise: Any) -> Any:
    """An attribute of the run's record."""
    return getattr(_record(), name, otherwise)


def _record() -> Any:
    """The record of the run; None where there is none."""
    flow, task = FlowRunContext.get(), TaskRunContext.get()
    if flow is not None and flow.flow_run is not None:
        return flow.flow_run
    around = getattr(task and task.task_run, "flow_run", None)
    return around or _stored(get_id())


def _stored(id: str | None) -> Any:
    if id is None:
        return None
    try:
        found = open_store().flow_run(UUID(id))
    except ValueError:
        raise InvalidSettings(_VARIABLE, f"{id!r} is no id of a flow run") from None
    if found is None:
        raise InvalidSettings(_VARIABLE, f"the run store has no flow run with the id {id!r}")
    return found


def __getattr__(name: str) -> Any:
    return fact("flow_run", name, FIELDS)


def __dir__() -> list[str]:
    return sorted(FIELDS)
