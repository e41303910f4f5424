"""What a flow run does: attempts, with a record in the flow around it."""

from __future__ import annotations

from dataclasses import dataclass

from upshot._engine.attempts import Call, Ended, Ports, attempt, settle
from upshot._engine.effects import Io, Steps
from upshot.records import FlowRun, StateType


@dataclass(slots=True, eq=False, kw_only=True)
class FlowCall(Call):
    """One call of a flow."""

    run: FlowRun


def run_flow(call: FlowCall, ports: Ports) -> Steps[Ended]:
    """Run the flow and record it, together with the task run that stands for it in its parent.

    When the outermost flow ends, all that it recorded is in the store.
    """
    run = call.run
    run.enter(StateType.PENDING, "Pending", ports.now())
    if run.parent is not None:
        run.parent.history = run.history  # one course of events, seen from both sides
        ports.store.record(run.parent)
    conclusion = yield from attempt(call, ports)
    end = yield from settle(call, conclusion, ports)
    if run.parent is not None:
        standing, own = run.parent, run
        standing.run_count, standing.start_time = own.run_count, own.start_time
        standing.end_time, standing.result = own.end_time, own.result
        standing.failure = own.failure
        ports.store.record(standing)
    else:
        yield Io(ports.store.flush)
    return end
