"""What the run store holds and programs look at: runs, cached results, storages.

The engine changes a run's record while the run lasts and hands it to the run store again and
again; a record read back from a store is a fresh one, which nobody changes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, ClassVar
from uuid import NAMESPACE_URL, UUID, uuid5

import orjson

from upshot import _registry
from upshot._entries import Block, CacheEntry
from upshot._html import facts
from upshot._ids import made_at, moment, new_id, uuid_of
from upshot._listeners import events, listeners
from upshot._models import Recorded
from upshot._steps import FINAL, Packed, StateType, Step, packed, type_of, unpacked

_FLOWS = uuid5(NAMESPACE_URL, "upshot:flow")


@dataclass(slots=True, eq=False, kw_only=True)
class Run(Recorded):
    """What flow runs and task runs have in common.

    `uid` is the run's identity (16 bytes, sorted by time); `row` is its number in a store, set
    when it is first written there; `queued` and `entry` belong to the store's writer.
    """

    kind: ClassVar[str] = "run"

    name: str
    uid: bytes = field(default_factory=new_id)
    tags: tuple[str, ...] = ()
    run_count: int = 0  # attempts of the function so far
    began: float | None = None  # seconds since the epoch, as all numbers that are times
    ended: float | None = None
    states: tuple[Packed, ...] = ()  # all that it has been in; the last one is the present one
    result: str | None = None  # JSON of the final state's document
    failure: str | None = None  # JSON of a failed run's exception
    row: int | None = None
    queued: bool = False
    entry: CacheEntry | None = None  # what the cache is to have of it, until that is written

    @property
    def id(self) -> UUID:
        """The run's identity as a UUID."""
        return uuid_of(self.uid)

    @property
    def history(self) -> list[Step]:
        """All states that the run has been in; the last one is the present one."""
        return [unpacked(state) for state in self.states]

    @property
    def last(self) -> Step | None:
        """The present state as its history has it; None before the first."""
        return unpacked(self.states[-1]) if self.states else None

    @property
    def state_type(self) -> StateType | None:
        """The type of the present state; None before the first."""
        return type_of(self.states[-1]) if self.states else None

    @property
    def state_name(self) -> str | None:
        """The name of the present state; None before the first."""
        return self.states[-1][1] if self.states else None

    @property
    def message(self) -> str | None:
        """The message of the present state."""
        return self.last.message if self.last else None

    @property
    def state(self) -> Any:
        """The present `State`, with what is recorded of its data; None before the first."""
        return _registry.load("room", "recorded state")(self) if self.states else None

    @property
    def created(self) -> datetime:
        """When the run was made."""
        return moment(made_at(self.uid))

    @property
    def start_time(self) -> datetime | None:
        """When the function was called first; None before that."""
        return None if self.began is None else moment(self.began)

    @property
    def end_time(self) -> datetime | None:
        """When the run ended; None before that."""
        return None if self.ended is None else moment(self.ended)

    @property
    def expected_start_time(self) -> datetime:
        """When the run was to start: when it was made."""
        return self.created

    @property
    def total_run_time(self) -> timedelta:
        """For how long the run has been in states of the type `RUNNING` that it has left."""
        ends = pairwise(self.history)
        running = [pair for pair in ends if pair[0].type is StateType.RUNNING]
        ran = (moment(end.timestamp) - moment(step.timestamp) for step, end in running)
        return sum(ran, timedelta())

    @property
    def state_id(self) -> UUID | None:
        """The identity of the present state; None before the first."""
        return self.id_of_state(len(self.states) - 1) if self.states else None

    def id_of_state(self, index: int) -> UUID:
        """The identity of the state with this number in the run's history."""
        tail = (int.from_bytes(self.uid[-2:], "big") + index + 1) & 0xFFFF
        return uuid_of(self.uid[:-2] + tail.to_bytes(2, "big"))

    def _repr_html_(self) -> str:
        took = None
        if self.began is not None and self.ended is not None:
            took = f"{self.ended - self.began:.3f} s"
        rows = {
            "state": self.state_name,
            "message": self.message,
            "started": self.began and moment(self.began),
            "took": took,
            "attempts": self.run_count,
            "id": self.id,
        }
        return facts(f"{self.kind.capitalize()} {self.name}", rows)

    def enter(
        self,
        type: StateType,
        name: str,
        at: float,
        message: str | None = None,
        scheduled: float | None = None,
    ) -> None:
        """Go to the next state."""
        if type is StateType.RUNNING:
            self.run_count += 1
            if self.began is None:
                self.began = at
        elif type in FINAL:
            self.ended = at
        elif type is StateType.PENDING:  # perhaps anew, in a retry of the flow around it
            self.ended = self.result = self.failure = None
        # last, for a store may write the run at any moment, and what goes with a state precedes it
        self.states += (packed(type, name, at, message, scheduled),)
        if listeners:
            events().tell_state(self)


@dataclass(slots=True, eq=False, kw_only=True)
class FlowRun(Run):
    """One call of a flow."""

    kind: ClassVar[str] = "flow run"

    flow_name: str
    flow_version: str | None = None
    parent: TaskRun | None = None  # the run that stands for this one in the flow that called it
    parameters_json: str | None = None
    owner: str | None = None  # host:pid of the process that runs it
    _known_id: UUID | None = field(default=None, init=False, repr=False)

    @property
    def id(self) -> UUID:
        """The run's identity as a UUID; one object for all states of the runs in it."""
        if self._known_id is None:
            self._known_id = uuid_of(self.uid)
        return self._known_id

    @property
    def parameters(self) -> dict[str, Any]:
        """What the flow was called with, as far as JSON can hold it; else by its type."""
        return orjson.loads(self.parameters_json) if self.parameters_json else {}

    @property
    def flow_id(self) -> UUID:
        """The flow's identity: the same for all flows of its name."""
        return flow_id(self.flow_name)

    @property
    def expected(self) -> float:
        """When the run was to start, in seconds since the epoch."""
        for step in reversed(self.history):
            if step.scheduled is not None and step.name != "AwaitingRetry":
                return step.scheduled
        return made_at(self.uid)

    @property
    def expected_start_time(self) -> datetime:
        """When the run was to start: the time that it was scheduled for, or when it was made."""
        return moment(self.expected)

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
    own_key: str | None = None  # what tells a run from others that no call has made
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
        """`call_index` as text, unless the run has a key of its own."""
        return str(self.call_index) if self.own_key is None else self.own_key


@dataclass(frozen=True, slots=True)
class TaskRunResult:
    """The result of a task run that another run takes."""

    id: UUID
    input_type: str = "task_run"


def flow_id(name: str) -> UUID:
    """The identity of the flow with this name."""
    return uuid5(_FLOWS, name)


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
    "flow_id",
    "moment",
    "new_id",
]
