"""What becomes of an exception: its frames, its text, and that it could not be recorded."""

from __future__ import annotations

from contextlib import suppress

from upshot._frames import frames_of, is_ours, let_go
from upshot.exceptions import RunStoreError


def only_users_frames(error: BaseException) -> None:
    """Cut our own frames off the near end of an exception's traceback."""
    rest = error.__traceback__
    while rest is not None and is_ours(rest.tb_frame):
        rest = rest.tb_next
    error.__traceback__ = rest


def clear_frames(error: BaseException | None) -> None:
    """Let go of the variables in the frames of an exception and of those that it came from."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        let_go(frames_of(error.__traceback__))
        error = error.__cause__ or error.__context__


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


def text_of(error: BaseException) -> str:
    """An exception's type and message, whatever its `__str__` does."""
    try:
        message = str(error)
    except Exception:
        message = "(its text cannot be made)"
    return f"{type(error).__name__}: {message}" if message else type(error).__name__
