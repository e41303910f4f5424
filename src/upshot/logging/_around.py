"""What is around the function of a run while that is called."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import TypeAlias

from upshot.context import FlowRunContext, TaskRunContext
from upshot.logging._prints import patch_print
from upshot.records import Run

Surrounding: TypeAlias = Callable[[Run], AbstractContextManager[object]]

# each gives what is to be entered in the context in which a run's function is called
surroundings: list[Surrounding] = []

_NOTHING: AbstractContextManager[object] = nullcontext()


def around(context: FlowRunContext | TaskRunContext) -> AbstractContextManager[object]:
    """What to call the function of a run in; nothing, for nearly all."""
    if not context.log_prints and not surroundings:
        return _NOTHING
    run = context.task_run if isinstance(context, TaskRunContext) else context.flow_run
    return _all(context.log_prints, run)


def _all(log_prints: bool, run: Run) -> AbstractContextManager[object]:
    stack = ExitStack()
    try:
        for surrounding in tuple(surroundings):
            stack.enter_context(surrounding(run))
        if log_prints:
            stack.enter_context(patch_print())
    except BaseException:
        stack.close()
        raise
    return stack
