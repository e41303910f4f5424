"""The option that says where the functions of submitted tasks are called."""

from __future__ import annotations

from typing import Any

from upshot.exceptions import InvalidOption
from upshot.task_runners import BaseTaskRunner
from upshot.task_runners.concurrent import ConcurrentTaskRunner


def checked_runner(choice: Any) -> BaseTaskRunner:
    """A task runner, from one, a class of one, or None for the default.

    Raises:
        InvalidOption: if it is none of these.
    """
    if choice is None:
        return ConcurrentTaskRunner()
    if isinstance(choice, type) and issubclass(choice, BaseTaskRunner):
        return choice()
    if isinstance(choice, BaseTaskRunner):
        return choice
    problem = f"must be a task runner, or a class of one; got {choice!r}"
    raise InvalidOption("task_runner", problem)
