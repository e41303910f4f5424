"""Where inside a value a serializer fails."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from upshot.exceptions import StorageError, UnserializableValue

ATTEMPTS = 10_000
SECONDS = 2.0
DEPTH = 100
NAMES = 60  # characters of a key that a path shows

_SOUND = (str, int, float, bool, type(None))
_Place = tuple[str, str]


def unserializable(
    serializer: str, value: Any, error: Exception, attempt: Callable[[Any], object]
) -> UnserializableValue:
    """The error to raise for a value that cannot be taken, naming the place of the trouble.

    Args:
        serializer: the serializer's type.
        value: the whole value.
        error: what the library below raised.
        attempt: raises if it cannot take a part of the value.
    """
    if isinstance(error, RecursionError) or isinstance(error.__cause__, RecursionError):
        return UnserializableValue(serializer, "value", "it is nested too deeply, or in itself")
    path, error = _Search(attempt).run(value, error)
    return UnserializableValue(serializer, path, _said(error))


def _said(error: Exception) -> str:
    try:
        return str(error) or type(error).__name__
    except Exception:
        return type(error).__name__


class _Search:
    """Goes down to the innermost part that fails, for a bounded number of attempts and time."""

    def __init__(self, attempt: Callable[[Any], object]) -> None:
        self._attempt = attempt
        self._left = ATTEMPTS
        self._until = time.monotonic() + SECONDS
        self._above: list[Any] = []

    def run(self, value: Any, error: Exception) -> tuple[str, Exception]:
        path = "value"
        while len(self._above) < DEPTH:
            self._above.append(value)  # kept alive: their ids are compared
            found = self._failing_part(value)
            if found is None:
                break
            (before, after), value, error = found
            path = f"{before}{path}{after}"
        return path, error

    def _failing_part(self, value: Any) -> tuple[_Place, Any, Exception] | None:
        above = {id(part) for part in self._above}
        for place, part in _parts(value):
            if self._left <= 0 or time.monotonic() > self._until:
                return None
            if id(part) in above or type(part) in _SOUND:
                continue
            self._left -= 1
            try:
                self._attempt(part)
            except StorageError:
                raise
            except Exception as error:
                return place, part, error
        return None


def _parts(value: Any) -> Iterator[tuple[_Place, Any]]:
    """The parts of a value, each with what stands before and after the value's path in its own."""
    # a value whose own methods fail has no parts that could be named
    with suppress(Exception):
        yield from _items(value)
        for name in _attributes(value):
            yield ("", f".{name}"), getattr(value, name)


def _items(value: Any) -> Iterator[tuple[_Place, Any]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield ("", f"[{_name(key)}]"), item
            yield (f"the key {_name(key)} of ", ""), key
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield ("", f"[{index}]"), item
    elif isinstance(value, (set, frozenset)):
        for item in value:
            yield (f"the item {_name(item)} of ", ""), item


def _attributes(value: Any) -> list[str]:
    if callable(value):
        return []
    slots = (vars(cls).get("__slots__", ()) for cls in type(value).__mro__)
    names = [name for group in slots for name in ((group,) if isinstance(group, str) else group)]
    return [name for name in (*getattr(value, "__dict__", ()), *names) if hasattr(value, name)]


def _name(key: Any) -> str:
    text = repr(key)
    return text if len(text) <= NAMES else f"{text[: NAMES - 1]}…"
