"""What can hold no future and no state, told by types: so that large arguments cost little.

A collection is asked for the types of all that is in it, which takes no step of Python for each
item; nested ones are, a level at a time.
"""

from __future__ import annotations

import sys
import weakref
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator
from functools import partial
from itertools import chain, compress
from types import FunctionType
from typing import Any

from pydantic import BaseModel

from upshot._future import UpshotFuture
from upshot.annotations import BaseAnnotation

PLAIN = frozenset(
    {bool, bytearray, bytes, complex, float, int, memoryview, range, slice, str, type(None)}
)
leaves: set[type] = {*PLAIN}  # and classes that stay for as long as these, once one was met
COLLECTIONS = frozenset({list, tuple, set, frozenset, dict})
# a state is a model
_HOLDERS = (*COLLECTIONS, UpshotFuture, BaseAnnotation, BaseModel, *weakref.ProxyTypes)
_PLAIN_ITERATION = {kind.__iter__ for kind in (list, tuple, set, frozenset, dict, OrderedDict)}
_PLAIN_VALUES = {dict.values, OrderedDict.values}


def is_leaf(kind: type) -> bool:
    """Whether nothing of this type is a future or a state, or is looked into for some."""
    if kind in leaves:
        return True
    if issubclass(kind, _HOLDERS) or hasattr(kind, "__dataclass_fields__") or _pretends(kind):
        return False
    # a class that a function defines would live for ever
    if getattr(sys.modules.get(kind.__module__), kind.__qualname__, None) is kind:
        leaves.add(kind)
    return True


def is_flat(collection: Any) -> bool:
    """Whether all that is in a built-in collection is of types that are known as leaves."""
    if not leaves.issuperset(map(type, collection)):
        return False
    return type(collection) is not dict or leaves.issuperset(map(type, collection.values()))


def holds_leaves_only(value: Any) -> bool:
    """Whether nothing is in `value`, however deep, but collections as Python has them and leaves.

    If not, it may hold a future; it is left at the first thing that must be looked at by itself.
    """
    kinds = others({type(value)})
    level, known = [value], dict[int, Any]()
    if not all(map(_is_plain_collection, kinds)):
        return False
    while True:
        # each once, for one may stand in many places, or hold itself
        new = dict(zip(map(id, level), level, strict=True))
        for key in new.keys() & known.keys():
            del new[key]
        inside = partial(_items, new.values(), kinds)
        there = set(map(type, inside()))
        kinds = others(there)
        if not kinds:
            return True
        if not all(map(_is_plain_collection, kinds)):
            return False
        level = list(inside() if kinds == there else _of_kinds(kinds, inside))
        if kinds <= COLLECTIONS:
            level = list(filter(None, level))  # nothing is in those that are false
        if not level:
            return True
        known |= new


def _items(collections: Collection[Any], kinds: set[type]) -> Iterator[Any]:
    """All that is in collections of these types, values of dicts among it."""
    items = chain.from_iterable(collections)
    mappings = {kind for kind in kinds if issubclass(kind, dict)}
    if not mappings:
        return items
    of_dicts = map(dict.values, _of_kinds(mappings, collections.__iter__))
    return chain(items, chain.from_iterable(of_dicts))


def _of_kinds(kinds: set[type], items: Callable[[], Iterator[Any]]) -> Iterator[Any]:
    """Those items that are of these types themselves."""
    return compress(items(), map(kinds.__contains__, map(type, items())))


def others(kinds: set[type]) -> set[type]:
    """Those of these types that are no leaves."""
    return {kind for kind in kinds - leaves if not is_leaf(kind)}


def _is_plain_collection(kind: type) -> bool:
    """Whether it is a collection that holds nothing but its items."""
    return kind in COLLECTIONS or (
        getattr(kind, "__iter__", None) in _PLAIN_ITERATION
        and getattr(kind, "values", dict.values) in _PLAIN_VALUES
        and not hasattr(kind, "__dataclass_fields__")
        and not _pretends(kind)
    )


def _pretends(kind: type) -> bool:
    """Whether its instances may say that they are of another class, as proxies do."""
    return any(
        "__class__" in vars(base) or type(vars(base).get("__getattribute__")) is FunctionType
        for base in kind.__mro__[:-1]
    )
