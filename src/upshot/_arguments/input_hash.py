"""The ready-made cache key: a hash of a task and of what it is called with."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import TYPE_CHECKING, Any

from upshot._arguments.hashing import Unhashable, digest
from upshot._options.checks import code_of

if TYPE_CHECKING:
    from upshot.context import TaskRunContext

_log = logging.getLogger("upshot.caching")
_WITHOUT_STATE = (FunctionType, BuiltinFunctionType, type)


def task_input_hash(context: TaskRunContext, arguments: Mapping[str, Any]) -> str | None:
    """A `cache_key_fn`: the same key for the same task, the same code and equal arguments.

    Args:
        context: of the task run.
        arguments: the parameters of the call.

    Returns:
        The key; None, for no caching, if an argument can be neither gone through nor pickled.
    """
    task: Any = context.task
    try:
        whole = (task.task_key, code_of(task.fn), _given_before(task.fn), dict(arguments))
        return digest(whole).hex()
    except Unhashable as problem:
        _log.warning("%r is not cached: its arguments cannot be hashed (%s)", task.name, problem)
        return None


def _given_before(fn: Any) -> list[Any]:
    """What a function brings along: arguments of a `partial`, a method's or a callable's object."""
    found: list[Any] = []
    while isinstance(fn, partial):
        found.append((fn.args, fn.keywords))
        fn = fn.func
    if isinstance(fn, MethodType):
        found.append(fn.__self__)
    elif not (isinstance(fn, _WITHOUT_STATE) or hasattr(fn, "__wrapped__")):
        found.append(fn)
    return found
