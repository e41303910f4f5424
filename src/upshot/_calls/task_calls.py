"""How a call of a task becomes a run."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from upshot._arguments import mapping
from upshot._arguments.dependencies import Inputs, checked_wait_for
from upshot._arguments.inputs import place_of
from upshot._calls import submission
from upshot._calls.rare import with_what_is_rare
from upshot._calls.submission import Prepared
from upshot._calls.submitting import Submitting
from upshot._calls.task_body import TaskBody
from upshot._concurrency.attempt import refuse_late
from upshot._engine.call import Ports
from upshot._engine.effects import Steps
from upshot._engine.endings import Ended
from upshot._engine.task_run import TaskCall
from upshot._options import checks
from upshot._runs.replay import Place
from upshot._runs.tags import tags_of_new_run
from upshot.context import FlowRunContext, TaskRunContext, told
from upshot.records import TaskRun
from upshot.results import ResultFactory, infer_factory
from upshot.runstore import RunStore, open_store
from upshot.settings import Settings, get_current_settings

Called = Submitting[..., Any]

_log = logging.getLogger("upshot.tasks")
_warned: set[str] = set()


def steps_of(
    task: Called, args: tuple[Any, ...], kwargs: dict[str, Any], wants_value: bool
) -> Steps[Ended]:
    """What a call of the task does, step by step; nothing is done yet."""
    wait_for = kwargs.pop("wait_for", None)
    return prepare(task, args, kwargs, wants_value=wants_value, wait_for=wait_for).steps()


def prepare(
    task: Called,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    *,
    wants_value: bool,
    wait_for: Iterable[Any] | None = None,
    counted: bool = True,
    more: Inputs | None = None,
) -> Prepared:
    """A run of the task that could start."""
    given, wait_for = _bound(task, args, kwargs), checked_wait_for(wait_for)
    flow, settings = FlowRunContext.get(), get_current_settings()
    store = flow.store if flow and flow.settings is settings else open_store(settings)
    place = place_of(flow, task.task_key, task, given, wait_for)
    run = _record(task, flow, place)
    factory = factory_of(task, flow, settings)
    context = TaskRunContext(task=task, task_run=run, parameters=given, result_factory=factory)
    body = TaskBody(task.fn, args, kwargs, context, flow, store)
    on_end, on_value = told(flow, run, factory, place, counted=counted)
    call = TaskCall(
        run=run,
        body=body,
        awaits=task.isasync,
        persists=factory.persist_result,
        retries=task.retries,
        retry_delay=task.retry_delays,
        wants_value=wants_value,
        on_end=on_end,
        on_value=on_value,
        hooks=task._called_on,
        place=place,
        upstreams=body.find_upstreams(run, flow, wait_for, more),
        cache_key=_cache_key(task, body, factory),
        cache_expiration=task.cache_expiration,
        refresh_cache=checks.first_said(task.refresh_cache, settings.tasks_refresh_cache),
    )
    return Prepared(with_what_is_rare(task, call, body), _ports(store, flow), flow)


def _bound(task: Called, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    refuse_late()
    return task._parameters(args, kwargs)


def _ports(store: RunStore, flow: FlowRunContext | None) -> Ports:
    """What runs of a flow run need of the world: the same for all."""
    if flow is None or flow.store is not store:
        return Ports(store, time.time)
    if flow.ports is None:
        flow.ports = Ports(store, time.time)
    ports: Ports = flow.ports
    return ports


def _record(task: Called, flow: FlowRunContext | None, place: Place | None) -> TaskRun:
    if place is not None and place.task_run is not None:
        return place.task_run  # of an earlier attempt of the flow
    index = flow.next_call_index(task.task_key) if flow else 0
    around = flow.run_record if flow else None
    run = TaskRun(
        name=f"{task.name}-{index}",
        task_name=task.name,
        task_key=task.task_key,
        task_version=task.version,
        inputs=task._no_inputs,
        call_index=index,
        flow_run=around,
        tags=tags_of_new_run(task.tags, flow.flow_run if flow else None),
    )
    if place is not None:
        place.task_run = run
    return run


def factory_of(task: Called, flow: FlowRunContext | None, settings: Settings) -> ResultFactory:
    """The factory of this call; one for all calls of a task in a flow run."""
    known = flow.factories.get(task) if flow and flow.settings is settings else None
    if known is None:
        known = infer_factory(
            task,
            parent=flow.result_factory if flow else None,
            settings=settings,
            needs_persistence=task.cache_key_fn is not None or bool(flow and flow.retries),
        )
        if flow and flow.settings is settings:
            flow.factories[task] = known
    return known


def _cache_key(
    task: Called, body: TaskBody, factory: ResultFactory
) -> Callable[[], str | None] | None:
    if task._key_fn is None:
        return None
    if not factory.persist_result:
        _warn_once_uncached(task.name)
        return None
    return partial(body.key, task._key_fn)


def map_task(
    task: Called,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    *,
    return_state: bool,
    wait_for: Iterable[Any] | None,
    window: int | None,
) -> Any:
    """What `Task.map` does."""
    flow, wait_for = FlowRunContext.get(), checked_wait_for(wait_for)
    more = mapping.inputs(task._signature, args, kwargs, flow.lineage if flow else None)
    return submission.submit_all(
        partial(_start, task, wait_for=wait_for, counted=window is None, more=more),
        partial(mapping.calls, task._signature, task.name, args, kwargs),
        mapping.futures(args, kwargs),
        isasync=task.isasync,
        return_state=return_state,
        window=window,
    )


def _start(task: Called, call: mapping.Arguments, **how: Any) -> Any:
    run = prepare(task, *call, wants_value=False, **how)
    return submission.submit(task, run)


def _warn_once_uncached(task: str) -> None:
    """Say that a task's results enter no cache, the first time that it matters."""
    if task not in _warned:
        _warned.add(task)
        _log.warning(
            "task %r has a cache_key_fn and persist_result=False: its results enter no cache;"
            " leave one of the two out",
            task,
        )
