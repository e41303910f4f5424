"""Loggers whose records say which run they are of, and a `print` that logs.

All of upshot's loggers are below "upshot"; which handlers take their records is the program's to
say, as for any library.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from upshot.context import FlowRunContext, TaskRunContext
from upshot.exceptions import MissingContextError
from upshot.logging._prints import patch_print, print_as_log
from upshot.records import FlowRun, TaskRun
from upshot.settings import get_current_settings

if TYPE_CHECKING:
    _Adapter = logging.LoggerAdapter[logging.Logger]
else:
    _Adapter = logging.LoggerAdapter

_NAME = "upshot"
_UNKNOWN = "<unknown>"
_top = logging.getLogger(_NAME)
_set: int | None = None  # the level that `apply_level` has set

_silence = threading.Lock()
_silenced = 0
_were_disabled: dict[str, bool] = {}
_OF_RUNS = (f"{_NAME}.flow_runs", f"{_NAME}.task_runs")


class RunLogger(_Adapter):
    """A logger that adds `extra` to its records, and on top what a call gives as `extra`."""

    def process(
        self, msg: Any, kwargs: MutableMapping[str, Any]
    ) -> tuple[Any, MutableMapping[str, Any]]:
        """Put both together."""
        kwargs["extra"] = {**(self.extra or {}), **(kwargs.get("extra") or {})}
        return msg, kwargs

    def getChild(self, suffix: str, extra: Mapping[str, Any] | None = None) -> RunLogger:
        """A logger below this one, which adds the same and `extra`."""
        return RunLogger(self.logger.getChild(suffix), {**(self.extra or {}), **(extra or {})})


def get_logger(name: str | None = None) -> logging.Logger:
    """The logger "upshot", or the one called `name` below it."""
    apply_level()
    if name is None or name == _NAME:
        return _top
    return logging.getLogger(name if name.startswith(f"{_NAME}.") else f"{_NAME}.{name}")


def get_run_logger(
    context: FlowRunContext | TaskRunContext | None = None, **kwargs: Any
) -> RunLogger:
    """The logger of the run that is going on here: of the task if one runs, else of the flow.

    Its records are those of "upshot.task_runs" or "upshot.flow_runs", and carry `flow_run_id`,
    `flow_run_name` and `flow_name`; a task run's `task_run_id`, `task_run_name` and `task_name`
    as well.

    Args:
        context: of the run, if it is not the one here.
        kwargs: what the records carry besides.

    Raises:
        MissingContextError: outside of runs, unless run loggers are disabled.
    """
    here = context or TaskRunContext.get() or FlowRunContext.get()
    if isinstance(here, TaskRunContext):
        flow = FlowRunContext.get()
        around = flow.flow_run if flow else None
        return task_run_logger(here.task_run, here.task, around, **kwargs)
    if isinstance(here, FlowRunContext):
        return flow_run_logger(here.flow_run, here.flow, **kwargs)
    if here is not None:
        raise TypeError(
            f"the context of a run is a FlowRunContext or a TaskRunContext, not {here!r}"
        )
    if _silenced:
        return RunLogger(logging.getLogger(_OF_RUNS[0]), kwargs)
    raise MissingContextError


def flow_run_logger(flow_run: FlowRun, flow: Any = None, **kwargs: Any) -> RunLogger:
    """The logger of a flow run; its records carry `kwargs` besides."""
    apply_level()
    return RunLogger(logging.getLogger(_OF_RUNS[0]), {**_facts_of_flow(flow_run, flow), **kwargs})


def task_run_logger(
    task_run: TaskRun,
    task: Any = None,
    flow_run: FlowRun | None = None,
    flow: Any = None,
    **kwargs: Any,
) -> RunLogger:
    """The logger of a task run; its records carry `kwargs` besides."""
    apply_level()
    facts = {
        "task_run_id": str(task_run.id),
        "task_run_name": task_run.name,
        "task_name": _name(task, getattr(task_run, "task_name", None)),
    }
    around = _facts_of_flow(getattr(task_run, "flow_run", None) or flow_run, flow)
    if around["flow_run_id"] is None and task_run.flow_run_id is not None:
        around["flow_run_id"] = str(task_run.flow_run_id)
    return RunLogger(logging.getLogger(_OF_RUNS[1]), {**around, **facts, **kwargs})


def _facts_of_flow(run: FlowRun | None, flow: Any) -> dict[str, Any]:
    return {
        "flow_run_id": str(run.id) if run else None,
        "flow_run_name": run.name if run else _UNKNOWN,
        "flow_name": _name(flow, getattr(run, "flow_name", None)),
    }


def _name(what: Any, recorded: str | None) -> str:
    """The name of a flow or a task, if that is known."""
    return getattr(what, "name", recorded) or _UNKNOWN


@contextmanager
def disable_logger(name: str) -> Iterator[None]:
    """Drop all that the logger of this name is told, for as long as the block lasts."""
    logger = logging.getLogger(name)
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


@contextmanager
def disable_run_logger() -> Iterator[None]:
    """Drop all that run loggers are told, for as long as the block lasts, in all threads.

    `get_run_logger()` works outside of runs then: for tests that call `task.fn(…)`.
    """
    global _silenced
    with _silence:
        _silenced += 1
        for name in _OF_RUNS if _silenced == 1 else ():
            _were_disabled[name] = logging.getLogger(name).disabled
            logging.getLogger(name).disabled = True
    try:
        yield
    finally:
        with _silence:
            _silenced -= 1
            for name in () if _silenced else _OF_RUNS:
                logging.getLogger(name).disabled = _were_disabled[name]


def apply_level() -> None:
    """Give the logger "upshot" the level of the settings, unless the program has given it one.

    Where nobody has said a level, it is INFO, or what the root logger has if that is less.
    """
    global _set
    if _top.level not in (logging.NOTSET, _set):
        return
    settings = get_current_settings()
    level = logging.getLevelName(settings.logging_level)
    if "logging_level" not in settings.model_fields_set and logging.getLogger().level < level:
        level = logging.NOTSET
    if _top.level != level:
        _set = level
        _top.setLevel(level)


__all__ = [
    "RunLogger",
    "apply_level",
    "disable_logger",
    "disable_run_logger",
    "flow_run_logger",
    "get_logger",
    "get_run_logger",
    "patch_print",
    "print_as_log",
    "task_run_logger",
]
