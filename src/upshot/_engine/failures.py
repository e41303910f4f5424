"""What becomes of an exception: its frames, its text, and that it could not be recorded."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, cast

from upshot._frames import is_ours
from upshot.exceptions import RunStoreError
from upshot.logging.loggers import RunLogger, flow_run_logger, task_run_logger
from upshot.records import Run, TaskRun


def only_users_frames(error: BaseException) -> None:
    """Cut our own frames off the near end of an exception's traceback."""
    rest = error.__traceback__
    while rest is not None and is_ours(rest.tb_frame):
        rest = rest.tb_next
    error.__traceback__ = rest


def note_unrecorded(data: object, problem: RunStoreError) -> None:
    """Say on the exception that a run ended with that it could not be recorded.

    Raises:
        RunStoreError: `problem`, if the run did not end with an exception.
    """
    if not isinstance(data, BaseException):
        raise problem
    if not isinstance(data, RunStoreError):
        with suppress(TypeError):  # it takes no notes
            data.add_note(f"its run could not be recorded: {problem}")


def log_failure(run: Run, error: object) -> None:
    """Log that a run has ended badly, for whoever does not look at its state."""
    if not isinstance(error, BaseException) or isinstance(error, Exception):
        # an interrupt goes on to whoever sent it, up to the end of the program
        kind, said = run.kind.capitalize(), _in_a_line(run, error)
        _logger(run).error("%s %r has ended as %s: %s", kind, run.name, run.state_name, said)


def log_retry(run: Run, error: object, number: int, retries: int) -> None:
    """Log that a run has failed, and is tried again."""
    how = f"has failed and is tried again ({number} of {retries})"
    said = _in_a_line(run, error)
    _logger(run).info("%s %r %s: %s", run.kind.capitalize(), run.name, how, said)


def _in_a_line(run: Run, error: object) -> str:
    """What a run failed with, however many lines that has: logs are searched line by line."""
    said = text_of(error) if isinstance(error, BaseException) else run.message or ""
    return " ".join(filter(None, map(str.strip, said.splitlines())))


def _logger(run: Run) -> RunLogger:
    return task_run_logger(run) if isinstance(run, TaskRun) else flow_run_logger(cast(Any, run))


def text_of(error: BaseException) -> str:
    """An exception's type and message, whatever its `__str__` does, as text that can be written."""
    try:
        message = str(error).encode("utf-8", "backslashreplace").decode()
    except Exception:
        message = "(its text cannot be made)"
    return f"{type(error).__name__}: {message}" if message else type(error).__name__
