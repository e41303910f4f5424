"""Limits, kept in memory."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from threading import Lock
from uuid import UUID, uuid4

from upshot.runstore._limits import KeepsLimits, Limit, Taken


class MemoryLimits(KeepsLimits):
    """The part of a store in memory that knows limits."""

    _lock: Lock

    def __init__(self) -> None:
        self._limits: dict[str, Limit] = {}

    def put_limit(self, tag: str, most: int) -> Limit:
        """Give a tag a limit, or another one."""
        with self._lock:
            known = self._limits.get(tag)
            if known is not None:
                return self._put(replace(known, most=most))
            return self._put(Limit(tag=tag, most=most, id=uuid4(), created=time.time()))

    def limit(self, tag: str) -> Limit | None:
        """The limit of a tag."""
        return self._limits.get(tag)

    def limits(self) -> list[Limit]:
        """All limits, sorted by tag."""
        with self._lock:
            return sorted(self._limits.values(), key=lambda limit: limit.tag)

    def remove_limit(self, tag: str) -> bool:
        """Take a tag's limit away."""
        with self._lock:
            return self._limits.pop(tag, None) is not None

    def reset_limit(self, tag: str) -> bool:
        """Take back all slots of a tag."""
        with self._lock:
            known = self._limits.get(tag)
            return known is not None and bool(self._put(replace(known, runs=())))

    def take_slots(self, run: UUID, tags: Sequence[str]) -> Taken:
        """Take a slot of each tag that has a limit, or none."""
        if not self._limits:
            return Taken()
        with self._lock:
            limits = [self._limits[tag] for tag in tags if tag in self._limits]
            for limit in limits:
                if len(set(limit.runs) - {run}) >= limit.most:
                    return Taken(full=limit)
            for limit in limits:
                if run not in limit.runs:
                    self._put(replace(limit, runs=(*limit.runs, run)))
        return Taken(tuple(limit.tag for limit in limits))

    def free_slots(self, run: UUID) -> None:
        """Give back all slots of a run."""
        with self._lock:
            for limit in list(self._limits.values()):
                if run in limit.runs:
                    self._put(replace(limit, runs=tuple(id for id in limit.runs if id != run)))

    def _put(self, limit: Limit) -> Limit:
        self._limits[limit.tag] = limit
        return limit

    def _forget_slots(self) -> None:
        """In a forked child: the runs that have slots go on in the parent."""
        self._limits = {tag: replace(limit, runs=()) for tag, limit in self._limits.items()}
