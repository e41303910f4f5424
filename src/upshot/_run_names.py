"""Names of runs: from a template or a function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from upshot._options import is_async
from upshot.exceptions import InvalidOption, did_you_mean


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


def run_name(option: str, value: Any, parameters: Mapping[str, Any]) -> str:
    """The name of a run with these parameters.

    Raises:
        InvalidOption: if the template cannot be filled, or the function returned no text.
    """
    value = checked_run_name(option, value)
    if isinstance(value, str):
        try:
            return value.format_map(parameters)
        except KeyError as error:
            hint = did_you_mean(str(error.args[0]), parameters)
            problem = f"{value!r} names {error.args[0]!r}, which is no parameter: {hint}"
            raise InvalidOption(option, problem) from error
    name = value()
    if not isinstance(name, str):
        got = type(name).__name__
        raise InvalidOption(
            option, f"Callable {value} for '{option}' returned type {got} but a string is required."
        )
    return name
