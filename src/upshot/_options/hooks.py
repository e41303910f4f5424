"""Hooks: functions that are told of a run's states; checked where they are given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from upshot.exceptions import InvalidOption, InvalidOptionValue

Hook = Callable[..., Any]


def checked_hooks(kind: str, option: str, value: Any) -> list[Hook] | None:
    """The hooks of an option in their order, or None where there are none.

    Raises:
        InvalidOption: if they are not callables in something iterable.
        InvalidOptionValue: if there is none in it.
    """
    if value is None:
        return None
    how = (
        f"Please provide a list of hooks to '{option}':\n\n"
        f"@{kind}({option}=[hook1, hook2])\ndef my_{kind}():\n\tpass"
    )
    try:
        hooks = list(value)
    except TypeError:
        got = type(value).__name__
        raise InvalidOption(
            option, f"Expected iterable for '{option}'; got {got} instead. {how}"
        ) from None
    if not hooks:
        raise InvalidOptionValue(option, f"Empty list passed for '{option}'")
    for hook in hooks:
        if not callable(hook):
            got = type(hook).__name__
            raise InvalidOption(
                option, f"Expected callables in '{option}'; got {got} instead. {how}"
            )
    return hooks
