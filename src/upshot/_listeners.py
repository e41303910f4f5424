"""Who listens to events; the kinds of events themselves are loaded when somebody does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from upshot import _registry

# looked at before an event is even made
listeners: list[Callable[[Any], object]] = []


def events() -> Any:
    """The module `upshot.events`."""
    return _registry.load("room", "events")
