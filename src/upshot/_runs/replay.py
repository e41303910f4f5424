"""What the attempts of a flow run have done, so that a retry does none of it again."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any, Protocol

from upshot.documents import BaseResult, UnpersistedResult
from upshot.records import Run, StateType, TaskRun


class End(Protocol):
    """The end of a run."""

    run: Run
    data: Any
    cache_expiration: float | None


@dataclass(slots=True, eq=False)
class Place:
    """A call of a task or a flow in a flow run, which each attempt comes to anew.

    Attributes:
        key: what the called function is known by.
        digest: of what it was called with; None if that has none.
        task_run: the record of the call, or what stands for a flow's; None before the first.
        run: the run that completed; None if none has.
        taken: whether the present attempt has come to it.
    """

    key: str
    digest: bytes | None
    task_run: TaskRun | None = None
    run: Run | None = None
    taken: bool = True
    _document: BaseResult[Any] | None = None
    _cache_expiration: float | None = None

    def ended(self, tell: Callable[[Any], object] | None, end: End) -> None:
        """Keep the reference of a run that completed, and tell its end to who wants to know."""
        if end.run.state_type is StateType.COMPLETED and isinstance(end.data, BaseResult):
            self.run, self._document = end.run, _without_value(end.data)
            self._cache_expiration = end.cache_expiration
        if tell is not None:
            tell(end)

    def completed(self) -> tuple[Run, BaseResult[Any], float | None] | None:
        """The run that completed, its document, and until when the cache has it."""
        if self.run is None or self._document is None:
            return None
        return self.run, _without_value(self._document), self._cache_expiration


def _without_value(document: BaseResult[Any]) -> BaseResult[Any]:
    """A document that the storage gives the value of; one without a storage keeps its own."""
    if isinstance(document, UnpersistedResult):
        return document
    bare = document.copy()
    if document.is_dropped():
        bare.drop()
    return bare


class Replay:
    """The calls of a flow run: which of an attempt are those of an earlier one.

    It is the same call if it has the same key, the same position among the calls of that key in
    its attempt, and was called with the same; else if it was called with what a call had that this
    attempt has not come to, for callers that go on at once change their order. A call that has no
    digest is always another one.

    Attributes:
        identities: what is known of the functions and objects in the digests.
    """

    def __init__(self, identities: Any = None) -> None:
        self.identities = identities
        self._lock = threading.Lock()
        self._places: list[Place] = []
        self._at: dict[tuple[str, int], Place] = {}  # by the latest attempt that came there
        self._start()

    def _start(self) -> None:
        self._positions: dict[str, Iterator[int]] = {}
        self._free: dict[tuple[str, bytes | None], deque[Place]] | None = None

    def start_attempt(self) -> None:
        """Come to all calls anew."""
        with self._lock:
            for place in self._places:
                place.taken = False
            self._start()

    def take(self, key: str, digest: bytes | None) -> Place:
        """The place of the next call of `key`."""
        with self._lock:
            position = next(self._positions.setdefault(key, count()))
            place = self._at.get((key, position))
            if place is None or place.taken or digest is None or place.digest != digest:
                place = self._with_equal(key, digest)
            if place is None:
                place = Place(key, digest)
                self._places.append(place)
            place.taken = True
            self._at[key, position] = place
            return place

    def _with_equal(self, key: str, digest: bytes | None) -> Place | None:
        """A place of an earlier attempt with equal arguments, if one is left."""
        if digest is None:
            return None
        if self._free is None:
            self._free = {}
            # those that completed come first: they are those that need not run again
            for place in sorted(self._places, key=lambda place: place.run is None):
                if not place.taken:
                    self._free.setdefault((place.key, place.digest), deque()).append(place)
        left = self._free.get((key, digest))
        while left:
            place = left.popleft()
            if not place.taken:
                return place
        return None
