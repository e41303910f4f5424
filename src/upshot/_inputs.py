"""What a call was called with, as a digest by which a retry of its flow knows it again."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import cloudpickle
import xxhash
from pydantic import BaseModel

from upshot._future import UpshotFuture
from upshot._replay import Place
from upshot.annotations import BaseAnnotation
from upshot.context import FlowRunContext, TaskRunContext
from upshot.documents import BaseResult
from upshot.states import State

_NUMBERS = frozenset({bool, complex, float, int, type(None)})


def place_of(
    flow: FlowRunContext | None,
    key: str,
    parameters: Mapping[str, Any],
    wait_for: Iterable[Any] | None = None,
) -> Place | None:
    """The place of a call among those that a retry of the flow makes again.

    Returns:
        None if the flow is not retried. Calls that its tasks make are these tasks' own matter.
    """
    if flow is None or flow.replay is None or TaskRunContext.get() is not None:
        return None
    return flow.replay.take(key, digest_of(parameters, wait_for))


def digest_of(parameters: Mapping[str, Any], wait_for: Iterable[Any] | None) -> bytes | None:
    """The same for calls with the same arguments, another one for all others.

    Collections, dataclasses and models are taken by what they hold, futures and states by the
    runs behind them, and all else by its pickle.

    Returns:
        16 bytes; None where something cannot be pickled, or holds itself.
    """
    try:
        return _digest([dict(parameters), wait_for])
    except Exception:  # whatever a class of the user's raises when it is looked into
        return None


def _digest(value: Any) -> bytes:
    hashed = xxhash.xxh3_128()
    _Hashing(hashed.update).add(value)
    return hashed.digest()


class _Hashing:
    """Writes values so that different ones are different text: each part says its type and size."""

    def __init__(self, write: Callable[[Any], object]) -> None:
        self.write = write  # what a pickler calls, too

    def add(self, value: Any) -> None:
        kind = type(value)
        if kind is str:
            self._leaf(kind, value.encode("utf-8", "surrogatepass"))
        elif kind is bytes or kind is bytearray:
            self._leaf(kind, value)
        elif kind in _NUMBERS:
            self._leaf(kind, (hex(value) if kind is int else repr(value)).encode())
        elif kind is list or kind is tuple:
            self._parts(kind, value)
        elif kind is dict:
            self._parts(kind, [part for item in value.items() for part in item])
        elif kind is set or kind is frozenset:
            self._parts(kind, sorted(map(_digest, value)))
        else:
            self._object(kind, value)

    def _leaf(self, kind: type, text: bytes) -> None:
        self.write(f"{_name(kind)} {len(text)}\n".encode())
        self.write(text)

    def _parts(self, kind: type, parts: list[Any] | tuple[Any, ...]) -> None:
        self.write(f"{_name(kind)} of {len(parts)}\n".encode())
        for part in parts:
            self.add(part)

    def _object(self, kind: type, value: Any) -> None:
        parts = _parts_of(value)
        if parts is not None:
            self._parts(kind, parts)
            return
        self.write(b"pickle\n")
        cloudpickle.Pickler(self, protocol=5).dump(value)


def _parts_of(value: Any) -> list[Any] | None:
    """What makes an object what it is; None for what its pickle alone knows."""
    if isinstance(value, UpshotFuture):
        # a run that is begun anew is another input, for it may give another value
        begun = [step for step in value.task_run.history if step.name == "Pending"]
        return [value.task_run.uid, len(begun)]
    if isinstance(value, State):
        details = value.state_details
        ids = [id and id.bytes for id in (details.task_run_id, details.flow_run_id)]
        if any(ids):
            return [*ids, value.timestamp.isoformat(), value.name]
        return [value.type.value, value.name, value.message, value.data]
    if isinstance(value, BaseAnnotation):
        return [value.unwrap()]
    if isinstance(value, BaseModel):
        # the value that a result holds belongs to no field of it
        held = isinstance(value, BaseResult) and value.has_cached_object() and [value.fetch()]
        return [vars(value), value.__pydantic_extra__, value.__pydantic_private__, held]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value)]
        return [{name: getattr(value, name, None) for name in names}, getattr(value, "__dict__", 0)]
    return None


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"
