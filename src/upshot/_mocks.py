"""Variables of the environment that stand in for facts of a run, in tests."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Any

from upshot.exceptions import InvalidSettings

_BOOLS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def mock_of(kind: str, name: str) -> str | None:
    """The text that the environment has for a fact; None if it has none.

    Args:
        kind: `flow_run` or `task_run`.
        name: of the fact.
    """
    return os.environ.get(_variable(kind, name))


def mocked(kind: str, name: str, text: str, real: Any) -> Any:
    """What the environment has for a fact, as a value of the type of the real one.

    Raises:
        InvalidSettings: if it cannot be one.
    """
    if real is None:
        return text
    variable = _variable(kind, name)
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


def _variable(kind: str, name: str) -> str:
    return f"UPSHOT__RUNTIME__{kind}__{name}".upper()
