"""A `print` that logs where a run has `log_prints`, and prints anywhere else."""

from __future__ import annotations

import builtins
import os
import sys
import threading
from typing import Any

from upshot import _registry
from upshot.context import FlowRunContext, TaskRunContext

_plain: Any = builtins.print  # what was there when the first run with `log_prints` began
_patched = 0
_lock = threading.RLock()
_here = threading.local()


def print_as_log(*args: Any, **kwargs: Any) -> None:
    """Log what would be printed, as a record of the level INFO of the run that goes on here.

    It is printed as ever outside of runs, in runs without `log_prints`, into any other `file` than
    `sys.stdout` and `sys.stderr`, and where the program has set up no handler for log records.
    """
    context = TaskRunContext.get() or FlowRunContext.get()
    logged = getattr(context, "log_prints", False) and not getattr(_here, "logging", False)
    if not logged or kwargs.get("file") not in (None, sys.stdout, sys.stderr):
        _plain(*args, **kwargs)
        return
    logger = _registry.load("room", "run logger")(context)
    if not logger.logger.hasHandlers():
        _plain(*args, **kwargs)
        return
    text = _text(*args, **kwargs)
    _here.logging = True  # a handler may print
    try:
        logger.info(text, stacklevel=2)
    finally:
        _here.logging = False


def _text(
    *args: Any, sep: str | None = None, end: str | None = None, file: Any = None, flush: Any = None
) -> str:
    """What `print` writes, without the end of the line."""
    line = (" " if sep is None else sep).join(map(str, args))
    return (line + (end or "")).rstrip("\n")


class patch_print:
    """`builtins.print` is `print_as_log` for as long as the block lasts.

    There is one `print` in a process: it is put back when the last block ends. Who has replaced it
    meanwhile keeps the replacement.
    """

    def __enter__(self) -> None:
        global _plain, _patched
        with _lock:
            if not _patched and builtins.print is not print_as_log:
                _plain, builtins.print = builtins.print, print_as_log
            _patched += 1

    def __exit__(self, *raised: object) -> None:
        global _patched
        with _lock:
            _patched -= 1
            if not _patched and builtins.print is print_as_log:
                builtins.print = _plain


def _start_over() -> None:
    global _lock
    _lock = threading.RLock()  # another thread may have held it


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_over)
