"""Tasks: functions whose calls are runs, with results, a cache and retries."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Concatenate, ParamSpec, Self, TypeVar, Unpack, overload

from upshot._arguments.dependencies import Inputs, checked_wait_for
from upshot._arguments.input_hash import task_input_hash
from upshot._arguments.inputs import place_of
from upshot._calls.rare import with_what_is_rare
from upshot._calls.submission import Prepared
from upshot._calls.submitting import Submitting
from upshot._calls.task_body import TaskBody
from upshot._concurrency.attempt import refuse_late
from upshot._engine.attempts import Ports
from upshot._engine.effects import Steps
from upshot._engine.endings import Ended
from upshot._engine.task_run import TaskCall
from upshot._options import checks
from upshot._options.retries import exponential_backoff
from upshot._options.types import TASK_CHANGES, TASK_DEFAULTS, TaskChanges, TaskOptions, shows
from upshot._runs.replay import Place
from upshot._runs.tags import tags_of_new_run
from upshot.context import FlowRunContext, TaskRunContext, told
from upshot.records import TaskRun
from upshot.results import ResultFactory, infer_factory
from upshot.runstore import open_store
from upshot.settings import Settings, get_current_settings

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class Task(Submitting[P, R_co]):
    """A function whose calls are runs; made with `@task`.

    Calling it runs the function and gives what it returned, or raises what it raised; with
    `return_state=True` the call gives the final `State` instead. An async function's task is
    awaited; called in a sync flow it blocks.

    Raises:
        InvalidOption: if an option cannot be what was given.
        UnknownPlugin: if a storage or serializer is named that does not exist.
        ReservedArgumentError: if the function has a parameter that upshot keeps for itself.
    """

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(
        self: Task[Concatenate[Any, Q], R], instance: object, owner: type | None = None
    ) -> Task[Q, R]: ...
    def __get__(self, instance: object, owner: type | None = None) -> Any:
        """Of a method, the task for one instance."""
        return self if instance is None else self._bound_to(instance)

    @shows(TASK_CHANGES, TaskChanges, "self")
    def with_options(self, **changes: Unpack[TaskChanges]) -> Task[P, R_co]:
        """A task of the same function with other options; what is not given stays as it is."""
        return self._with(changes)

    def _steps(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], wants_value: bool
    ) -> Steps[Ended]:
        wait_for = kwargs.pop("wait_for", None)
        return self._prepare(args, kwargs, wants_value=wants_value, wait_for=wait_for).steps()

    def _prepare(
        self,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        *,
        wants_value: bool,
        wait_for: Iterable[Any] | None = None,
        counted: bool = True,
        more: Inputs | None = None,
    ) -> Prepared:
        given, wait_for = self._bound(args, kwargs), checked_wait_for(wait_for)
        flow, settings = FlowRunContext.get(), get_current_settings()
        store = flow.store if flow and flow.settings is settings else open_store(settings)
        place = place_of(flow, self.task_key, self, given, wait_for)
        run = self._record(flow, place)
        factory = self._factory(flow, settings)
        context = TaskRunContext(task=self, task_run=run, parameters=given, result_factory=factory)
        body = TaskBody(self.fn, args, kwargs, context, flow, store)
        on_end, on_value = told(flow, run, factory, place, counted=counted)
        call = TaskCall(
            run=run,
            function=body.acall if self.isasync else body.call,
            awaits=self.isasync,
            keep=body.keep,
            persists=factory.persist_result,
            retries=self.retries,
            retry_delay=self.retry_delays,
            wants_value=wants_value,
            on_end=on_end,
            on_value=on_value,
            hooks=self._called_on,
            place=place,
            upstreams=body.find_upstreams(run, flow, wait_for, more),
            cache_key=self._cache_key(body, factory),
            cache_expiration=self.cache_expiration,
            refresh_cache=checks.first_said(self.refresh_cache, settings.tasks_refresh_cache),
        )
        return Prepared(with_what_is_rare(self, call, body), Ports(store, time.time), flow)

    def _bound(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        refuse_late()
        return self._parameters(args, kwargs)

    def _record(self, flow: FlowRunContext | None, place: Place | None) -> TaskRun:
        if place is not None and place.task_run is not None:
            return place.task_run  # of an earlier attempt of the flow
        index = flow.next_call_index(self.task_key) if flow else 0
        around = flow.run_record if flow else None
        run = TaskRun(
            name=f"{self.name}-{index}",
            task_name=self.name,
            task_key=self.task_key,
            task_version=self.version,
            inputs=self._no_inputs,
            call_index=index,
            flow_run=around,
            tags=tags_of_new_run(self.tags, flow.flow_run if flow else None),
        )
        if place is not None:
            place.task_run = run
        return run

    def _factory(self, flow: FlowRunContext | None, settings: Settings) -> ResultFactory:
        """The factory of this call; one for all calls of a task in a flow run."""
        known = flow.factories.get(self) if flow and flow.settings is settings else None
        if known is None:
            known = infer_factory(
                self,
                parent=flow.result_factory if flow else None,
                settings=settings,
                needs_persistence=self.cache_key_fn is not None or bool(flow and flow.retries),
            )
            if flow and flow.settings is settings:
                flow.factories[self] = known
        return known

    def _cache_key(self, body: TaskBody, factory: ResultFactory) -> Callable[[], str | None] | None:
        if self._key_fn is None:
            return None
        if not factory.persist_result:
            checks.warn_once_uncached(self.name)
            return None
        return partial(body.key, self._key_fn)


@overload
def task(__fn: Callable[P, R]) -> Task[P, R]: ...
@overload
def task(
    __fn: None = None, **options: Unpack[TaskOptions]
) -> Callable[[Callable[P, R]], Task[P, R]]: ...
@shows(TASK_DEFAULTS, TaskOptions, "__fn=")
def task(__fn: Any = None, **options: Any) -> Any:
    """Make a function a task.

    Args:
        name: what it is called; by default the function's name.
        description: by default the function's docstring.
        tags: words that its runs are found by, beside those of `upshot.tags` and of the flow.
        version: the task's version, for people.
        task_run_name: what its runs are called: a template such as `"load {day}"`, filled with the
            parameters, or a callable without parameters; by default the name and a number.
        cache_key_fn: called with the run's context and the parameters; what it returns is the
            key under which the result is kept and looked for, None for neither.
        cache_expiration: for how long others may take the result; by default for ever.
        refresh_cache: run although there is a result under the key, and replace it.
        retries: how often the function is called again after it raised.
        retry_delay_seconds: seconds before each retry, or a list of these, whose last one holds
            for all later retries, or a callable that gives it, such as `exponential_backoff(10)`.
        retry_jitter_factor: make each delay longer or shorter by chance, by so large a part of it.
        retry_condition_fn: called with the task, the run and the failed state; unless it says True,
            the run is not tried again.
        timeout_seconds: how long each call of the function may take. A late one is broken off or,
            outside of the main thread, abandoned, and the run ends `Failed`, named "TimedOut".
        persist_result: write the result to the storage. By default where a feature in use needs
            it: a cache key, results that are not kept in memory, retries of the flow around it.
        result_storage: where to, as a storage or the name of one; by default the flow's.
        result_storage_key: the key there, as a template; by default a new one for each run.
        result_serializer: how, as a serializer or the type of one; by default the flow's.
        cache_result_in_memory: also keep the value in memory with the state.
        log_prints: log what the function prints; by default as its flow does.
        on_completion: called as `hook(task=…, task_run=…, state=…)`, sync or async, in the order
            of the list, when the run has completed; where the cache had its result, only with
            `UPSHOT_RUN_ON_COMPLETION_HOOKS_ON_CACHED`. What a hook raises is logged, and changes
            nothing.
        on_failure: called likewise when it has failed and is not retried any more.

    Example:
        >>> @task(retries=2)
        ... def double(x: int) -> int:
        ...     return 2 * x
        >>> double(21)
        42
    """
    checks.check_known("task", options, Task.options)
    return Task(__fn, **options) if __fn is not None else lambda fn: Task(fn, **options)


__all__ = ["Task", "exponential_backoff", "task", "task_input_hash"]
