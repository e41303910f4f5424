"""How a call of a flow becomes a run."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from upshot._arguments.dependencies import checked_wait_for
from upshot._arguments.identities import Identities
from upshot._arguments.inputs import place_of
from upshot._calls.chosen_runner import duplicate_of
from upshot._calls.flow_body import FlowBody, record_of
from upshot._concurrency import attempt
from upshot._engine.call import Ports
from upshot._engine.effects import Steps
from upshot._engine.endings import Ended
from upshot._engine.flow_run import FlowCall, run_flow
from upshot._runs.replay import Place, Replay
from upshot.context import FlowRunContext, logs_prints, told
from upshot.exceptions import InvalidOptionValue, ParameterBindError
from upshot.results import ResultFactory, infer_factory
from upshot.runstore import open_store
from upshot.settings import Settings, get_current_settings
from upshot.task_runners import TaskRunner

_NOTHING_TO_WAIT_FOR = "is for flows that are called in a flow; there is none around this one"


def steps_of(
    flow: Any, args: tuple[Any, ...], kwargs: dict[str, Any], wants_value: bool
) -> Steps[Ended]:
    """What a call of the flow does, step by step; nothing is done yet."""
    attempt.refuse_late()
    wait_for = checked_wait_for(kwargs.pop("wait_for", None))
    parameters, misfit = _bound(flow, args, kwargs, wants_value)
    around = FlowRunContext.get()
    if wait_for is not None and around is None:
        raise InvalidOptionValue("wait_for", _NOTHING_TO_WAIT_FOR)
    place = place_of(around, flow.flow_key, flow, parameters, wait_for)
    context = _context(flow, around, parameters, place)
    body = FlowBody(flow.fn, args, kwargs, context)
    run, factory = context.flow_run, context.result_factory
    on_end, on_value = told(around, run, factory, place)
    call = FlowCall(
        run=run,
        body=body,
        awaits=flow.isasync,
        persists=factory.persist_result,
        retries=context.retries,
        retry_delay=flow.retry_delays,
        timeout=flow.timeout_seconds,
        wants_value=wants_value,
        on_end=on_end,
        on_value=on_value,
        place=place,
        children=body.unfinished,
        give_up=body.give_up,
        host=context.host_on if flow.isasync else None,
        upstreams=body.find_upstreams(run.parent, around, wait_for),
        obstacle=body.obstacle,
        resolve=partial(body.resolve, flow._signature),
        hooks=flow._called_on,
        release=body.release,
        holds=body.holds,
        validate=_validation(flow, body, misfit),
        name_run=partial(body.name_run, flow.flow_run_name) if flow.flow_run_name else None,
    )
    return run_flow(call, Ports(context.store, time.time))


def _context(
    flow: Any, around: FlowRunContext | None, parameters: dict[str, Any], place: Place | None
) -> FlowRunContext:
    settings = get_current_settings()
    # others are duplicated when they are first needed
    at_once = type(flow.task_runner).duplicate is not TaskRunner.duplicate
    return FlowRunContext(
        flow=flow,
        flow_run=record_of(flow, around, parameters, place),
        parameters=parameters,
        result_factory=factory_of(flow, around, settings),
        store=open_store(settings),
        settings=settings,
        retries=flow.retries,
        log_prints=logs_prints(flow.log_prints, around),
        task_runner=duplicate_of(flow.task_runner) if at_once else None,
        replay=Replay(Identities(flow.fn)) if flow.retries else None,
    )


def factory_of(flow: Any, around: FlowRunContext | None, settings: Settings) -> ResultFactory:
    """The factory of a call of the flow, in the flow run `around` it."""
    return infer_factory(
        flow,
        parent=around.result_factory if around else None,
        settings=settings,
        needs_persistence=bool(around and around.retries),
    )


def _bound(
    flow: Any, args: tuple[Any, ...], kwargs: dict[str, Any], wants_value: bool
) -> tuple[dict[str, Any], ParameterBindError | None]:
    """The parameters of a call; those of one that wants a state may not fit."""
    try:
        return flow._parameters(args, kwargs), None
    except ParameterBindError as error:
        if wants_value:
            raise
        return {}, error


def _validation(
    flow: Any, body: FlowBody, misfit: ParameterBindError | None
) -> Callable[[], object] | None:
    """What checks the parameters of a call; None if there is nothing to check."""
    if misfit is not None:
        return partial(_raise, misfit)
    if not flow.should_validate_parameters or not flow._validator.is_needed:
        return None
    return partial(body.validate, flow.validate_parameters, flow._signature)


def _raise(error: Exception) -> None:
    raise error
