"""What a flow run does: attempts, with a record in the flow around it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from upshot._engine.attempts import attempt, concluded_by, crash, settle
from upshot._engine.call import Call, Ports
from upshot._engine.effects import Io, Steps
from upshot._engine.endings import Conclusion, Ended, recorded_state
from upshot._engine.failures import note_unrecorded, text_of
from upshot._engine.hooks import call_hooks
from upshot._engine.replay import reuse
from upshot._engine.upstreams import await_upstreams
from upshot.exceptions import RunStoreError
from upshot.records import FlowRun, StateType, TaskRun


@dataclass(slots=True, eq=False, kw_only=True)
class FlowCall(Call):
    """One call of a flow.

    Attributes:
        release: lets go of what only the run needed.
        holds: whether that may take a while.
        validate: checks the parameters, and coerces them; None if there is nothing to check.
        name_run: gives the run the name that its flow has for it, if the flow has one.
    """

    run: FlowRun
    release: Callable[[], object]
    holds: Callable[[], bool]
    validate: Callable[[], object] | None = None
    name_run: Callable[[], object] | None = None


def run_flow(call: FlowCall, ports: Ports) -> Steps[Ended]:
    """Run the flow and record it, together with the task run that stands for it in its parent.

    When the outermost flow ends, all that it recorded is in the store.
    """
    run, standing = call.run, call.run.parent
    try:
        return (yield from _run(call, standing, ports))
    except BaseException as error:
        crash(run, error, ports)
        if standing is not None:
            _mirror(run, standing)
            crash(standing, error, ports)
        raise
    finally:
        call.release()


def _run(call: FlowCall, standing: TaskRun | None, ports: Ports) -> Steps[Ended]:
    run = call.run
    if call.place is not None and (end := (yield from reuse(call, ports))) is not None:
        return end
    run.enter(StateType.PENDING, "Pending", ports.now())
    if standing is not None:
        standing.child_uid = run.uid  # it may have stood for a run that failed
        standing.enter(StateType.RUNNING, "Running", ports.now())
        ports.store.record(standing)
    end = cancelling = None
    if call.upstreams is not None:
        end = yield from await_upstreams(call, call.upstreams, ports)
    if end is None:
        conclusion = _refusal(call)
        if conclusion is None:
            conclusion = yield from attempt(call, ports)
        cancelling = yield from _cancelling(call, conclusion, ports)
        end = yield from settle(call, conclusion, ports)
    if call.holds():
        yield Io(call.release)
    try:
        if standing is None:
            yield Io(ports.store.flush)
        else:
            _mirror(run, standing)
            ports.store.record(standing)
    except RunStoreError as problem:
        note_unrecorded(end.data, problem)
    if cancelling is not None:
        yield from call_hooks(call.hooks, cancelling, partial(recorded_state, cancelling))
    elif call.hooks is not None and not end.interrupted_for_good:
        yield from call_hooks(call.hooks, run, end.state)
    return end


def _cancelling(call: FlowCall, conclusion: Conclusion, ports: Ports) -> Steps[FlowRun | None]:
    """The record of a run that crashes, if somebody has put it into a state of cancelling."""
    if conclusion.type is not StateType.CRASHED or call.hooks is None:
        return None
    found: FlowRun | None = None
    with suppress(RunStoreError):
        found = yield Io(partial(ports.store.flow_run, call.run.id))
    return found if found and found.state_type is StateType.CANCELLING else None


def _refusal(call: FlowCall) -> Conclusion | None:
    """How a run ends that was called with parameters which do not fit; None if they do."""
    message = "Validation of flow parameters failed with error"
    try:
        if call.validate is not None:
            call.validate()
        message = ""
        if call.name_run is not None:
            call.name_run()
    except Exception as error:
        conclusion = concluded_by(error, call.run)
        said = f"{message}: {text_of(error)}" if message else conclusion.message
        return conclusion._replace(message=said)
    return None


def _mirror(run: FlowRun, standing: TaskRun) -> None:
    """Have the run that stands for a flow run in its parent show the same course of events."""
    standing.run_count, standing.began = run.run_count, run.began
    standing.ended, standing.result, standing.failure = run.ended, run.result, run.failure
    standing.states = run.states  # last: what goes with a state precedes it
