"""Which functions, classes and objects in the attempts of one flow run are the same.

One that lives on from attempt to attempt is the same, whatever it has counted meanwhile. One that
is made anew is the same if it was made of the same: of the same code, with equal values from
around it. What can be neither compared nor recognized is never the same.
"""

from __future__ import annotations

import os
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from functools import cache, partial
from operator import attrgetter, is_not
from types import CellType, FunctionType, MethodType
from typing import Any
from weakref import WeakKeyDictionary

from upshot._arguments.hashing import Digesting
from upshot._options.checks import code_of
from upshot._registry import import_path


class Identities:
    """What the functions, classes and objects of a flow run are known by.

    Args:
        flow: the flow's function; what it takes from around it lives as long as the flow runs.
    """

    def __init__(self, flow: Any = None) -> None:
        self._lock = threading.RLock()
        self._known: dict[int, tuple[weakref.ref[Any], bytes]] = {}  # holds none of the objects
        self._of_parts: WeakKeyDictionary[Any, tuple[list[Any], bytes | None]] = WeakKeyDictionary()
        self._under_way: set[int] = set()
        self._came_round = False
        self._outer = {id(cell): cell for cell in _cells_around(flow, set())}
        self._globals = getattr(_function_of(flow), "__globals__", None)

    def of_definition(self, defined: Any, digesting: Digesting) -> bytes:
        """What a function or a class is known by.

        Args:
            digesting: how the values are compared that it was made of.
        """
        with self._lock:
            known = self._recognized(defined)
            if known is not None:
                return known
            if id(defined) in self._under_way:  # it holds itself
                self._came_round = True
                return b"itself"
            outermost = not self._under_way
            self._under_way.add(id(defined))
            try:
                found = digesting.of(self._made_of(defined))
            finally:
                self._under_way.discard(id(defined))
            if outermost or not self._came_round:  # else it is what it is in another one only
                self._remember(defined, found)
            if outermost:
                self._came_round = False
            return found

    def of_object(self, value: Any) -> bytes:
        """What an object is known by that nothing can be compared of: that it still is there."""
        with self._lock:
            known = self._recognized(value)
            return known or self._remember(value, os.urandom(16))

    def of_unchanged(
        self, owner: Any, parts: list[Any], found: Callable[[], bytes | None]
    ) -> bytes | None:
        """What was found of an object with the same parts before, or is found now."""
        known = self._of_parts.get(owner)
        if known is None or any(map(is_not, known[0], parts)):
            known = self._of_parts[owner] = parts, found()
        return known[1]

    def _recognized(self, value: Any) -> bytes | None:
        reference, found = self._known.get(id(value), (None, None))
        return found if reference is not None and reference() is value else None

    def _remember(self, value: Any, found: bytes) -> bytes:
        try:
            # not to hold the object; another one may get its number
            reference = weakref.ref(value, partial(self._forget, id(value)))
        except TypeError:
            return found
        self._known[id(value)] = reference, found
        return found

    def _forget(self, number: int, reference: Any) -> None:
        if self._known.get(number, (None,))[0] is reference:
            self._known.pop(number, None)

    def _made_of(self, defined: Any) -> list[Any]:
        where = [type(defined).__name__, defined.__module__, defined.__qualname__]
        if isinstance(defined, type):
            if _is_named(defined):
                return where
            own = {name: part for name, part in vars(defined).items() if _counts(name, part)}
            return [*where, list(defined.__bases__), own]
        around = [self._held(cell) for cell in defined.__closure__ or ()]
        made_with = [defined.__defaults__, defined.__kwdefaults__, self._names(defined)]
        return [*where, code_of(defined), *made_with, around]

    def _names(self, function: FunctionType) -> Any:
        """Where a function finds its global names: in its module, or in what was given `exec`."""
        found = function.__globals__
        if found is self._globals:
            return "those of the flow"
        module = sys.modules.get(function.__module__)
        return "the module's" if found is getattr(module, "__dict__", None) else os.urandom(16)

    def _held(self, cell: CellType) -> list[Any]:
        if id(cell) in self._outer:
            return ["outer", id(cell)]
        try:
            return [cell.cell_contents]
        except ValueError:  # nothing yet
            return []


def _cells_around(fn: Any, seen: set[int]) -> Iterator[CellType]:
    """The variables that a function takes from around it, and those that its helpers take."""
    fn = _function_of(fn)
    if fn is None or id(fn) in seen:
        return
    seen.add(id(fn))
    for cell in fn.__closure__ or ():
        yield cell
        try:
            held = cell.cell_contents
        except ValueError:
            continue
        yield from _cells_around(held, seen)


def _function_of(fn: Any) -> FunctionType | None:
    """The function of a method, of a flow or of a task."""
    fn = fn if isinstance(fn, FunctionType | MethodType) else getattr(fn, "fn", None)
    fn = fn.__func__ if isinstance(fn, MethodType) else fn
    return fn if isinstance(fn, FunctionType) else None


def _is_named(kind: type) -> bool:
    """Whether the name of a class leads to it."""
    try:
        return attrgetter(kind.__qualname__)(sys.modules.get(kind.__module__)) is kind
    except AttributeError:
        return False


def _counts(name: str, part: Any) -> bool:
    """Whether an attribute makes a class what it is, and is not what Python notes of it."""
    return isinstance(part, FunctionType) or not (name.startswith("__") or name == "_abc_impl")


@cache
def pickler_class() -> Any:
    """A pickler that has functions and classes be what its `known` says."""
    base: Any = import_path("cloudpickle.Pickler")

    class Pickler(base):  # type: ignore[misc]
        def __init__(self, known: Any, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            self._known = known

        def reducer_override(self, value: Any) -> Any:
            if isinstance(value, FunctionType | type) and value is not bytes:
                return bytes, (self._known(value),)
            return super().reducer_override(value)

    return Pickler
