"""Facts of a run, by name; variables of the environment can stand in for them, in tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from upshot._mocks import mock_of, mocked


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
    text = mock_of(kind, name)
    if name in fields:
        real = fields[name]()
        return real if text is None else mocked(kind, name, text, real)
    if text is None:
        raise AttributeError(f"module 'upshot.runtime.{kind}' has no attribute {name!r}")
    return text
