"""Which task runner serves a flow run."""

from __future__ import annotations

import logging
import os

from upshot._calls.own_runner import OwnRunner
from upshot.context import FlowRunContext
from upshot.task_runners import BaseTaskRunner, TaskRunner
from upshot.task_runners.concurrent import ConcurrentTaskRunner

_log = logging.getLogger("upshot.task_runners")


def duplicate_of(runner: BaseTaskRunner) -> TaskRunner | OwnRunner:
    """A runner of its own for a flow run; one that cannot be duplicated serves all of them."""
    twin: BaseTaskRunner = runner.duplicate()
    if twin is not NotImplemented:
        return OwnRunner.around(twin)
    _log.warning(
        "Task runner %r does not implement the `duplicate` method and will fail if used for"
        " concurrent execution of the same flow.",
        type(runner).__name__,
    )
    return OwnRunner.around(runner)


_outside_of_flows: TaskRunner = ConcurrentTaskRunner()


def _start_over() -> None:
    """In a forked child the runner has no threads."""
    global _outside_of_flows
    _outside_of_flows = ConcurrentTaskRunner()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_over)


def runner_of(flow: FlowRunContext | None) -> TaskRunner | OwnRunner:
    """The runner of a flow run, made when it is first needed; outside of flows, the process's."""
    if flow is None:
        return _outside_of_flows
    if flow.runner is None:
        # in a worker process, where the flow itself is not, its own threads
        chosen: BaseTaskRunner | None = getattr(flow.flow, "task_runner", None)
        flow.runner = ConcurrentTaskRunner() if chosen is None else duplicate_of(chosen)
    elif not isinstance(flow.runner, TaskRunner | OwnRunner):
        flow.runner = OwnRunner.around(flow.runner)  # of a context that was made by hand
    found: TaskRunner | OwnRunner = flow.runner
    return found
