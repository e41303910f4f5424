"""Tasks: functions whose calls are runs, with results, a cache and retries."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any, ParamSpec, TypeVar, overload

from upshot import _options
from upshot._bridge import caller_is_async
from upshot._decorated import Decorated, entered
from upshot._engine.attempts import Ended, Ports
from upshot._engine.conclusions import conclude
from upshot._engine.effects import Steps
from upshot._engine.task_run import TaskCall, run_task
from upshot._options import NOT_GIVEN
from upshot._parameters import bind
from upshot.context import FlowRunContext, TaskRunContext
from upshot.filesystems import FileSystem
from upshot.records import TaskRun, moment
from upshot.results import ResultFactory, Runtime, infer_factory
from upshot.runstore import RunStore, open_store
from upshot.serializers import Serializer
from upshot.settings import Settings, get_current_settings

P = ParamSpec("P")
R = TypeVar("R")
CacheKeyFn = Callable[[TaskRunContext, dict[str, Any]], str | None]


class Task(Decorated[P, R]):
    """A function whose calls are runs; made with `@task`.

    Calling it runs the function and gives what it returned, or raises what it raised; with
    `return_state=True` the call gives the final `State` instead. An async function's task is
    awaited; called in a sync flow it blocks.

    Raises:
        InvalidOption: if an option cannot be what was given.
        UnknownPlugin: if a storage or serializer is named that does not exist.
        ReservedArgumentError: if the function has a parameter that upshot keeps for itself.
    """

    kind = "task"

    def __init__(
        self,
        fn: Callable[P, R],
        *,
        name: str | None = None,
        description: str | None = None,
        version: str | None = None,
        cache_key_fn: CacheKeyFn | None = None,
        cache_expiration: timedelta | None = None,
        refresh_cache: bool | None = None,
        retries: int | None = None,
        retry_delay_seconds: float | list[float] | None = None,
        persist_result: bool | None = None,
        result_storage: FileSystem | str | None = None,
        result_storage_key: str | None = None,
        result_serializer: Serializer | str | None = None,
        cache_result_in_memory: bool = True,
    ) -> None:
        options = {name: value for name, value in locals().items() if name in _OPTIONS}
        super().__init__(fn, options)
        self.task_key = _options.key_of(fn)
        self.cache_key_fn: CacheKeyFn | None = _options.checked_key_function(cache_key_fn)
        self.cache_expiration = _options.checked_expiration(cache_expiration)
        self.refresh_cache = _options.checked_flag("refresh_cache", refresh_cache)
        self.result_storage_key = _options.checked_storage_key(
            result_storage_key, self._signature.parameters
        )

    def with_options(
        self,
        *,
        name: str = NOT_GIVEN,
        description: str | None = NOT_GIVEN,
        cache_key_fn: CacheKeyFn | None = NOT_GIVEN,
        cache_expiration: timedelta | None = NOT_GIVEN,
        refresh_cache: bool | None = NOT_GIVEN,
        retries: int | None = NOT_GIVEN,
        retry_delay_seconds: float | list[float] | None = NOT_GIVEN,
        persist_result: bool | None = NOT_GIVEN,
        result_storage: FileSystem | str | None = NOT_GIVEN,
        result_storage_key: str | None = NOT_GIVEN,
        result_serializer: Serializer | str | None = NOT_GIVEN,
        cache_result_in_memory: bool = NOT_GIVEN,
    ) -> Task[P, R]:
        """A task of the same function with other options; what is not given stays as it is."""
        return self._with({name: value for name, value in locals().items() if name in _OPTIONS})

    def _steps(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], wants_value: bool
    ) -> Steps[Ended]:
        parameters = bind(self._signature, self.name, args, kwargs)
        flow, settings = FlowRunContext.get(), get_current_settings()
        store = flow.store if flow and flow.settings is settings else open_store(settings)
        run = self._record(flow)
        factory = self._factory(flow, settings)
        context = TaskRunContext(
            task=self, task_run=run, parameters=parameters, result_factory=factory
        )
        inside = {TaskRunContext.current: context}
        counted = flow is not None and TaskRunContext.get() is None
        call = TaskCall(
            run=run,
            function=self._entering(inside, args, kwargs),
            awaits=self.isasync,
            keep=partial(conclude, document_of=_document_maker(context, flow, store)),
            persists=factory.persist_result,
            retries=self.retries,
            retry_delay=self.retry_delays,
            wants_value=wants_value,
            on_end=flow.made.append if flow and counted else None,
            cache_key=self._cache_key(context, factory),
            cache_expiration=self.cache_expiration,
            refresh_cache=_options.first_said(self.refresh_cache, settings.tasks_refresh_cache),
        )
        return run_task(call, Ports(store, time.time))

    def _record(self, flow: FlowRunContext | None) -> TaskRun:
        index = flow.next_call_index(self.task_key) if flow else 0
        return TaskRun(
            name=f"{self.name}-{index}",
            task_name=self.name,
            task_key=self.task_key,
            task_version=self.version,
            call_index=index,
            flow_run=flow.flow_run if flow else None,
        )

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

    def _cache_key(
        self, context: TaskRunContext, factory: ResultFactory
    ) -> Callable[[], str | None] | None:
        if self.cache_key_fn is None:
            return None
        if not factory.persist_result:
            _options.warn_once_uncached(self.name)
            return None
        with_parameters = partial(
            _options.call_key_function, self.cache_key_fn, context, dict(context.parameters)
        )
        return partial(_as_sync_function, with_parameters)


def _as_sync_function(call: Callable[[], str | None]) -> str | None:
    with entered({caller_is_async: False}):
        return call()


def _document_maker(
    context: TaskRunContext, flow: FlowRunContext | None, store: RunStore
) -> Callable[[Any], Any]:
    runtime = Runtime(context.parameters, flow.flow_run if flow else None, context.task_run)
    factory = context.result_factory
    return lambda value: factory.create(value, at=moment(time.time()), store=store, runtime=runtime)


_OPTIONS = frozenset(
    {
        "cache_expiration",
        "cache_key_fn",
        "cache_result_in_memory",
        "description",
        "name",
        "persist_result",
        "refresh_cache",
        "result_serializer",
        "result_storage",
        "result_storage_key",
        "retries",
        "retry_delay_seconds",
        "version",
    }
)


@overload
def task(__fn: Callable[P, R]) -> Task[P, R]: ...
@overload
def task(
    __fn: None = None,
    *,
    name: str | None = None,
    description: str | None = None,
    version: str | None = None,
    cache_key_fn: CacheKeyFn | None = None,
    cache_expiration: timedelta | None = None,
    refresh_cache: bool | None = None,
    retries: int | None = None,
    retry_delay_seconds: float | list[float] | None = None,
    persist_result: bool | None = None,
    result_storage: FileSystem | str | None = None,
    result_storage_key: str | None = None,
    result_serializer: Serializer | str | None = None,
    cache_result_in_memory: bool = True,
) -> Callable[[Callable[P, R]], Task[P, R]]: ...
def task(__fn: Any = None, **options: Any) -> Any:
    """Make a function a task.

    Args:
        name: what it is called; by default the function's name.
        description: by default the function's docstring.
        version: the task's version, for people.
        cache_key_fn: called with the run's context and the parameters; what it returns is the
            key under which the result is kept and looked for, None for neither.
        cache_expiration: for how long others may take the result; by default for ever.
        refresh_cache: run although there is a result under the key, and replace it.
        retries: how often the function is called again after it raised.
        retry_delay_seconds: seconds before each retry, or a list of these; its last one holds
            for all later retries.
        persist_result: write the result to the storage. By default where a feature in use needs
            it: a cache key, results that are not kept in memory, retries of the flow around it.
        result_storage: where to, as a storage or the name of one; by default the flow's.
        result_storage_key: the key there, as a template; by default a new one for each run.
        result_serializer: how, as a serializer or the type of one; by default the flow's.
        cache_result_in_memory: also keep the value in memory with the state.

    Example:
        >>> @task(retries=2)
        ... def double(x: int) -> int:
        ...     return 2 * x
        >>> double(21)
        42
    """
    _options.check_known("task", options, _OPTIONS)
    return Task(__fn, **options) if __fn is not None else lambda fn: Task(fn, **options)
