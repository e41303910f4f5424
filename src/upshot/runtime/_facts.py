"""Facts of a run, by name; variables of the environment can stand in for them, in tests."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from upshot.exceptions import InvalidSettings

_BOOLS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def fact(kind: str, name: str, fields: Mapping[str, Callable[[], Any]]) -> Any:
    """The attribute `name` of a run.

    Args:
        kind: `flow_run` or `task_run`.
        name: of the attribute.
        fields: the functions that say what is real.

    Raises:
        AttributeError: if there is none, neither real nor in the environment.
        InvalidSettings: if the environment has a value for it that cannot be.
    """
    variable = f"UPSHOT__RUNTIME__{kind}__{name}".upper()
    text = os.environ.get(variable)
    if name in fields:
        real = fields[name]()
        return real if text is None else _cast(text, real, variable)
    if text is None:
        raise AttributeError(f"module 'upshot.runtime.{kind}' has no attribute {name!r}")
    return text


def _cast(text: str, real: Any, variable: str) -> Any:
    """A text as a value of the type of the real one."""
    if real is None:
        return text
    try:
        if isinstance(real, bool):
            return _BOOLS[text.lower()]
        if isinstance(real, int | float | str):
            return type(real)(text)
        if isinstance(real, datetime):
            given = datetime.fromisoformat(text)
            return given.replace(tzinfo=UTC) if given.tzinfo is None else given.astimezone(UTC)
    except (KeyError, ValueError):
        raise InvalidSettings(variable, f"{text!r} is no {type(real).__name__}") from None
    raise InvalidSettings(variable, f"a {type(real).__name__} cannot be mocked by a variable")
