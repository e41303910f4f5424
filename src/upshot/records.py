"""What the run store holds and programs look at: runs, cached results, storages.

The engine changes a run's record while the run lasts and hands it to the run store again and
again; a record read back from a store is a fresh one, which nobody changes.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, ClassVar, NamedTuple
from uuid import NAMESPACE_URL, UUID, uuid5

import orjson

from upshot import _registry
from upshot._html import facts

_FLOWS = uuid5(NAMESPACE_URL, "upshot:flow")

_EARLIEST = datetime.min.replace(tzinfo=UTC)
_LATEST = datetime.max.replace(tzinfo=UTC)


class StateType(StrEnum):
    """Where a run can stand."""

    PENDING = "PENDING"
    SCHEDULED = "SCHEDULED"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    CRASHED = "CRASHED"
    PAUSED = "PAUSED"
    CANCELLING = "CANCELLING"


FINAL = frozenset({StateType.COMPLETED, StateType.FAILED, StateType.CANCELLED, StateType.CRASHED})


class Step(NamedTuple):
    """One state in a run's history, as the store packs it."""

    type: StateType
    name: str
    timestamp: float  # seconds since the epoch, UTC
    message: str | None = None


def new_id() -> bytes:
    """16 bytes of a UUID that sorts by the time it was made (UUIDv7, RFC 9562 section 5.7)."""
    now = time.time_ns() // 1_000_000
    tail = bytearray(os.urandom(10))
    tail[0] = tail[0] & 0x0F | 0x70
    tail[2] = tail[2] & 0x3F | 0x80
    return now.to_bytes(6, "big") + tail


@dataclass(slots=True, eq=False, kw_only=True)
class Run:
    """What flow runs and task runs have in common.

    `uid` is the run's identity (16 bytes, sorted by time); `row` is its number in a store, set
    when it is first written there; `queued` belongs to the store's writer.
    """

    kind: ClassVar[str] = "run"

    name: str
    uid: bytes = field(default_factory=new_id)
    tags: tuple[str, ...] = ()
    run_count: int = 0  # attempts of the function so far
    start_time: float | None = None
    end_time: float | None = None
    history: list[Step] = field(default_factory=list)
    result: str | None = None  # JSON of the final state's document
    failure: str | None = None  # JSON of a failed run's exception
    row: int | None = None
    queued: bool = False

    @property
    def id(self) -> UUID:
        """The run's identity as a UUID."""
        return UUID(bytes=self.uid)

    @property
    def state_type(self) -> StateType | None:
        """The type of the present state; None before the first."""
        return self.history[-1].type if self.history else None

    @property
    def state_name(self) -> str | None:
        """The name of the present state; None before the first."""
        return self.history[-1].name if self.history else None

    @property
    def message(self) -> str | None:
        """The message of the present state."""
        return self.history[-1].message if self.history else None

    @property
    def state(self) -> Any:
        """The present `State`, with what is recorded of its data; None before the first."""
        return _registry.load("room", "recorded state")(self) if self.history else None

    @property
    def expected_start_time(self) -> datetime:
        """When the run was to start: when it was made."""
        return moment(int.from_bytes(self.uid[:6], "big") / 1000)

    def state_id(self, index: int) -> UUID:
        """The identity of the state with this number in the run's history."""
        tail = (int.from_bytes(self.uid[-2:], "big") + index + 1) & 0xFFFF
        return UUID(bytes=self.uid[:-2] + tail.to_bytes(2, "big"))

    def _repr_html_(self) -> str:
        took = None
        if self.start_time is not None and self.end_time is not None:
            took = f"{self.end_time - self.start_time:.3f} s"
        rows = {
            "state": self.state_name,
            "message": self.message,
            "started": self.start_time and moment(self.start_time),
            "took": took,
            "attempts": self.run_count,
            "id": self.id,
        }
        return facts(f"{self.kind.capitalize()} {self.name}", rows)

    def enter(self, type: StateType, name: str, at: float, message: str | None = None) -> None:
        """Go to the next state."""
        if type is StateType.RUNNING:
            self.run_count += 1
            if self.start_time is None:
                self.start_time = at
        elif type in FINAL:
            self.end_time = at
        elif type is StateType.PENDING:  # perhaps anew, in a retry of the flow around it
            self.end_time = self.result = self.failure = None
        # last, for a store may write the run at any moment, and what goes with a state precedes it
        self.history.append(Step(type, name, at, message))


