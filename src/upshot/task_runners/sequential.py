"""One after the other: a submitted run has ended when `submit` returns."""

from __future__ import annotations

from contextvars import Context
from typing import Any, ClassVar

from upshot._engine.effects import Invoke, kept
from upshot._engine.sync_driver import invoke
from upshot.task_runners.abstract import TaskConcurrencyType
from upshot.task_runners.base import Done, TaskRunner


class SequentialTaskRunner(TaskRunner):
    """Runs each task where and when it is submitted; for debugging, and where order counts.

    Async tasks that are submitted from tasks of one's own still overlap.
    """

    sequential: ClassVar[bool] = True

    @property
    def concurrency_type(self) -> TaskConcurrencyType:
        """One after the other."""
        return TaskConcurrencyType.SEQUENTIAL

    def options(self) -> dict[str, Any]:
        """Nothing: it has none."""
        return {}

    def call(self, effect: Invoke, context: Context, done: Done) -> None:
        """Call a function here and now."""
        done(context.run(invoke, effect))

    def keep(self, effect: Invoke, value: Any, context: Context, done: Done) -> None:
        """Keep a value here and now."""
        done(context.run(kept, effect.keep, value))
