"""Task runners: where the functions of submitted tasks are called."""

from typing import TYPE_CHECKING

from upshot import _registry
from upshot.task_runners.abstract import BaseTaskRunner, TaskConcurrencyType
from upshot.task_runners.base import TaskRunner

if TYPE_CHECKING:
    from upshot.task_runners.concurrent import ConcurrentTaskRunner
    from upshot.task_runners.process import ProcessPoolTaskRunner
    from upshot.task_runners.sequential import SequentialTaskRunner

_NAMES = {
    "ConcurrentTaskRunner": "concurrent",
    "ProcessPoolTaskRunner": "process",
    "SequentialTaskRunner": "sequential",
}

__all__ = [
    "BaseTaskRunner",
    "ConcurrentTaskRunner",
    "ProcessPoolTaskRunner",
    "SequentialTaskRunner",
    "TaskConcurrencyType",
    "TaskRunner",
]


def __getattr__(name: str) -> object:
    if name not in _NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _registry.load("task runner", _NAMES[name])
