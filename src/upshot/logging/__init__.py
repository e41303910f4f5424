"""Loggers of runs; importing this sets up nothing: no handler, no level."""

from __future__ import annotations

from upshot.logging.loggers import (
    RunLogger,
    disable_logger,
    disable_run_logger,
    flow_run_logger,
    get_logger,
    get_run_logger,
    task_run_logger,
)

__all__ = [
    "RunLogger",
    "disable_logger",
    "disable_run_logger",
    "flow_run_logger",
    "get_logger",
    "get_run_logger",
    "task_run_logger",
]
