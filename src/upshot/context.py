"""What runs here: the current flow run and task run, seen from inside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from itertools import count
from typing import Any, ClassVar, Protocol, Self

from upshot.exceptions import MissingContextError
from upshot.records import FlowRun, TaskRun
from upshot.results import ResultFactory
from upshot.runstore import RunStore
from upshot.settings import Settings
from upshot.states import State


class Named(Protocol):
    """A flow or a task, as far as contexts know them."""

    name: str


@dataclass(slots=True, eq=False, kw_only=True)
class FlowRunContext:
    """The flow run that is going on here.

    Attributes:
        flow: the flow.
        flow_run: the record of its run.
        parameters: what the flow was called with, defaults included.
        result_factory: what makes documents of the values that the flow returns.
        made: the ends of the runs that this attempt of the flow has made so far.
    """

    current: ClassVar[ContextVar[FlowRunContext | None]] = ContextVar("upshot_flow_run")

    flow: Named
    flow_run: FlowRun
    parameters: Mapping[str, Any]
    result_factory: ResultFactory
    store: RunStore
    settings: Settings
    retries: int = 0
    made: list[Made] = field(default_factory=list)
    factories: dict[Any, ResultFactory] = field(default_factory=dict)
    calls: dict[str, Iterator[int]] = field(default_factory=dict)

    @classmethod
    def get(cls) -> Self | None:
        """The innermost one here; None outside of flows."""
        return cls.current.get(None)  # type: ignore[return-value]

    def next_call_index(self, task_key: str) -> int:
        """The number of this call among those of its task key in this attempt, from 0."""
        return next(self.calls.setdefault(task_key, count()))

    def start_attempt(self) -> None:
        """Forget what an earlier attempt of the flow has made."""
        self.made.clear()
        self.calls.clear()


class Made(Protocol):
    """The end of a run, of which a state can be made."""

    def state(self) -> State[Any]:
        """The state in which the run ended."""


@dataclass(slots=True, eq=False, kw_only=True)
class TaskRunContext:
    """The task run that is going on here.

    Attributes:
        task: the task.
        task_run: the record of its run.
        parameters: what the task was called with, defaults included, in the signature's order.
        result_factory: what makes documents of the values that the task returns.
    """

    current: ClassVar[ContextVar[TaskRunContext | None]] = ContextVar("upshot_task_run")

    task: Named
    task_run: TaskRun
    parameters: Mapping[str, Any]
    result_factory: ResultFactory

    @classmethod
    def get(cls) -> Self | None:
        """The innermost one here; None outside of tasks."""
        return cls.current.get(None)  # type: ignore[return-value]


def get_run_context() -> TaskRunContext | FlowRunContext:
    """The context of the innermost run: of the task that runs here, else of the flow.

    Raises:
        MissingContextError: outside of both.
    """
    context = TaskRunContext.get() or FlowRunContext.get()
    if context is None:
        raise MissingContextError
    return context
