"""What `--json` says of a run; `docs/cli.md` describes it."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from upshot.cli._words import iso
from upshot.records import FlowRun, Run, Step, TaskRun

SHORT = 18  # characters of an id that lists show: the millisecond, and 12 bits by chance


def short_id(run: Run) -> str:
    """The beginning of a run's id, which is enough to find it by."""
    return str(run.id)[:SHORT]


def facts(run: Run) -> dict[str, Any]:
    """A run, with what only flow runs or only task runs have."""
    own = _of_flow_run(run) if isinstance(run, FlowRun) else {}
    if isinstance(run, TaskRun):
        own = _of_task_run(run)
    return {"kind": run.kind, "id": str(run.id), "name": run.name, **own, **_progress(run)}


def details(run: Run) -> dict[str, Any]:
    """`facts`, and what is too long for a list."""
    told = facts(run) | {"states": [_state(step) for step in run.history]}
    if isinstance(run, FlowRun):
        told["parameters"] = loaded(run.parameters_json)
    return told | {"failure": _without_pickles(loaded(run.failure))}


def _without_pickles(failure: Any) -> Any:
    """A recorded failure as text; its causes, too."""
    if not isinstance(failure, dict):
        return failure
    causes = [_without_pickles(cause) for cause in failure.get("causes") or ()]
    return {name: value for name, value in failure.items() if name != "pickled"} | (
        {"causes": causes} if causes else {}
    )


def duration_of(run: Run, now: float) -> float | None:
    """How long a run took, or has taken until now; None if it has not begun."""
    if run.began is None:
        return None
    end = run.ended
    if end is None:
        end = now
    return max(end - run.began, 0.0)


def loaded(text: str | None) -> Any:
    """What a JSON text of the store says; text that is none stays what it is."""
    try:
        return None if text is None else json.loads(text)
    except ValueError:
        return text


def _of_flow_run(run: FlowRun) -> dict[str, Any]:
    return {
        "flow_name": run.flow_name,
        "flow_version": run.flow_version,
        "parent_task_run_id": _text(run.parent_task_run_id),
        "owner": run.owner,
    }


def _of_task_run(run: TaskRun) -> dict[str, Any]:
    return {
        "task_name": run.task_name,
        "task_key": run.task_key,
        "task_version": run.task_version,
        "call_index": run.call_index,
        "flow_run_id": _text(run.flow_run_id),
        "child_flow_run_id": _text(UUID(bytes=run.child_uid) if run.child_uid else None),
        "cache_key": run.cache_key,
        "inputs": loaded(run.inputs),
    }


def _progress(run: Run) -> dict[str, Any]:
    ended = run.began is not None and run.ended is not None
    return {
        "tags": list(run.tags),
        "state": _state(run.last) if run.last else None,
        "attempts": run.run_count,
        "start_time": iso(run.began),
        "end_time": iso(run.ended),
        "duration": duration_of(run, 0.0) if ended else None,
        "result": loaded(run.result),
    }


def _state(step: Step) -> dict[str, Any]:
    told = {"name": step.name, "timestamp": iso(step.timestamp), "message": step.message}
    return {"type": str(step.type), **told}


def _text(id: UUID | None) -> str | None:
    return None if id is None else str(id)
