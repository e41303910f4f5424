"""What flow runs and task runs do alike: attempts, retries, the final state and its record."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import Any

from upshot._concurrency.attempt import TimedOut
from upshot._engine.call import Call, Ports
from upshot._engine.effects import Invoke, Io, Outcome, Sleep, Steps, Wait, kept
from upshot._engine.endings import Conclusion, Ended, Kept, failed_state, recorded, state_of
from upshot._engine.failures import (
    log_failure,
    log_retry,
    note_unrecorded,
    only_users_frames,
    text_of,
)
from upshot._engine.hooks import call_hooks
from upshot._engine.limits import take_slots
from upshot._engine.retrying import may_retry
from upshot._frames import clear_frames
from upshot.documents import BaseResult, PersistedResult
from upshot.exceptions import MissingResult, RunStoreError, WorkerDied
from upshot.records import FINAL, CacheEntry, Run, StateType

_BAD_ENDS = (StateType.FAILED, StateType.CRASHED)


def attempt(call: Call, ports: Ports) -> Steps[Conclusion]:
    """Call the function until it ends well, ends for good, or its retries run out.

    What interrupts a run while it waits, or while its value is being written, ends it as if its
    function had raised that.
    """
    try:
        return (yield from _attempts(call, ports))
    except (GeneratorExit, RunStoreError):
        raise  # there is nobody to go on, or nowhere to record it
    except BaseException as error:
        return concluded_by(error, call.run)


def _attempts(call: Call, ports: Ports) -> Steps[Conclusion]:
    run, before = call.run, call.run.run_count
    while True:
        if call.slots is not None:
            never = yield from take_slots(call.slots, run, ports.store, ports.now)
            if never is not None:
                return never
        run.enter(StateType.RUNNING, "Retrying" if run.run_count else "Running", ports.now())
        if record(run, ports):
            yield Io(ports.store.flush)
        if call.hooks is not None and run.state_name == "Running":
            yield from call_hooks(call.hooks, run, lambda: state_of(run, None))
        outcome = yield from _invoke(call)
        conclusion = outcome.kept if outcome.error is None else concluded_by(outcome.error, run)
        retries_used = run.run_count - before - 1
        if conclusion.type is not StateType.FAILED or retries_used >= call.retries:
            return conclusion
        if outcome.error is not None and outcome.returned:
            return conclusion  # the function did its part; calling it again would not keep more
        if call.may_retry is not None:
            state = failed_state(run, conclusion, ports.now())
            if not (yield from may_retry(partial(call.may_retry, state), call.awaits, run)):
                return conclusion
        if isinstance(conclusion.data, BaseException):
            clear_frames(conclusion.data)
        run.enter(StateType.SCHEDULED, "AwaitingRetry", ports.now(), conclusion.message)
        log_retry(run, conclusion.data, retries_used + 1, call.retries)
        if record(run, ports):
            yield Io(ports.store.flush)
        if call.slots is not None and call.slots.may_hold:
            yield Io(partial(call.slots.free, ports.store))
        del outcome, conclusion
        if call.retry_delay:
            delay = call.retry_delay[min(retries_used, len(call.retry_delay) - 1)]
            yield Sleep(delay if call.vary_delay is None else call.vary_delay(delay))


def _invoke(call: Call) -> Steps[Outcome]:
    """Call the function; a flow's value is kept when the runs that it submitted have ended."""
    outcome: Outcome
    body, awaits = call.body, call.awaits
    function = body.acall if awaits else body.call
    if call.children is None:
        outcome = yield Invoke(
            function, body.keep, awaits, call.persists, None, call.timeout, call.few
        )
        return outcome
    outcome = yield Invoke(function, _as_it_is, awaits, False, call.host, call.timeout)
    if isinstance(outcome.error, TimedOut) and call.give_up is not None:
        call.give_up()
        return outcome
    if isinstance(outcome.error, BaseException) and not isinstance(outcome.error, Exception):
        return outcome  # an interrupt does not wait
    while children := call.children(outcome.kept):
        yield Wait(children)
    if outcome.error is None:
        keep = partial(kept, body.keep, outcome.kept)
        outcome = (yield Io(keep)) if call.persists else keep()
    return outcome


def _as_it_is(value: Any) -> Any:
    return value


def concluded_by(error: BaseException, run: Run) -> Conclusion:
    """How a run ends whose function raised."""
    only_users_frames(error)
    if isinstance(error, TimedOut):
        return _timed_out(error, run)
    message = f"{run.kind.capitalize()} encountered an exception: {text_of(error)}"
    if isinstance(error, Exception) and not isinstance(error, WorkerDied):
        return Conclusion(StateType.FAILED, "Failed", message, error)
    return Conclusion(StateType.CRASHED, "Crashed", message, error)


def _timed_out(error: TimedOut, run: Run) -> Conclusion:
    message = f"{run.kind.capitalize()} {error}"
    own = TimeoutError(message).with_traceback(error.__traceback__)
    own.__cause__ = error.__cause__
    return Conclusion(StateType.FAILED, "TimedOut", message, own)


def settle(
    call: Call, conclusion: Conclusion, ports: Ports, cached: CacheEntry | None = None
) -> Steps[Ended]:
    """Enter the final state, record it, and have the value at hand if the caller wants it.

    The blob of a persisted result is in its storage by now; its row is committed before anybody
    is told.
    """
    run, data = call.run, conclusion.data
    _enter(run, conclusion, ports)
    try:
        if call.persists and conclusion.type is StateType.COMPLETED:
            ports.store.queue(run, cached)
            yield Io(ports.store.flush)
        elif record(run, ports):
            yield Io(ports.store.flush)
    except RunStoreError as problem:
        note_unrecorded(data, problem)
    if conclusion.type in _BAD_ENDS:
        log_failure(run, data)
    end = Ended(run, data, None, cached.expires if cached else None, len(run.states) - 1)
    if end.raised is not None and not (call.wants_value or end.crashed):
        clear_frames(end.raised)
    if call.on_end is not None:
        call.on_end(end)
    if call.wants_value and conclusion.type is StateType.COMPLETED:
        end.value = data.value if type(data) is Kept else (yield from _value_of(run, data))
        if call.on_value is not None:
            call.on_value(end)
    return end


def _enter(run: Run, conclusion: Conclusion, ports: Ports) -> None:
    # in this order: the store may write the run at any moment, and a state that it sees is whole
    run.result, run.failure = recorded(conclusion.data)
    run.enter(conclusion.type, conclusion.name, ports.now(), conclusion.message)


def crash(run: Run, error: BaseException, ports: Ports) -> None:
    """Queue the end of a run of which no further step is taken: an interrupt came between two.

    An error of ours is no such end.
    """
    if isinstance(error, Exception):
        return
    if run.state_type not in FINAL:
        _enter(run, concluded_by(error, run), ports)
    with suppress(RunStoreError):  # it must not hide the interrupt
        ports.store.record(run)


def _value_of(run: Run, data: Any) -> Steps[Any]:
    """The value of a completed run's data.

    Raises:
        MissingResult: if it cannot be had; the error names the run.
    """
    if not isinstance(data, BaseResult):
        return data
    try:
        if data.has_cached_object() or not isinstance(data, PersistedResult):
            return data.fetch()
        return (yield Io(data.fetch))
    except MissingResult as error:
        error.run = f"{run.kind} {run.name!r}"
        raise


def record(run: Run, ports: Ports) -> bool:
    """Have the run's present state written soon; whether so much waits that it is to be flushed."""
    ports.store.record(run)
    return ports.store.backlogged
