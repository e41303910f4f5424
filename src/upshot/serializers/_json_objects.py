"""JSON objects that stand for objects that JSON has no form for.

The shapes are Prefect's: `{"__class__": …, "data": …}`, and `{"__exc_type__": …, "message": …}` for
exceptions. Only bytes that are not UTF-8, which Prefect cannot take, have a shape of ours,
`{"__bytes__": base64}`; and dicts of users that look like one of these are wrapped.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from contextlib import suppress
from datetime import date, datetime, time, timezone
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from pathlib import Path, PurePath
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import BaseModel, TypeAdapter
from pydantic.errors import PydanticUserError

from upshot.serializers._base64 import decode, encode
from upshot.serializers._json_exceptions import EXCEPTION, encode_exception, restore_exception
from upshot.serializers._names import class_of, name_of

CLASS, DATA, ZONE = "__class__", "data", "zone"
BYTES = "__bytes__"
_MARKS = (CLASS, EXCEPTION, BYTES)


def looks_tagged(text: bytes) -> bool:
    """Whether a JSON text may hold an object of these shapes."""
    return any(mark.encode() in text for mark in _MARKS)


def shield(value: Any) -> Any:
    """The value with those dicts wrapped that would be taken for one of these shapes."""
    if isinstance(value, dict):
        items = [(key, shield(item)) for key, item in value.items()]
        if any(mark in value for mark in _MARKS):
            return {CLASS: "builtins.dict", DATA: [list(item) for item in items]}
        return dict(items) if any(item is not value[key] for key, item in items) else value
    if isinstance(value, (list, tuple)):
        parts = [shield(item) for item in value]
        return parts if any(map(lambda a, b: a is not b, parts, value)) else value
    return value


def _kept(value: Any) -> Any:
    """The value with everything in a shape of its own that JSON would change, as it is inside of
    objects: tuples, keys that are no text, and the dicts that `shield` wraps.
    """
    if isinstance(value, dict):
        items = [(key, _kept(item)) for key, item in value.items()]
        if all(type(key) is str and key not in _MARKS for key in value):
            return dict(items)
        return {CLASS: "builtins.dict", DATA: [[_kept(key), item] for key, item in items]}
    if type(value) is tuple:
        return {CLASS: "builtins.tuple", DATA: [_kept(part) for part in value]}
    return [_kept(part) for part in value] if type(value) is list else value


def encode_object(obj: Any) -> Any:
    """What stands in JSON for an object; raises TypeError if nothing can."""
    if isinstance(obj, BaseException):
        return encode_exception(obj)
    if isinstance(obj, PurePath):
        # named as Python 3.11 does, whatever module later ones define it in
        return {CLASS: f"pathlib.{type(obj).__name__}", DATA: str(obj)}
    if isinstance(obj, Enum):
        return {CLASS: name_of(type(obj)), DATA: _kept(obj.value)}
    exact = _EXACT.get(type(obj))
    return _of_any(obj) if exact is None else exact(obj)


def decode_object(fields: dict[str, Any]) -> Any:
    """The object that a JSON object stands for; the JSON object itself if it is none of these."""
    if CLASS in fields and DATA in fields:
        cls, data = class_of(fields[CLASS]), fields[DATA]
        if ZONE in fields:
            return _in_zone(cls.fromisoformat(data), ZoneInfo(fields[ZONE]))
        return _restore(cls, data)
    if EXCEPTION in fields:
        return restore_exception(fields)
    if BYTES in fields and len(fields) == 1:
        return decode(fields[BYTES].encode())
    return fields


def _of_bytes(obj: bytes) -> dict[str, Any]:
    try:
        return {CLASS: "builtins.bytes", DATA: obj.decode()}
    except UnicodeDecodeError:
        return {BYTES: encode(obj).decode()}


def _of_datetime(obj: datetime) -> dict[str, Any]:
    shape = {CLASS: "datetime.datetime", DATA: obj.isoformat()}
    if isinstance(obj.tzinfo, ZoneInfo) and obj.tzinfo.key:
        shape[ZONE] = obj.tzinfo.key
    return shape


def _in_zone(moment: datetime, zone: ZoneInfo) -> datetime:
    found = moment.replace(tzinfo=zone)
    # of two equal readings of the clock in autumn, the one with the same offset
    return found if found.utcoffset() == moment.utcoffset() else found.replace(fold=1)


def _of_time(obj: time) -> dict[str, Any]:
    if obj.tzinfo is not None and not isinstance(obj.tzinfo, timezone):
        raise TypeError("a time of day in a time zone has no offset from UTC without a date")
    return {CLASS: "datetime.time", DATA: obj.isoformat()}


def _of_set(obj: set[Any] | frozenset[Any]) -> dict[str, Any]:
    return {CLASS: f"builtins.{type(obj).__name__}", DATA: [_kept(item) for item in obj]}


_EXACT: dict[type, Callable[[Any], Any]] = {
    UUID: lambda obj: {CLASS: "uuid.UUID", DATA: str(obj)},
    Decimal: lambda obj: {CLASS: "decimal.Decimal", DATA: str(obj)},
    bytes: _of_bytes,
    complex: lambda obj: {CLASS: "builtins.complex", DATA: str(obj)},
    date: lambda obj: {CLASS: "datetime.date", DATA: obj.isoformat()},
    datetime: _of_datetime,
    frozenset: _of_set,
    set: _of_set,
    time: _of_time,
}
_RESTORED: dict[type, Callable[[Any], Any]] = {
    UUID: UUID,
    Decimal: lambda data: Decimal(str(data)),
    bytes: str.encode,
    complex: complex,
    dict: dict,
    frozenset: frozenset,
    set: set,
    tuple: tuple,
}


def _of_any(obj: Any) -> dict[str, Any]:
    data = _data(obj)
    return {CLASS: name_of(type(obj)), DATA: data}


def _data(obj: Any) -> Any:
    """JSON for an object that pydantic knows, if it is read back as an equal one; else its fields,
    as they are.
    """
    cls: Any = type(obj)
    # what its own methods raise only says that it has another form, or none
    with suppress(Exception):
        data = _plain(obj)
        restored = _restore(cls, data)
        if type(restored) is cls and restored == obj:
            return shield(data)
    if isinstance(obj, BaseModel):
        return _kept({**obj.__dict__, **(obj.model_extra or {})})
    if dataclasses.is_dataclass(cls):
        return {name: _kept(getattr(obj, name)) for name in _fields(cls)}
    raise TypeError(f"Object of type {cls.__name__} is not JSON serializable")


def _plain(obj: Any) -> Any:
    if _is_old_model(type(obj)):
        return json.loads(obj.json())
    if isinstance(obj, (date, time)):
        return obj.isoformat()
    return _adapter(type(obj)).dump_python(obj, mode="json", warnings="error")


def _restore(cls: Any, data: Any) -> Any:
    if cls in _RESTORED:
        return _RESTORED[cls](data)
    if issubclass(cls, (date, time)):
        return cls.fromisoformat(data)
    if issubclass(cls, PurePath):
        return Path(data) if issubclass(cls, Path) else cls(data)
    if issubclass(cls, Enum):
        return cls(data)
    if _is_old_model(cls):
        return cls.parse_obj(data)
    try:
        return _adapter(cls).validate_python(data, by_alias=True, by_name=True)
    except (PydanticUserError, ValueError):
        # its class may not agree with what its fields hold, nor does Python ask it
        if issubclass(cls, BaseModel):
            return cls.model_construct(**data)
        if dataclasses.is_dataclass(cls) and set(_fields(cls)) == set(data):
            return _with_fields(cls, data)
        raise


def _with_fields(cls: Any, fields: dict[str, Any]) -> object:
    restored: object = object.__new__(cls)
    for name, value in fields.items():
        object.__setattr__(restored, name, value)
    return restored


def _fields(cls: Any) -> list[str]:
    return [field.name for field in dataclasses.fields(cls)]


def _is_old_model(cls: type) -> bool:
    """Whether it is a model of pydantic 1, which pydantic 2 does not know."""
    return hasattr(cls, "parse_obj") and not issubclass(cls, BaseModel)


_adapter: Callable[[Any], TypeAdapter[Any]] = lru_cache(maxsize=256)(TypeAdapter)
