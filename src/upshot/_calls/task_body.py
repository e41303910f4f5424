"""What is done where a task's function runs: its call, and the keeping of its value."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Self

from upshot._arguments.dependencies import Dependent
from upshot._bridge import caller_is_async, run_blocking
from upshot._calls.naming import run_name
from upshot._calls.returning import alisted, asettled, listed, settled
from upshot._engine.conclusions import conclude
from upshot._engine.endings import Conclusion
from upshot._limits import covered
from upshot._options.checks import is_async
from upshot.context import FlowRunContext, TaskRunContext, entered
from upshot.documents import BaseResult
from upshot.logging._around import around
from upshot.results import Runtime
from upshot.runstore import RunStore, open_store
from upshot.states import State


@dataclass(slots=True, eq=False)
class TaskBody(Dependent):
    """One call of a task's function.

    Attributes:
        flow: the context of the flow run around it, if there is one.
        store: where the storage of the result is recorded.
    """

    context: TaskRunContext
    flow: FlowRunContext | None
    store: RunStore

    def __reduce__(self) -> Any:
        # to a worker process goes what calling and keeping need there; all rows that these need
        # are written here
        self.context.result_factory.register(self.store)
        if self.flow and self.flow.run_record and self.flow.run_record.row is None:
            self.store.flush()
        flow = self.flow and self.flow.in_worker()
        return _WorkerBody.arrived, (self.args, self.kwargs, self.context, flow)

    def call(self) -> Any:
        """Call the function."""
        try:
            with (
                entered(self._variables(is_async=False)),
                around(self.context),
            ):
                return settled(listed(self.fn(*self.args, **self.kwargs)))
        finally:
            del self  # see `sync_driver.invoke`

    async def acall(self) -> Any:
        """Call the function, if it is async."""
        try:
            with (
                entered(self._variables(is_async=True)),
                around(self.context),
            ):
                return await asettled(await alisted(self.fn(*self.args, **self.kwargs)))
        finally:
            del self

    def _variables(self, *, is_async: bool) -> Mapping[ContextVar[Any], Any]:
        variables: dict[ContextVar[Any], Any] = {
            FlowRunContext.current: self.flow,
            TaskRunContext.current: self.context,
            caller_is_async: is_async,
        }
        if self.context.covers:
            variables[covered] = self.context.covers
        return variables

    def keep(self, value: Any) -> Conclusion:
        """The conclusion of a run that returned `value`, with the value where it is to be."""
        return conclude(value, self._document_of, keeps=self.context.result_factory.only_keeps)

    def _document_of(self, value: Any) -> BaseResult[Any]:
        context, flow = self.context, self.flow
        runtime = None
        if context.result_factory.storage_key is not None:  # a template, which asks for it
            runtime = Runtime.within(context.parameters, flow, context.task_run)
        return context.result_factory.create(value, store=self.store, runtime=runtime)

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
