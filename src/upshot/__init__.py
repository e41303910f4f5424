"""upshot keeps what Python functions return.

Decorate a function with `@task` or `@flow`; what it returns becomes a result that any process can
turn back into the value. Importing this package reads no file and loads none of its rooms: each
name is loaded when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from upshot import _registry
from upshot._version import __version__

if TYPE_CHECKING:
    from upshot import context, exceptions, runtime, settings, states
    from upshot.annotations import allow_failure, unmapped
    from upshot.context import get_run_context, tags
    from upshot.flows import Flow, flow
    from upshot.logging import get_run_logger
    from upshot.states import State
    from upshot.tasks import Task, task

__all__ = [
    "Flow",
    "State",
    "Task",
    "__version__",
    "allow_failure",
    "context",
    "exceptions",
    "flow",
    "get_run_context",
    "get_run_logger",
    "runtime",
    "settings",
    "states",
    "tags",
    "task",
    "unmapped",
]


def __getattr__(name: str) -> Any:
    if name not in _registry.BUILTIN["public name"]:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = _registry.load("public name", name)
    return found


def __dir__() -> list[str]:
    return __all__
