"""What happens while flows and tasks run, for whoever wants to watch it.

A subscriber is called with each event on the thread where it happens, before that goes on: it must
be quick, must not block a loop, and must run no flow or task. What it raises is logged, and
changes nothing. Events hold no value, no parameter, no message of an exception, and no key.

Example:
    >>> seen = []
    >>> with subscribe(seen.append):
    ...     tell(BlobRead(size=10, seconds=0.001))
    >>> seen
    [BlobRead(size=10, seconds=0.001)]
"""

from __future__ import annotations

import inspect
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self, TypeAlias
from uuid import UUID

from upshot._listeners import listeners

_log = logging.getLogger("upshot.events")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """Which run an event is of.

    Attributes:
        id: its identity.
        kind: `flow run` or `task run`.
        name: what the run is called.
        of: what the flow or task is called.
        tags: the run's tags.
        attempts: how often the function has been called so far.
        flow_run_id: the flow run around it; None if there is none.
    """

    id: UUID
    kind: str
    name: str
    of: str
    tags: tuple[str, ...]
    attempts: int
    flow_run_id: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StateEntered:
    """A run is in a new state, which its record says soon after.

    A subflow's states are told once, of its flow run and not of the task run that stands for it.

    Attributes:
        type: the name of a `StateType`.
        name: what the state is called.
        at: when, in seconds since the epoch.
    """

    run: RunFacts
    type: str
    name: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheHit:
    """A task run takes its result from the cache."""

    run: RunFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheMiss:
    """A task run has a cache key under which there is nothing that it can take.

    Attributes:
        why: `absent`, `expired`, or `unreadable` where the blob is gone or damaged.
    """

    run: RunFacts
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobWritten:
    """A value is in its storage.

    Attributes:
        size: of its blob, in bytes.
        seconds: how long it took, serialization included.
    """

    size: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobRead:
    """A value was read from its storage; attributes as of `BlobWritten`."""

    size: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """A transaction of the SQLite run store is over.

    Attributes:
        rows: the runs and cache entries in it.
        seconds: how long it took, the wait for other writers included.
    """

    rows: int
    seconds: float


Event: TypeAlias = StateEntered | CacheHit | CacheMiss | BlobWritten | BlobRead | Committed
Listener: TypeAlias = Callable[[Event], object]


class Subscription:
    """That a callback is called with events, until this is closed; also as a context manager."""

    def __init__(self, callback: Listener) -> None:
        self._callback: Listener | None = callback
        listeners.append(callback)

    def close(self) -> None:
        """Call it no more; a call that has begun goes on."""
        callback, self._callback = self._callback, None
        if callback is not None:
            with suppress(ValueError):
                listeners.remove(callback)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()


def subscribe(callback: Listener) -> Subscription:
    """Have a function called with each event in this process, from now on.

    Raises:
        TypeError: if it is no plain function.
    """
    given: Any = callback
    if not callable(given) or inspect.iscoroutinefunction(given):
        raise TypeError(f"a subscriber is a plain function of an event; got {callback!r}")
    return Subscription(callback)


def tell(event: Event) -> None:
    """Call all subscribers."""
    for listener in tuple(listeners):
        try:
            listener(event)
        except Exception:
            _log.exception("A subscriber to events, %r, has raised on %s", listener, event)


def tell_state(run: Any) -> None:
    """Tell of the state that a run is in now."""
    if getattr(run, "child_uid", None) is None:  # else it stands for a flow run, which tells
        step = run.last
        tell(StateEntered(run=facts_of(run), type=step.type, name=step.name, at=step.timestamp))


def tell_hit(run: Any) -> None:
    """Tell that a task run takes its result from the cache."""
    tell(CacheHit(run=facts_of(run)))


def tell_miss(run: Any, why: str) -> None:
    """Tell that a task run finds nothing in the cache."""
    tell(CacheMiss(run=facts_of(run), why=why))


def tell_read(size: int, began: float) -> None:
    """Tell that a value was read now; `began` as `time.perf_counter` told it."""
    tell(BlobRead(size=size, seconds=time.perf_counter() - began))


def tell_written(size: int, began: float) -> None:
    """Tell that a value was written now."""
    tell(BlobWritten(size=size, seconds=time.perf_counter() - began))


def tell_committed(rows: int, began: float) -> None:
    """Tell that a transaction is over now."""
    tell(Committed(rows=rows, seconds=time.perf_counter() - began))


def facts_of(run: Any) -> RunFacts:
    """Which run a record is of."""
    around = run.parent if run.kind == "flow run" else run
    return RunFacts(
        id=run.id,
        kind=run.kind,
        name=run.name,
        of=run.flow_name if run.kind == "flow run" else run.task_name,
        tags=run.tags,
        attempts=run.run_count,
        flow_run_id=around.flow_run_id if around is not None else None,
    )


__all__ = [
    "BlobRead",
    "BlobWritten",
    "CacheHit",
    "CacheMiss",
    "Committed",
    "Event",
    "RunFacts",
    "StateEntered",
    "Subscription",
    "subscribe",
]
