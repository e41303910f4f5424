"""Exceptions as what can be kept of them: their text and, where it can be, their pickle."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field

from upshot import _registry
from upshot._models import Model
from upshot.exceptions import StorageError

_LONGEST_TEXT = 10_000  # characters of a message or a traceback that are kept
_LARGEST_PICKLE = 64 * 1024  # bytes of its base64
_MOST_CAUSES = 5


def _writable(text: Any) -> Any:
    """Text that UTF-8 can hold: an exception's may have half of a surrogate pair in it."""
    return text.encode("utf-8", "backslashreplace").decode() if isinstance(text, str) else text


_Text = Annotated[str, BeforeValidator(_writable)]


class Failure(Model):
    """An exception as text: what is left of it where the object cannot go.

    Attributes:
        exception_type: its class, as `module.Class`.
        message: its text.
        traceback: the formatted traceback, without the values of any variable.
        notes: what was added with `add_note`.
        causes: the exceptions that it came from, nearest first.
        implicit: whether these were only being handled when it was raised.
        pickled: the exception itself; only the run store has it, for loading it runs code.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    exception_type: _Text
    message: _Text
    traceback: _Text = ""
    notes: tuple[_Text, ...] = ()
    causes: tuple[Failure, ...] = ()
    implicit: bool = False
    pickled: str | None = Field(default=None, repr=False)

    def as_text(self) -> Failure:
        """This failure without pickles."""
        causes = tuple(cause.as_text() for cause in self.causes)
        return self.model_copy(update={"pickled": None, "causes": causes})


class _TooLarge(StorageError):
    """A pickle that is not worth its place; serializers let pass what a writer raises."""


def describe(error: BaseException, *, pickled: bool = False, depth: int = 0) -> Failure:
    """An exception as text, without the value of any variable.

    Args:
        error: the exception.
        pickled: keep the object as well, where that can be done.
        depth: how many exceptions came from this one so far.
    """
    kind = type(error)
    try:
        message = str(error)
        lines = traceback.format_tb(error.__traceback__)
    except Exception as problem:
        message, lines = f"(its text cannot be made: {type(problem).__name__})", []
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    causes: tuple[Failure, ...] = ()
    if cause is not None and depth < _MOST_CAUSES:
        causes = (describe(cause, pickled=pickled, depth=depth + 1),)
    notes = getattr(error, "__notes__", ())
    return Failure(
        exception_type=f"{kind.__module__}.{kind.__qualname__}",
        message=message[:_LONGEST_TEXT],
        traceback="".join(lines)[-_LONGEST_TEXT:],
        notes=tuple(note for note in notes if isinstance(note, str)),
        causes=causes,
        implicit=bool(causes) and error.__cause__ is None,
        pickled=_pickled(error) if pickled else None,
    )


def revive(failure: Failure, stand_in: Callable[[Failure], BaseException]) -> BaseException:
    """The exception that a failure was made of, with those that it came from.

    Args:
        failure: the failure, from a run store; loading its pickle runs code.
        stand_in: what to take for one that cannot be loaded here.
    """
    error = _unpickled(failure.pickled)
    if error is None:
        error = stand_in(failure)
    elif not hasattr(error, "__notes__"):
        for note in failure.notes:
            error.add_note(note)
    if failure.causes:
        cause = revive(failure.causes[0], stand_in)
        if failure.implicit:
            error.__context__ = cause
        else:
            error.__cause__ = cause
    return error


def _pickled(error: BaseException) -> str | None:
    """The pickle of an exception, if it is small and gives an equal one."""
    # an exception whose class calls its base with other arguments pickles wrongly, or not at all
    for parts in (error, (type(error), error.args, vars(error))):
        try:
            text = _dumped(parts)
            again = _unpickled(text)
            if type(again) is type(error) and str(again) == str(error):
                return text
        except Exception:
            continue
    return None


def _dumped(parts: object) -> str:
    pieces: list[bytes] = []

    def add(piece: bytes) -> None:
        pieces.append(bytes(piece))
        if sum(map(len, pieces)) > _LARGEST_PICKLE:
            raise _TooLarge

    _registry.load("serializer", "pickle")().dump_to(parts, add)
    return b"".join(pieces).decode("ascii")


def _unpickled(text: str | None) -> BaseException | None:
    """The exception of a pickle; None if it cannot be had here."""
    if text is None:
        return None
    try:
        parts = _registry.load("serializer", "pickle")().loads(text.encode())
        if isinstance(parts, tuple):
            cls, args, fields = parts
            error = cls.__new__(cls, *args)
            error.args = args
            vars(error).update(fields)
            parts = error
    except Exception:
        return None  # its class has changed, or is not here
    return parts if isinstance(parts, BaseException) else None
