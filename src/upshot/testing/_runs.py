"""Runs for tests of run stores."""

from __future__ import annotations

from dataclasses import fields

from upshot.records import FlowRun, StateType, TaskRun

AT = 1_700_000_000.25


def new_flow_run(name: str = "calm-otter", *, parent: TaskRun | None = None) -> FlowRun:
    """A flow run that has begun."""
    run = FlowRun(name=name, flow_name="report", flow_version="7", parent=parent)
    run.parameters_json, run.owner, run.tags = '{"n": 3}', "here:42", ("nightly", "größe")
    run.enter(StateType.PENDING, "Pending", AT)
    run.enter(StateType.RUNNING, "Running", AT + 1)
    return run


def new_task_run(flow_run: FlowRun | None, index: int = 0) -> TaskRun:
    """A task run that has begun."""
    run = TaskRun(name=f"parse-{index}", task_name="parse", task_key="report.parse")
    run.flow_run, run.call_index, run.task_version, run.tags = flow_run, index, "2", ("slow",)
    run.enter(StateType.RUNNING, "Running", AT)
    return run


def complete(run: FlowRun | TaskRun, *, at: float = AT + 2) -> None:
    """Let a run end well."""
    run.result = '{"type": "literal", "value": true}'
    run.enter(StateType.COMPLETED, "Completed", at)


def facts(run: FlowRun | TaskRun) -> dict[str, object]:
    """All that a run says of itself; runs that it belongs to by their ids."""
    said = [field.name for field in fields(run) if not field.name.startswith("_")]
    told = {name: getattr(run, name) for name in said}
    for parent in ("parent", "flow_run"):
        if parent in told:
            told[parent] = told[parent] and told[parent].id
    return {name: value for name, value in told.items() if name not in {"row", "queued"}}
