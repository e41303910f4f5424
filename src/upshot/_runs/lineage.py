"""Which run a plain value came from, as long as it is certain.

A value's `id` says nothing once the value is gone. So a run is taken for the origin of an object
only while its result still holds that very object, or a weak reference to the object lives; no
value is kept for the sake of this.
"""

from __future__ import annotations

import dataclasses
import weakref
from collections.abc import Iterable
from typing import Any, NamedTuple, Protocol, TypeAlias

from pydantic import BaseModel

from upshot.annotations import BaseAnnotation
from upshot.documents import DROPPED, BaseResult
from upshot.records import FlowRun, Run
from upshot.states import State

MOST_ITEMS = 256  # of a returned collection that are known, and of an argument that are looked at

# there is one of each of these, whoever made it
_SHARED = frozenset({type(None), bool, type(...), type(NotImplemented)})
_COLLECTIONS = (list, tuple, dict, set, frozenset)  # a union would be made for each look
_LEAVES = frozenset({type(None), bool, bytes, float, int, str})
_SMALLEST_SHARED, _LARGEST_SHARED = -5, 256


class End(Protocol):
    """The end of a run."""

    run: Run
    value: Any

    def held(self) -> Any:
        """The value that is in memory; `DROPPED` if none is."""

    def state(self) -> State[Any]:
        """The state in which the run ended."""


class _Weak(NamedTuple):
    """What stands for an object that nothing of ours holds."""

    reference: weakref.ref[Any]
    state: State[Any]
    origin: str | None


_Seen: TypeAlias = "End | _Weak"


class Lineage:
    """The objects that the runs of one flow run have returned."""

    def __init__(self) -> None:
        self._seen: dict[int, _Seen] = {}

    def add(self, end: End) -> None:
        """Know what a run returned, and each item if that is a collection that is not large."""
        value = end.held()
        if value is DROPPED:
            return
        if not is_shared(value):
            self._seen[id(value)] = end
        if isinstance(value, _COLLECTIONS) and len(value) <= MOST_ITEMS:
            for item in _items(value):
                if not is_shared(item):
                    self._seen[id(item)] = end

    def add_weakly(self, end: End) -> None:
        """Know the value that a run's caller takes for as long as somebody else holds it."""
        value = end.value
        if is_shared(value):
            return
        key = id(value)
        try:
            reference = weakref.ref(value, lambda gone: self._forget(key, gone))
        except TypeError:  # nobody can tell whether it lives
            return
        state = end.state()
        self._seen[key] = _Weak(
            reference, state.copy(update={"data": _bare(state.data)}), origin_of(end)
        )

    def _forget(self, key: int, gone: object) -> None:
        seen = self._seen.get(key)
        if isinstance(seen, _Weak) and seen.reference is gone:
            self._seen.pop(key, None)

    def clear(self) -> None:
        """Know nothing."""
        self._seen.clear()

    def state(self, value: object) -> State[Any] | None:
        """The state of the run that returned this very object."""
        seen = self._found(value)
        return None if seen is None else seen.state if isinstance(seen, _Weak) else seen.state()

    def origins(self, value: object) -> list[str]:
        """The runs that returned `value`, or what is in it, by their ids, each once."""
        if type(value) in _LEAVES and id(value) not in self._seen:
            return []
        found: dict[str, None] = {}
        pending, room = [value], MOST_ITEMS
        while pending and room:
            value = pending.pop()
            room -= 1
            seen = self._found(value)
            if seen is None:
                pending += _parts(value)
                continue
            origin = seen.origin if isinstance(seen, _Weak) else origin_of(seen)
            if origin is not None:
                found[origin] = None
        return list(found)

    def _found(self, value: object) -> End | _Weak | None:
        seen = self._seen.get(id(value))
        if seen is None or isinstance(seen, _Weak):
            return seen if seen is None or seen.reference() is value else None
        held = seen.held()
        return seen if held is value or _has(held, value) else None


def origin_of(end: End) -> str | None:
    """The id of a run as others name it: a flow run's is that of what stands for it."""
    run = end.run
    found = run.parent_task_run_id if isinstance(run, FlowRun) else run.id
    return None if found is None else str(found)


def is_shared(value: object) -> bool:
    """Whether the same object is there wherever such a value is, and so says of no run."""
    kind = type(value)
    if kind is int:
        return _SMALLEST_SHARED <= value <= _LARGEST_SHARED  # type: ignore[operator]
    return kind in _SHARED


def _items(collection: Any) -> Iterable[Any]:
    return collection.values() if isinstance(collection, dict) else collection


def _has(value: Any, item: Any) -> bool:
    """Whether a value is a collection that has this very object in it still."""
    if not isinstance(value, _COLLECTIONS) or len(value) > MOST_ITEMS:
        return False
    return any(one is item for one in _items(value))


def _parts(value: Any) -> Iterable[Any]:
    """What may have been returned by runs inside of an argument, as far as it is not much."""
    if type(value) in _LEAVES:
        return ()
    if isinstance(value, dict):
        return value.values() if len(value) <= MOST_ITEMS else ()
    if isinstance(value, list | tuple | set | frozenset):
        return value if len(value) <= MOST_ITEMS else ()
    if isinstance(value, BaseAnnotation):
        return (value.unwrap(),)
    if isinstance(value, BaseModel):
        return vars(value).values()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [getattr(value, field.name, None) for field in dataclasses.fields(value)]
    return ()


def _bare(data: Any) -> Any:
    """Data without the value that it may hold."""
    return data.copy() if isinstance(data, BaseResult) else data
