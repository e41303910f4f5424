"""The hooks of a flow or a task, as its runs call them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import anyio

from upshot._bridge import caller_is_async, run_blocking
from upshot._engine.hooks import Hook, Hooks
from upshot._options.checks import is_async, name_of
from upshot.context import entered
from upshot.records import Run, StateType
from upshot.settings import get_current_settings
from upshot.states import State

WHEN = {
    "on_running": StateType.RUNNING,
    "on_completion": StateType.COMPLETED,
    "on_failure": StateType.FAILED,
    "on_cancellation": StateType.CANCELLING,
    "on_crashed": StateType.CRASHED,
}


def hooks_of(owner: Any) -> Hooks | None:
    """What a flow or a task wants to have called; None for nothing."""
    found = {
        type: [_hook(owner, function) for function in functions]
        for option, type in WHEN.items()
        if (functions := getattr(owner, option, None))
    }
    return found or None


def _hook(owner: Any, function: Callable[..., Any]) -> Hook:
    if not is_async(function):
        return Hook(name_of(function), partial(_call, function, owner), awaits=False)
    call = partial(_acall, function, owner)
    if owner.isasync:
        return Hook(name_of(function), call, awaits=True)
    # what a sync function's runs are driven by has no loop
    blocking = partial(_call_blocking, call)
    return Hook(name_of(function), blocking, awaits=False)


def _call(function: Callable[..., Any], owner: Any, run: Run, state: State[Any]) -> None:
    if _goes_unsaid(owner, state):
        return
    with entered({caller_is_async: False}):
        function(**_arguments(owner, run, state))


async def _acall(function: Callable[..., Any], owner: Any, run: Run, state: State[Any]) -> None:
    if _goes_unsaid(owner, state):
        return
    # where the run was cancelled, what tells of that is not
    with entered({caller_is_async: True}), anyio.CancelScope(shield=True):
        await function(**_arguments(owner, run, state))


def _call_blocking(call: Callable[..., Any], run: Run, state: State[Any]) -> None:
    run_blocking(partial(call, run, state))


def _goes_unsaid(owner: Any, state: State[Any]) -> bool:
    """Whether hooks are not called because the cache had the result."""
    cached = state.name == "Cached" and owner.kind == "task"
    return cached and not get_current_settings().run_on_completion_hooks_on_cached


def _arguments(owner: Any, run: Run, state: State[Any]) -> dict[str, Any]:
    return {owner.kind: owner, f"{owner.kind}_run": run, "state": state}
