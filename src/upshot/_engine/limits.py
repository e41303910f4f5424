"""Slots of tags that have limits: a run waits for them before its function is called."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from upshot._engine.effects import Io, Steps, Wait
from upshot._engine.endings import Conclusion
from upshot._limits import Slots
from upshot.records import Run, StateType
from upshot.runstore import Limit, RunStore


def take_slots(
    slots: Slots, run: Run, store: RunStore, now: Callable[[], float]
) -> Steps[Conclusion | None]:
    """Wait until the run has a slot of each tag with a limit; gives its end if it never will."""
    shown = None
    while True:
        full: Limit | None = yield Io(partial(slots.take, store))
        if full is None:
            return None
        if full.most == 0:
            message = f"The concurrency limit of the tag {full.tag!r} is 0: no run with it starts."
            return Conclusion(StateType.CANCELLED, "Cancelled", message, None)
        if full.tag != shown:
            shown = full.tag
            message = f"The run waits for a slot of the tag {shown!r} (limit: {full.most})."
            run.enter(StateType.PENDING, "Pending", now(), message)
            store.record(run)
            if store.backlogged:
                yield Io(store.flush)
        yield Wait([slots.turn])
