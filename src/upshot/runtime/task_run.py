"""The task run that is going on here: `task_run.id`, `task_run.name`, …

Outside of tasks an attribute is None, 0 or empty. A variable such as
`UPSHOT__RUNTIME__TASK_RUN__NAME` stands in for an attribute.

Attributes:
    id: as text.
    tags: sorted.
    run_count: how often the function was called for it.
    parameters: what the task was called with.
    name: the run's own.
    task_name: the task's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from upshot.context import TaskRunContext
from upshot.runtime._facts import fact


def get_id() -> str | None:
    """The run's identity."""
    id = _recorded("id", None)
    return None if id is None else str(id)


def get_tags() -> list[str]:
    """The run's tags."""
    return sorted(_recorded("tags", ()))


def get_run_count() -> int:
    """How often the function was called for the run."""
    return int(_recorded("run_count", 0))


def get_parameters() -> dict[str, Any]:
    """What the task was called with, by name."""
    task = TaskRunContext.get()
    return dict(task.parameters) if task else {}


def get_name() -> str | None:
    """The run's name."""
    return _recorded("name", None)  # type: ignore[no-any-return]


def get_task_name() -> str | None:
    """The task's name."""
    task = TaskRunContext.get()
    return getattr(task.task, "name", None) if task else None


FIELDS: dict[str, Callable[[], Any]] = {
    "id": get_id,
    "name": get_name,
    "parameters": get_parameters,
    "run_count": get_run_count,
    "tags": get_tags,
    "task_name": get_task_name,
}


def _recorded(name: str, otherwise: Any) -> Any:
    """An attribute of the run's record."""
    task = TaskRunContext.get()
    return getattr(task.task_run, name, otherwise) if task else otherwise


def __getattr__(name: str) -> Any:
    return fact("task_run", name, FIELDS)


def __dir__() -> list[str]:
    return sorted(FIELDS)
