"""What is done where a task's function runs: its call, and the keeping of its value."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Self

import orjson

from upshot._bridge import caller_is_async, run_blocking
from upshot._engine.conclusions import conclude
from upshot._engine.endings import Conclusion
from upshot._future import UpshotFuture
from upshot._options import is_async
from upshot._parameters import bind
from upshot._run_names import run_name
from upshot._upstreams import Found, Upstream, fill, find
from upshot._waiting import Completion
from upshot.context import FlowRunContext, TaskRunContext, entered
from upshot.documents import BaseResult
from upshot.exceptions import PausedRun, UnfinishedRun
from upshot.records import moment
from upshot.results import Runtime
from upshot.runstore import RunStore, open_store
from upshot.states import State


@dataclass(slots=True, eq=False)
class TaskBody:
    """One call of a task's function.

    Attributes:
        fn: the function.
        args: what it is called with; futures and states in it are replaced by `resolve`.
        context: of the task run.
        flow: of the flow run around it, if there is one.
        store: where the storage of the result is recorded.
        upstreams: the futures and states among the arguments, and those to wait for.
    """

    fn: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    context: TaskRunContext
    flow: FlowRunContext | None
    store: RunStore
    upstreams: list[Found] = field(default_factory=list)

    def __reduce__(self) -> Any:
        # to a worker process goes what calling and keeping need there; all rows that these need
        # are written here
        self.context.result_factory.register(self.store)
        if self.flow is not None and self.flow.flow_run.row is None:
            self.store.flush()
        flow = self.flow and self.flow.in_worker()
        return _WorkerBody.arrived, (self.args, self.kwargs, self.context, flow)

    def call(self) -> Any:
        """Call the function."""
        try:
            with entered(self._variables(is_async=False)):
                return self.fn(*self.args, **self.kwargs)
        finally:
            del self  # see `sync_driver.invoke`

    async def acall(self) -> Any:
        """Call the function, if it is async."""
        try:
            with entered(self._variables(is_async=True)):
                return await self.fn(*self.args, **self.kwargs)
        finally:
            del self

    def _variables(self, *, is_async: bool) -> Mapping[ContextVar[Any], Any]:
        return {
            FlowRunContext.current: self.flow,
            TaskRunContext.current: self.context,
            caller_is_async: is_async,
        }

    def keep(self, value: Any) -> Conclusion:
        """The conclusion of a run that returned `value`, with the value where it is to be."""
        return conclude(value, self._document_of)

    def _document_of(self, value: Any) -> BaseResult[Any]:
        context, flow = self.context, self.flow
        return context.result_factory.create(
            value,
            at=moment(time.time()),
            store=self.store,
            runtime=Runtime(context.parameters, flow.flow_run if flow else None, context.task_run),
        )

    def key(self, key_fn: Callable[[TaskRunContext, dict[str, Any]], str | None]) -> str | None:
        """The cache key of this call."""
        with entered({caller_is_async: False}):
            return key_fn(self.context, dict(self.context.parameters))

    def run_name(self, naming: Any) -> str:
        """The name that the task gives its run."""
        with entered(self._variables(is_async=False)):
            return run_name("task_run_name", naming, self.context.parameters)

    def may_retry(self, condition: Callable[..., Any], state: State[Any]) -> bool:
        """Whether the run is to be tried again; an async condition is waited for."""
        with entered({caller_is_async: False}):
            answer = condition(self.context.task, self.context.task_run, state)
            if inspect.isawaitable(answer):
                answer = run_blocking(lambda: answer)
            return bool(answer)

    async def amay_retry(self, condition: Callable[..., Any], state: State[Any]) -> bool:
        """`may_retry`, of a run of an async function."""
        with entered({caller_is_async: is_async(condition)}):
            answer = condition(self.context.task, self.context.task_run, state)
            return bool(await answer if inspect.isawaitable(answer) else answer)

    def find_upstreams(self, wait_for: Any = None) -> bool:
        """Look for futures and states in the arguments, and note them in the run's record.

        Returns:
            Whether the run has something to wait for or to `resolve` before it starts.
        """
        resolves = False
        inputs: dict[str, list[str]] = {}
        for name, value in self.context.parameters.items():
            found: list[Found] = []
            resolves |= find(value, found)
            self.upstreams += found
            inputs[name] = _ids(found)
        if wait_for is not None:
            found = []
            find(list(wait_for), found)
            self.upstreams += found
            inputs["wait_for"] = _ids(found)
        if self.upstreams:
            self.context.task_run.inputs = orjson.dumps(inputs).decode()
        return resolves or bool(self.upstreams)

    def awaited(self) -> list[Completion]:
        """The runs that must end before this one starts."""
        futures = [item.upstream for item in self.upstreams]
        return [future.done for future in futures if isinstance(future, UpshotFuture)]

    def obstacle(self) -> str | None:
        """Why this run cannot start, once those before it have ended; None if it can."""
        for item in self.upstreams:
            state = state_of(item.upstream)
            if not (item.may_fail or state.is_completed()):
                run = run_id(item.upstream)
                which = "state of no run" if run is None else f"task run '{run}'"
                return f"Upstream {which} did not reach a 'COMPLETED' state."
        return None

    def resolve(self, signature: inspect.Signature) -> None:
        """Put values in the place of futures and states; may read them from their storages."""
        self.args = fill(self.args, _data_of)
        self.kwargs = fill(self.kwargs, _data_of)
        self.upstreams = []
        self.context.parameters = bind(signature, self.fn, self.args, self.kwargs)


class _WorkerBody(TaskBody):
    """The call of a task's function in a worker process."""

    __slots__ = ()

    @classmethod
    def arrived(
        cls,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        context: TaskRunContext,
        flow: FlowRunContext | None,
    ) -> Self:
        store = open_store()
        context.result_factory.register(store, recorded=True)
        fn = context.task.fn  # type: ignore[attr-defined]
        return cls(fn, args, kwargs, context, flow, store)

    def call(self) -> Any:
        """Call the function; the runs that it submits end before it does."""
        try:
            return TaskBody.call(self)
        finally:
            if self.flow is not None:
                self.flow.end_nested()


def state_of(upstream: Upstream) -> State[Any]:
    """The present state of a future's run, or the state itself."""
    return upstream.state() if isinstance(upstream, UpshotFuture) else upstream


def run_id(upstream: Upstream) -> Any:
    """The identity of the run behind a future or a state; None if it has none."""
    if isinstance(upstream, UpshotFuture):
        return upstream.task_run and upstream.task_run.id
    details = upstream.state_details
    return details.task_run_id or details.flow_run_id


def _ids(found: list[Found]) -> list[str]:
    """The identities of the runs behind these, each once; a state made by hand has none."""
    ids = [run_id(item.upstream) for item in found]
    return list(dict.fromkeys(str(id) for id in ids if id is not None))


def _data_of(upstream: Upstream) -> Any:
    state = state_of(upstream)
    try:
        value, error = state.outcome()
    except (
        PausedRun,
        UnfinishedRun,
    ) as problem:  # its failure is allowed, and it could not even start
        return problem
    return value if error is None else error
