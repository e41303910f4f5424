"""The option that says what runs are called."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from upshot._options.checks import is_async
from upshot.exceptions import InvalidOption


def checked_run_name(option: str, value: Any) -> str | Callable[[], str] | None:
    """A template, a plain function without arguments, or None.

    Raises:
        InvalidOption: if it is none of these.
    """
    if value is None or isinstance(value, str):
        return value
    if not callable(value):
        got = type(value).__name__
        raise InvalidOption(
            option, f"Expected string or callable for '{option}'; got {got} instead."
        )
    if is_async(value):
        raise InvalidOption(option, f"must be a plain function; got {value!r}")
    called: Callable[[], str] = value
    return called
