"""A call's parameters: as arguments, and described for the run store."""

from __future__ import annotations

import inspect
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, is_dataclass
from dataclasses import fields as dataclass_fields
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any
from uuid import UUID

import orjson
from pydantic import BaseModel

from upshot.filesystems import FileSystem
from upshot.filesystems._secrets import HIDDEN, SECRETS

_COLLECTIONS = (list, tuple, set, frozenset, dict)
_KNOWN = frozenset({*_COLLECTIONS, Counter, OrderedDict, defaultdict})
_RAW = (str, bytes, bytearray, Mapping, *_COLLECTIONS)

_MOST_TEXT = 20_000  # characters of all parameters together, about
_LONGEST_TEXT = 1_000  # characters of one text
_LARGEST_INT = 3_000  # bits
_MOST_ITEMS = 250  # items of one collection
_DEEPEST = 8


def arguments_of(
    signature: inspect.Signature, parameters: Mapping[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of a call with these parameters."""
    bound = inspect.BoundArguments(signature, dict(parameters))
    return bound.args, bound.kwargs


def describe(parameters: Mapping[str, Any], secret: frozenset[str] = frozenset()) -> str:
    """Parameters as JSON for people: what is large or has no parts is told by its type only.

    Args:
        parameters: by name.
        secret: the names of those that are not to be told until they are of the type that they
            are to be.
    """
    describer = _Describer()
    described = {
        _text(name): HIDDEN
        if name in secret and isinstance(value, _RAW)
        else describer.described(value, 0)
        for name, value in parameters.items()
    }
    return orjson.dumps(described).decode()


@dataclass(slots=True)
class _Describer:
    room: int = _MOST_TEXT  # what may still be written

    def described(self, value: Any, depth: int) -> Any:
        try:
            plain = self._described(value, depth)
        except Exception:
            plain = None  # a class of the user's raises whatever it likes
        if plain is None and value is not None:
            plain = _text(f"<{type(value).__qualname__}>")
        self.room -= len(plain) if isinstance(plain, str) else 8
        return plain

    def _described(self, value: Any, depth: int) -> Any:
        """What JSON can hold of a value; None if that is nothing."""
        if isinstance(value, bool):
            return value
        if isinstance(value, float):
            return float(value)
        if isinstance(value, int):
            small = -(2**63) <= value < 2**63
            return int(value) if small else str(value) if _is_short(value) else None
        if isinstance(value, str):
            return _text(value)
        if isinstance(value, SECRETS):
            return HIDDEN
        if isinstance(value, FileSystem):
            return _text(str(value))  # which shows no secret of it
        if isinstance(value, Enum):
            return self._described(value.value, depth)
        if (plain := _plain(value)) is not None:
            return plain
        if depth < _DEEPEST and (parts := _parts_of(value)) is not None:
            return self._each(parts, depth)
        if depth == _DEEPEST or not _is_collection(value) or len(value) > _MOST_ITEMS:
            return None
        if isinstance(value, dict):
            names = [_key(key) for key in value]
            if None in names or len(set(names)) < len(names):
                return None
            return self._each(zip(names, value.values(), strict=True), depth)
        return list(self._each(enumerate(value), depth).values())

    def _each(self, items: Iterable[tuple[Any, Any]], depth: int) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        for key, item in items:
            if self.room <= 0:
                found["…"] = "…"
                break
            self.room -= len(str(key))
            found[key] = self.described(item, depth + 1)
        return found


def _is_collection(value: Any) -> bool:
    # not whatever derives from these, which may be meant to show less
    return type(value) in _KNOWN or (isinstance(value, tuple) and hasattr(value, "_fields"))


def _parts_of(value: Any) -> list[tuple[str, Any]] | None:
    """The fields of a dataclass or a model, but for those that its text leaves out, too."""
    if isinstance(value, BaseModel):
        fields = type(value).model_fields
        shown = [name for name, field in fields.items() if field.repr]
    elif is_dataclass(value) and not isinstance(value, type):
        shown = [field.name for field in dataclass_fields(value) if field.repr]
    else:
        return None
    return [(name, getattr(value, name)) for name in shown[:_MOST_ITEMS]]


def _plain(value: object) -> str | float | None:
    """What stands in JSON for a value of the standard library that is one thing; else None."""
    if isinstance(value, date | time):
        return _text(value.isoformat())
    if isinstance(value, timedelta):
        return value.total_seconds()
    return _text(str(value)) if isinstance(value, UUID | PurePath | Decimal) else None


def _key(key: object) -> str | None:
    """What stands in JSON for a key of a dict; None if nothing does."""
    if isinstance(key, Enum):
        key = key.value
    if isinstance(key, str):
        return _text(key)
    if isinstance(key, bool | None):
        return orjson.dumps(key).decode()
    if isinstance(key, int):
        return str(int(key)) if _is_short(key) else None
    plain = float(key) if isinstance(key, float) else _plain(key)
    return None if plain is None else str(plain)


def _is_short(value: int) -> bool:
    return value.bit_length() <= _LARGEST_INT


def _text(value: str) -> str:
    plain = str.__str__(value)
    cut = plain if len(plain) <= _LONGEST_TEXT else plain[:_LONGEST_TEXT] + "…"
    return cut.encode("utf-8", "replace").decode()
