"""Futures and states among a call's arguments: finding them, and putting their values in."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from copy import copy
from typing import Any

from pydantic import BaseModel

from upshot._arguments.leaves import (
    COLLECTIONS,
    PLAIN,
    holds_leaves_only,
    is_flat,
    is_leaf,
    leaves,
    others,
)
from upshot._future import UpshotFuture
from upshot.annotations import BaseAnnotation, allow_failure, quote
from upshot.states import State

Upstream = UpshotFuture[Any] | State[Any]

_UPSTREAMS = (UpshotFuture, State)
_NOT_LOOKED_INTO = (type, *_UPSTREAMS)
_MANY = 10


@dataclasses.dataclass(frozen=True, slots=True)
class Found:
    """A future or a state among the arguments.

    Attributes:
        upstream: the future, or the state.
        may_fail: whether the call takes the exception if its run failed.
    """

    upstream: Upstream
    may_fail: bool = False


def find(value: Any, found: list[Found]) -> bool:
    """Add to `found` all futures and states inside of `value`, each as often as it is there.

    Returns:
        Whether `fill` would give something else than `value`: there are some, or marks.

    Looked into are built-in collections and their subclasses, dataclasses, pydantic models and
    annotations but `quote`; all else, arrays and frames among it, is a leaf. What stands in
    several places, or holds itself, is looked into once.
    """
    if is_leaf(type(value)) or holds_leaves_only(value):
        return False
    marked = may_fail = False
    pending = [([value], may_fail)]  # from the innermost on: what is left there, the last one first
    seen: dict[tuple[int, bool], Any] = {}  # with the objects, for an id is theirs while they live
    while pending:
        parts, may_fail = pending[-1]
        if not parts:
            pending.pop()
            continue
        value = parts.pop()
        if type(value) in COLLECTIONS:
            if seen and is_flat(value):
                continue
        elif isinstance(value, _UPSTREAMS):
            found.append(Found(value, may_fail))
            continue
        else:
            marked = marked or isinstance(value, BaseAnnotation)
        parts = _parts(value, _holders)
        if not parts or (id(value), may_fail) in seen:
            continue
        if not seen:
            parts = _without_leaves(parts)
        seen[id(value), may_fail] = value
        pending.append((parts[::-1], may_fail or isinstance(value, allow_failure)))
    return marked or bool(found)


def _without_leaves(parts: list[Any]) -> list[Any]:
    """The same without its collections if these are many, and hold leaves only."""
    rest = [part for part in parts if type(part) not in COLLECTIONS]
    if len(parts) - len(rest) < _MANY or not rest:
        return parts
    collections = [part for part in parts if type(part) in COLLECTIONS]
    return rest if holds_leaves_only(collections) else parts


def _parts(value: Any, rich: Callable[[Iterable[Any]], Iterable[Any]]) -> list[Any]:
    """What may hold futures inside of `value`, in its order; nothing of a leaf.

    Args:
        rich: gives those items of a collection that may.
    """
    kind = type(value)
    if kind is dict:
        return [*rich(value.values()), *rich(value)]
    if kind in COLLECTIONS:
        return [*rich(value)]
    if kind in leaves or isinstance(value, _NOT_LOOKED_INTO):
        return []
    if isinstance(value, dict):
        return [*rich(value.values()), *rich(value), *_fields(value)]
    if isinstance(value, (list, tuple, set, frozenset)):
        return [*rich(value), *_fields(value)]
    if isinstance(value, BaseAnnotation):
        return [] if isinstance(value, quote) else [value.unwrap()]
    return _fields(value)


def _rich(items: Iterable[Any]) -> Iterable[Any]:
    return () if PLAIN.issuperset(map(type, items)) else items


def _holders(items: Iterable[Any]) -> Iterable[Any]:
    perhaps = [item for item in items if type(item) not in leaves]
    if not perhaps:
        return ()
    there = set(map(type, perhaps))
    kinds = others(there)
    return perhaps if kinds == there else [item for item in perhaps if type(item) in kinds]


def _fields(value: Any) -> list[Any]:
    """What the fields of a dataclass or a model hold."""
    if dataclasses.is_dataclass(value):
        names = [field.name for field in dataclasses.fields(value)]
        return [getattr(value, name, None) for name in names]
    if isinstance(value, BaseModel):
        return [*vars(value).values(), *(value.__pydantic_extra__ or {}).values()]
    return []


def fill(value: Any, data_of: Callable[[Upstream], Any]) -> Any:
    """`value` with `data_of(x)` in the place of each future or state x, and without marks.

    Collections and objects in which something was replaced are copies of the same type, whose
    constructors are not called; those without are the same objects.
    """
    return Filling(data_of).of(value) if find(value, []) else value


class Filling:
    """Puts values in, from the innermost outwards, without recursion."""

    def __init__(self, data_of: Callable[[Any], Any]) -> None:
        self._data_of = data_of
        self._filled: dict[int, Any] = {}
        self._alive: list[Any] = []  # an id is its object's while that lives

    @classmethod
    def parts_of(cls, value: Any) -> list[Any]:
        """`value`, and all that is inside of it, however deep."""
        return cls(lambda _: None)._survey(value)[0]

    def _replaces(self, value: Any) -> bool:
        """Whether something else is put in the place of this."""
        return isinstance(value, UpshotFuture | State | BaseAnnotation)

    def of(self, value: Any) -> Any:
        order, parents = self._survey(value)
        # all that something to replace is inside of, however far up
        changed = {id(item) for item in order if self._replaces(item)}
        pending = list(changed)
        while pending:
            new = parents.get(pending.pop(), set()) - changed
            changed |= new
            pending += new
        touched = [item for item in order if id(item) in changed]
        for item in touched:  # first, so that what holds itself can be given its copy
            if not (self._replaces(item) or isinstance(item, tuple | frozenset)):
                self._filled[id(item)] = copy(item)
        for item in touched:
            self._fill(item)
        return self._filled.get(id(value), value)

    def _survey(self, value: Any) -> tuple[list[Any], dict[int, set[int]]]:
        """All containers and upstreams, each after what it holds, and who holds each of them."""
        order: list[Any] = []
        parents: dict[int, set[int]] = {}
        pending: list[tuple[Any, bool]] = [(value, False)]
        seen: set[int] = set()
        while pending:
            value, left = pending.pop()
            if left:
                order.append(value)
            elif id(value) not in seen:
                seen.add(id(value))
                self._alive.append(value)
                parts = [part for part in _parts(value, _rich) if type(part) not in PLAIN]
                for part in parts:
                    self._alive.append(part)
                    parents.setdefault(id(part), set()).add(id(value))
                pending += [(value, True), *((part, False) for part in parts)]
        return order, parents

    def _new(self, value: Any) -> Any:
        return self._filled.get(id(value), value)

    def _fill(self, value: Any) -> None:
        """Make the filled `value`, whose parts are filled by now, or are copies that will be."""
        if isinstance(value, UpshotFuture | State):
            self._filled[id(value)] = self._data_of(value)
        elif isinstance(value, quote):
            self._filled[id(value)] = value.unquote()
        elif isinstance(value, BaseAnnotation):
            self._filled[id(value)] = self._new(value.unwrap())
        elif isinstance(value, tuple | frozenset):
            base = tuple if isinstance(value, tuple) else frozenset
            filled = base.__new__(type(value), map(self._new, value))  # type: ignore[type-var]
            if hasattr(value, "__dict__"):
                vars(filled).update(vars(value))
            self._filled[id(value)] = filled
            self._fill_fields(value, filled)
        else:
            self._fill_in_place(value, self._filled[id(value)])

    def _fill_in_place(self, value: Any, filled: Any) -> None:
        if isinstance(value, dict):
            items = [(self._new(key), self._new(item)) for key, item in value.items()]
            filled.clear()
            for key, item in items:
                filled[key] = item
        elif isinstance(value, list):
            filled[:] = map(self._new, value)
        elif isinstance(value, set):
            filled.clear()
            filled.update(map(self._new, value))
        self._fill_fields(value, filled)

    def _fill_fields(self, value: Any, filled: Any) -> None:
        if dataclasses.is_dataclass(value):
            for field in dataclasses.fields(value):
                if hasattr(value, field.name):
                    item = getattr(value, field.name)
                    if self._new(item) is not item:
                        object.__setattr__(filled, field.name, self._new(item))
        elif isinstance(value, BaseModel):
            for place in (filled.__dict__, filled.__pydantic_extra__ or {}):
                place.update({name: self._new(item) for name, item in place.items()})
