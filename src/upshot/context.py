"""What runs here: the current flow run and task run, seen from inside."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Any, ClassVar, Protocol, TypeAlias
from uuid import UUID
from weakref import WeakKeyDictionary

from upshot._concurrency.waiting import Completion, wait_blocking
from upshot._context_model import CLIENT_HERE, ContextModel, RunContext, Runner, entered
from upshot._runs.lineage import Lineage
from upshot._runs.made import MadeRuns
from upshot._runs.replay import Place, Replay
from upshot._runs.tags import tags as tags
from upshot.exceptions import MissingContextError
from upshot.records import FlowRun, Run, TaskRun
from upshot.results import ResultFactory
from upshot.runstore import RunStore, open_store
from upshot.settings import Settings, get_current_settings

Told: TypeAlias = tuple[Callable[[Any], object] | None, Callable[[Any], object] | None]


class Named(Protocol):
    """A flow or a task, as far as contexts know them."""

    name: str


@dataclass(eq=False, kw_only=True, repr=False)
class FlowRunContext(RunContext):
    """The flow run that is going on here.

    One that is made by hand is current in a `with` block, like any `ContextModel`; `construct`
    makes one of a few fields.

    Attributes:
        flow: the flow.
        flow_run: the record of its run.
        client: reads the run store, as `get_client()` does; one made by hand has what it was given.
        background_tasks: the task group, likewise.
        task_runner: where the runs that are submitted here go.
        parameters: what the flow was called with, defaults included.
        result_factory: what makes documents of the values that the flow returns.
        made: the ends of the runs that this attempt of the flow has made so far, as they were made.
        lineage: what these runs returned.
        submitted: those that were submitted and have not ended.
        replay: what the attempts have done, if the flow is retried.
    """

    current: ClassVar[ContextVar[FlowRunContext | None]] = ContextVar("upshot_flow_run")
    __var__ = current
    told = ("flow", "flow_run", "client", "result_factory", "background_tasks", "parameters")

    flow: Named
    flow_run: FlowRun
    parameters: Mapping[str, Any]
    result_factory: ResultFactory
    client: Any = CLIENT_HERE
    background_tasks: Any = None
    task_runner: Any = Runner()  # noqa: RUF009  a descriptor of it is what it is to be
    store: RunStore = field(default_factory=open_store)
    settings: Settings = field(default_factory=get_current_settings)
    retries: int = -1  # of the flow; negative stands for what the flow says now
    log_prints: bool = False  # whether what it prints is logged
    made: MadeRuns = field(default_factory=MadeRuns)
    lineage: Lineage = field(default_factory=Lineage)
    replay: Replay | None = None
    # not to hold each task that `with_options` makes
    factories: MutableMapping[Any, ResultFactory] = field(default_factory=WeakKeyDictionary)
    calls: dict[str, Iterator[int]] = field(default_factory=dict)
    submitted: set[Completion] = field(default_factory=set)
    host: Any = None  # how other threads start async functions on the flow's loop
    loop_thread: int | None = None  # the thread of that loop
    ports: Any = field(default=None, init=False)  # the engine's, for its runs
    note: Callable[[Any], None] = field(init=False)  # remembers how a run of this attempt has ended
    runner: Any = field(default=None, init=False)  # the task runner, once there is one

    def __post_init__(self) -> None:
        if self.retries < 0:
            self.retries = getattr(self.flow, "retries", 0)
        self.note = partial(_note, self.made, self.lineage)  # one for all that will be told

    @property
    def run_record(self) -> FlowRun | None:
        """The record of the run, also where a context made by hand has a copy of it."""
        run: Any = self.flow_run
        if run is None or isinstance(run, FlowRun):
            return run
        return self.store.flow_run(run.id) if isinstance(run.id, UUID) else None

    def host_on(self, host: Any) -> None:
        """Remember how functions are started on the loop that runs the flow in this thread."""
        self.host, self.loop_thread = host, threading.get_ident()

    def unfinished(self) -> list[Completion]:
        """The runs that were submitted, here and not before a fork, and have not ended."""
        runs = list(self.submitted)
        return [run for run in runs if not (run.is_of_parent() or run.done())]

    def in_worker(self) -> WorkerFlow:
        """What a worker process needs to know of the flow run, so that it can be pickled."""
        name, run = getattr(self.flow, "name", ""), self.run_record
        return WorkerFlow(name, run, self.result_factory, self.retries, self.log_prints)

    def end_nested(self) -> None:
        """In a worker process: wait for the runs that were submitted, and have all runs recorded.

        Raises:
            RunStoreError: if they cannot be.
        """
        while self.submitted:
            wait_blocking(list(self.submitted))
        if self.runner is not None:
            self.runner.close()
        if self.calls:
            self.store.flush()

    def next_call_index(self, task_key: str) -> int:
        """The number of this call among those of its task key that were made anew, from 0."""
        return next(self.calls.setdefault(task_key, count()))

    def start_attempt(self) -> None:
        """Forget what an earlier attempt of the flow has made."""
        self.made.clear()
        self.lineage.clear()
        if self.replay is None:
            self.calls.clear()
        else:  # runs of earlier attempts may go on, so that none is to get the number of another
            self.replay.start_attempt()


def _note(made: MadeRuns, lineage: Lineage, end: Any) -> None:
    made.add(end)
    lineage.add(end)


@dataclass(slots=True)
class FlowElsewhere:
    """What stands for a flow in a worker process, where its function is not."""

    name: str


class WorkerFlow:
    """A flow run on its way to a worker process, where it arrives as a `FlowRunContext`."""

    def __init__(self, *what: Any) -> None:
        self.what = what

    def __reduce__(self) -> Any:
        return _arrived, self.what


def _arrived(
    name: str, run: FlowRun, factory: ResultFactory, retries: int, log_prints: bool
) -> FlowRunContext:
    return FlowRunContext(
        flow=FlowElsewhere(name),
        flow_run=run,
        parameters={},
        result_factory=factory,
        store=open_store(),
        settings=get_current_settings(),
        retries=retries,
        log_prints=log_prints,
    )


@dataclass(slots=True, eq=False, kw_only=True, repr=False)
class TaskRunContext(RunContext):
    """The task run that is going on here; made by hand as a `FlowRunContext` is.

    Attributes:
        task: the task.
        task_run: the record of its run.
        client: reads the run store, as `get_client()` does; one made by hand has what it was given.
        parameters: what the task was called with, defaults included, in the signature's order.
        result_factory: what makes documents of the values that the task returns.
    """

    current: ClassVar[ContextVar[TaskRunContext | None]] = ContextVar("upshot_task_run")
    __var__ = current
    told = ("task", "task_run", "client", "result_factory", "parameters")

    task: Named
    task_run: TaskRun
    parameters: Mapping[str, Any]
    result_factory: ResultFactory
    log_prints: bool = False  # whether what it prints is logged
    client: Any = CLIENT_HERE
    covers: frozenset[str] = frozenset()  # its tags, and those of task runs around it


def get_run_context() -> TaskRunContext | FlowRunContext:
    """The context of the innermost run: of the task that runs here, else of the flow.

    Raises:
        MissingContextError: outside of both.
    """
    context = TaskRunContext.get() or FlowRunContext.get()
    if context is None:
        raise MissingContextError
    return context


def logs_prints(own: bool | None, flow: FlowRunContext | None) -> bool:
    """Whether what a run prints is logged: its own word, else the flow's, else the setting's."""
    if own is not None:
        return own
    return get_current_settings().logging_log_prints if flow is None else flow.log_prints


def told(
    flow: FlowRunContext | None,
    run: Run,
    factory: ResultFactory,
    place: Place | None,
    *,
    counted: bool = True,
) -> Told:
    """What is to be told of the end of a run, and of the value that its caller takes.

    Args:
        flow: the flow run in which it is called.
        run: its record.
        factory: makes its result.
        place: of the call among those that a retry of the flow makes again.
        counted: whether it counts among the runs that the flow has made, if the flow calls it.
    """
    if flow is None:
        return None, None
    if not counted or TaskRunContext.get() is not None:  # nothing of it is kept here
        on_end = None if place is None else partial(place.ended, None)
        return on_end, flow.lineage.add_weakly
    flow.made.begin(run)
    on_value = None if factory.cache_result_in_memory else flow.lineage.add_weakly
    return flow.note if place is None else partial(place.ended, flow.note), on_value


def state_for_result(obj: object) -> Any:
    """The state of the run of this flow run that returned this very object; None if none did."""
    flow = FlowRunContext.get()
    return None if flow is None else flow.lineage.state(obj)


__all__ = [
    "ContextModel",
    "FlowRunContext",
    "TaskRunContext",
    "entered",
    "get_run_context",
    "tags",
]