@dataclass(slots=True, eq=False, kw_only=True)
class FlowRun(Run):
    """One call of a flow."""

    kind: ClassVar[str] = "flow run"

    flow_name: str
    flow_version: str | None = None
    parent: TaskRun | None = None  # the run that stands for this one in the flow that called it
    parameters_json: str | None = None
    owner: str | None = None  # host:pid of the process that runs it

    @property
    def parameters(self) -> dict[str, Any]:
        """What the flow was called with, as far as JSON can hold it; else by its type."""
        return orjson.loads(self.parameters_json) if self.parameters_json else {}

    @property
    def flow_id(self) -> UUID:
        """The flow's identity: the same for all flows of its name."""
        return uuid5(_FLOWS, self.flow_name)

    @property
    def parent_task_run_id(self) -> UUID | None:
        """The identity of the task run that stands for this run in its parent flow."""
        return self.parent.id if self.parent else None


@dataclass(slots=True, eq=False, kw_only=True)
class TaskRun(Run):
    """One call of a task, or of a subflow as its parent flow sees it."""

    kind: ClassVar[str] = "task run"

    task_name: str
    task_key: str
    task_version: str | None = None
    call_index: int = 0  # counts the calls of this task key in its flow run
    flow_run: FlowRun | None = None
    cache_key: str | None = None
    child_uid: bytes | None = None  # the flow run that this one stands for
    inputs: str | None = None  # JSON: parameter to the ids of the runs whose results it takes

    @property
    def flow_run_id(self) -> UUID | None:
        """The identity of the flow run that called the task; None outside of flows."""
        return self.flow_run.id if self.flow_run else None

    @property
    def task_inputs(self) -> dict[str, list[TaskRunResult]]:
        """For each parameter, the runs whose results it takes; `wait_for` if that was given."""
        given = orjson.loads(self.inputs) if self.inputs else {}
        return {name: [TaskRunResult(UUID(id)) for id in ids] for name, ids in given.items()}

    @property
    def dynamic_key(self) -> str:
        """`call_index` as text."""
        return str(self.call_index)


@dataclass(frozen=True, slots=True)
class TaskRunResult:
    """The result of a task run that another run takes."""

    id: UUID
    input_type: str = "task_run"


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheEntry:
    """A completed result that later calls with the same key may take."""

    key: str
    document: str  # JSON of the result's document
    created: float
    expires: float | None = None  # seconds since the epoch; None for never
    task_run: bytes | None = None  # uid of the run that made it

    def is_fresh(self, now: float) -> bool:
        """Whether the entry may still be served."""
        return self.expires is None or now < self.expires


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A storage as the run store keeps it; it holds no secret in the clear."""

    id: UUID
    type: str  # a name in the table of storages, or "module:Class"
    fields: str  # JSON of its public fields
    name: str | None = None  # None for a storage that was registered, not saved

    @property
    def is_anonymous(self) -> bool:
        """Whether the storage was registered because a result needed it, not saved by name."""
        return self.name is None


def moment(timestamp: float) -> datetime:
    """Seconds since the epoch as an aware datetime in UTC; the nearest that there is."""
    try:
        return datetime.fromtimestamp(timestamp, UTC)
    except (OSError, OverflowError, ValueError):
        return _LATEST if timestamp > 0 else _EARLIEST


__all__ = [
    "FINAL",
    "Block",
    "CacheEntry",
    "FlowRun",
    "Run",
    "StateType",
    "Step",
    "TaskRun",
    "TaskRunResult",
    "moment",
    "new_id",
]
