"""Hashes of values: the same for equal values, whatever else was made of them before.

Built-in values, dataclasses and models are gone through; of anything else the pickle is taken, in
which it plays no part whether two places hold one object or two equal ones.
"""

from __future__ import annotations

import dataclasses
import io
import marshal
from collections.abc import Callable, Iterable
from typing import Any

import xxhash
from pydantic import BaseModel

from upshot._registry import import_path

# what `marshal` writes exactly, with its type, and in one way only
_PLAIN = frozenset({bool, bytes, complex, float, int, str, type(None), type(...)})
_EXACT = 0  # the format of `marshal` in which it tells nothing of which texts are interned
_DEEPEST = 50


class Unhashable(Exception):
    """A value can be neither gone through nor pickled."""


def digest(value: Any) -> bytes:
    """16 bytes that depend on the type and the contents of a value, and on nothing else.

    Dicts and sets are equal in any order.

    Raises:
        Unhashable: if something in it cannot be pickled.
    """
    return Digesting().of(value)


class Digesting:
    """One value being gone through; what stands in several places is gone through once."""

    def __init__(self) -> None:
        self._known: dict[int, bytes] = {}
        self._alive: list[Any] = []  # an id is its object's while that lives

    def parts_of(self, value: Any) -> list[Any] | None:
        """What makes an object what it is; None where the contents do."""
        return None

    def pickled(self, value: Any) -> bytes:
        """The digest of what is not gone through.

        Raises:
            Unhashable: if it has none.
        """
        return pickled(value, import_path("cloudpickle.Pickler"))

    def of(self, value: Any, depth: int = 0) -> bytes:
        """The digest of a value, or of a part that stands so deep in it."""
        if type(value) is bytes:  # not copied, for it may be large
            return _hashed(b"bytes", value)
        if type(value) in _PLAIN:
            return _hashed(b"plain", marshal.dumps(value, _EXACT))
        known = self._known.get(id(value))
        if known is None:
            known = self._found(value, depth)
            self._known[id(value)] = known
            self._alive.append(value)
        return known

    def _found(self, value: Any, depth: int) -> bytes:
        kind = type(value)
        if depth > _DEEPEST:
            return self.pickled(value)  # perhaps it holds itself
        if kind is list or kind is tuple:
            return self._sequence(value, kind.__name__, depth + 1)
        if kind is dict:
            return self._mapping(value, "dict", depth + 1)
        if kind is set or kind is frozenset:
            return _hashed(kind.__name__.encode(), *sorted(self._each(value, depth + 1)))
        parts = self.parts_of(value)
        if parts is not None:
            return self._sequence(parts, _name(kind), depth + 1)
        if isinstance(value, BaseModel):
            fields = {**vars(value), **(value.__pydantic_extra__ or {})}
            return self._mapping(fields, _name(kind), depth + 1)
        if dataclasses.is_dataclass(value) and not has_contents(value):
            names = [field.name for field in dataclasses.fields(value)]
            held = {name: getattr(value, name) for name in names if hasattr(value, name)}
            return self._mapping(held, _name(kind), depth + 1)
        return self.pickled(value)

    def _sequence(self, value: Any, kind: str, depth: int) -> bytes:
        if _PLAIN.issuperset(map(type, value)):
            return _hashed(kind.encode(), marshal.dumps(value, _EXACT))
        return _hashed(b"mixed " + kind.encode(), *self._each(value, depth))

    def _mapping(self, value: dict[Any, Any], kind: str, depth: int) -> bytes:
        pairs = [self.of(key, depth) + self.of(item, depth) for key, item in value.items()]
        return _hashed(b"pairs " + kind.encode(), *sorted(pairs))

    def _each(self, items: Iterable[Any], depth: int) -> list[bytes]:
        return [self.of(item, depth) for item in items]


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def has_contents(value: Any) -> bool:
    """Whether a dataclass, or the class of one, holds more than its fields."""
    return isinstance(value, type | list | tuple | dict | set | frozenset | str | bytes | int)


def _hashed(kind: bytes, *parts: bytes) -> bytes:
    hashing = xxhash.xxh3_128(kind)
    for part in parts:
        hashing.update(len(part).to_bytes(8, "big"))
        hashing.update(part)
    return hashing.digest()


def pickled(value: Any, pickler: Callable[..., Any]) -> bytes:
    """The digest of a value's pickle; large buffers in it are not copied.

    Args:
        pickler: a class with the interface of `cloudpickle.Pickler`.

    Raises:
        Unhashable: if it cannot be pickled.
    """
    for without_memo in (True, False):
        try:
            return _of_pickle(value, pickler, without_memo)
        except Exception as error:  # without memo, also of what holds itself
            problem = error
    raise Unhashable(f"{type(value).__name__}: {problem}") from problem


def _of_pickle(value: Any, kind_of: Callable[..., Any], without_memo: bool) -> bytes:
    buffers: list[Any] = []
    file = io.BytesIO()
    pickler = kind_of(file, protocol=5, buffer_callback=lambda buffer: buffers.append(buffer.raw()))
    pickler.fast = without_memo
    pickler.dump(value)
    kind = b"fast pickle" if without_memo else b"pickle"
    return _hashed(kind, file.getbuffer(), *buffers)  # type: ignore[arg-type]
