"""What few calls of tasks have; all others pay a look at a few attributes for it."""

from __future__ import annotations

from functools import partial
from inspect import Signature
from typing import Any, Protocol

from upshot._calls.task_body import TaskBody
from upshot._engine.task_run import TaskCall
from upshot._limits import covered, slots_of
from upshot._options.retries import jittered
from upshot.context import logs_prints


class _Options(Protocol):
    _signature: Signature
    isasync: bool
    log_prints: bool | None
    timeout_seconds: float | None
    cache_result_in_memory: bool
    task_run_name: Any
    retry_jitter_factor: float | None
    retry_condition_fn: Any


def with_what_is_rare(task: _Options, call: TaskCall, body: TaskBody) -> TaskCall:
    """The call, given what the task says of time, prints, names, delays and conditions.

    And how to look at the runs that it depends on, if there are any.
    """
    if call.upstreams is not None:
        call.obstacle = body.obstacle
        call.resolve = partial(body.resolve, task._signature)
    call.timeout = task.timeout_seconds
    body.context.log_prints = logs_prints(task.log_prints, body.flow)
    if call.run.tags:
        call.slots, body.context.covers = slots_of(call.run, awaits=call.awaits)
    else:
        body.context.covers = covered.get()
    if not task.cache_result_in_memory:
        call.few = call.persists
    if task.task_run_name is not None:
        call.run_name = partial(body.run_name, task.task_run_name)
    if task.retry_jitter_factor is not None:
        call.vary_delay = partial(jittered, factor=task.retry_jitter_factor)
    if task.retry_condition_fn is not None:
        may_retry = body.amay_retry if task.isasync else body.may_retry
        call.may_retry = partial(may_retry, task.retry_condition_fn)
    return call
