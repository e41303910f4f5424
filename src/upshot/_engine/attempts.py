"""What flow runs and task runs do alike: attempts, retries, the final state and its record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from upshot._concurrency.attempt import TimedOut
from upshot._concurrency.waiting import Completion
from upshot._engine.effects import Host, Invoke, Io, Outcome, Sleep, Steps, Wait, kept
from upshot._engine.endings import Conclusion, Ended, Kept, failed_state, recorded, state_of
from upshot._engine.failures import (
    log_failure,
    log_retry,
    note_unrecorded,
    only_users_frames,
    text_of,
)
from upshot._engine.hooks import Hooks, call_hooks
from upshot._engine.limits import take_slots
from upshot._engine.retrying import may_retry
from upshot._frames import clear_frames
from upshot._limits import Slots
from upshot._runs.replay import Place
from upshot.documents import BaseResult, PersistedResult
from upshot.exceptions import MissingResult, RunStoreError, WorkerDied
from upshot.records import FINAL, CacheEntry, Run, StateType
from upshot.runstore import RunStore
from upshot.states import State

_BAD_ENDS = (StateType.FAILED, StateType.CRASHED)


@dataclass(slots=True, eq=False)
class Ports:
    """What a run needs of the world: where to record itself, and what time it is."""

    store: RunStore
    now: Callable[[], float]  # seconds since the epoch


@dataclass(slots=True, eq=False, kw_only=True)
class Call:
    """One call of a flow or a task.

    Attributes:
        run: its record.
        function: the user's function with its arguments and contexts.
        awaits: whether `function` gives an awaitable.
        keep: turns the value that was returned into the conclusion.
        persists: whether `keep` writes the value, so that the run's row is committed at once.
        retries: how often the function may be called again.
        timeout: seconds that each call of it may take.
        retry_delay: seconds before each of these calls; the last one holds for all later ones.
        vary_delay: gives each of them another length by chance; None for as they are.
        may_retry: told of a failed state, says whether the function may be called again; gives an
            awaitable if `function` does; None for always.
        wants_value: whether the caller takes the value, not the state.
        on_end: told of the end, before the caller is.
        children: of a flow that returned this, the runs that have not ended and were submitted
            or are in the value; they end before it does.
        give_up: of a flow, gives these up, if its function is late.
        host: of a flow, told how other threads start async functions on its loop.
        place: this call in the attempts of the flow around it; None if that is not retried.
        upstreams: the runs that must end before this one starts; None if it depends on nothing.
        obstacle: why it cannot start, once they have ended; None if it can.
        resolve: puts the values of futures and states among the arguments in their places.
        on_value: told of the end once more when it has the value that the caller takes.
        hooks: what is called when the run enters a state; `on_running` ones once, not for retries.
        few: whether not many such functions are to be called at a time.
        slots: what it must have while it is `Running`; None if its tags can have no limits.
    """

    run: Run
    function: Callable[[], Any]
    awaits: bool
    keep: Callable[[Any], Conclusion]
    persists: bool
    retries: int = 0
    retry_delay: Sequence[float] = ()
    vary_delay: Callable[[float], float] | None = None
    may_retry: Callable[[State[Any]], Any] | None = None
    timeout: float | None = None
    wants_value: bool = True
    on_end: Callable[[Ended], object] | None = None
    children: Callable[[Any], Sequence[Completion]] | None = None
    give_up: Callable[[], object] | None = None
    host: Callable[[Host], object] | None = None
    place: Place | None = None
    upstreams: Sequence[Completion] | None = None
    obstacle: Callable[[], str | None] = lambda: None
    resolve: Callable[[], object] = lambda: None
    on_value: Callable[[Ended], object] | None = None
    hooks: Hooks | None = None
    few: bool = False
    slots: Slots | None = None


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
    if call.children is None:
        outcome = yield Invoke(
            call.function, call.keep, call.awaits, call.persists, None, call.timeout, call.few
        )
        return outcome
    outcome = yield Invoke(call.function, _as_it_is, call.awaits, False, call.host, call.timeout)
    if isinstance(outcome.error, TimedOut) and call.give_up is not None:
        call.give_up()
        return outcome
    if isinstance(outcome.error, BaseException) and not isinstance(outcome.error, Exception):
        return outcome  # an interrupt does not wait
    while children := call.children(outcome.kept):
        yield Wait(children)
    if outcome.error is None:
        keep = partial(kept, call.keep, outcome.kept)
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
