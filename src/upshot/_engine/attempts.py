"""What flow runs and task runs do alike: attempts, retries, the final state and its record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from upshot._engine.effects import Invoke, Io, Outcome, Sleep, Steps
from upshot._engine.failures import clear_frames, only_users_frames, record_failure, text_of
from upshot.documents import BaseResult, Failure, LiteralResult, PersistedResult
from upshot.exceptions import MissingResult, RunStoreError
from upshot.records import CacheEntry, FlowRun, Run, StateType, TaskRun, moment
from upshot.runstore import RunStore
from upshot.states import State, StateDetails, exception_of


@dataclass(frozen=True, slots=True)
class Ports:
    """What a run needs of the world: where to record itself, and what time it is."""

    store: RunStore
    now: Callable[[], float]  # seconds since the epoch


class Conclusion(NamedTuple):
    """The state that a run is going to end in."""

    type: StateType
    name: str
    message: str | None
    data: Any  # the result's document; of a failed run the exception, or states


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
        retry_delay: seconds before each of these calls; the last one holds for all later ones.
        wants_value: whether the caller takes the value, not the state.
        on_end: told of the end, before the caller is.
    """

    run: Run
    function: Callable[[], Any]
    awaits: bool
    keep: Callable[[Any], Conclusion]
    persists: bool
    retries: int = 0
    retry_delay: Sequence[float] = ()
    wants_value: bool = True
    on_end: Callable[[Ended], object] | None = None


@dataclass(slots=True, eq=False)
class Ended:
    """The end of a run, as its caller gets it."""

    run: Run
    data: Any
    value: Any = None  # where the caller wants it and the run ended well
    cache_expiration: float | None = None

    @property
    def error(self) -> BaseException | None:
        """What to raise for this run; None if it ended well."""
        if isinstance(self.data, BaseException):
            return self.data
        if self.run.state_type is StateType.COMPLETED:
            return None
        return exception_of(self.state())

    @property
    def crashed(self) -> bool:
        """Whether the run was ended from outside, so that its caller must not go on either."""
        return self.run.state_type is StateType.CRASHED

    def take_value(self) -> Any:
        """The value, which this end then holds no longer."""
        value, self.value = self.value, None
        return value

    def state(self) -> State[Any]:
        """The final state."""
        return state_of(self.run, self.data, self.cache_expiration)


def state_of(run: Run, data: Any, cache_expiration: float | None = None) -> State[Any]:
    """The present state of a run."""
    last = run.history[-1]
    expires = None if cache_expiration is None else moment(cache_expiration)
    if isinstance(run, TaskRun):
        child = UUID(bytes=run.child_uid) if run.child_uid else None
        details = StateDetails(
            flow_run_id=run.flow_run_id,
            task_run_id=run.id,
            child_flow_run_id=child,
            cache_key=run.cache_key,
            cache_expiration=expires,
        )
    else:
        parent = run.parent_task_run_id if isinstance(run, FlowRun) else None
        details = StateDetails(flow_run_id=run.id, task_run_id=parent)
    return State(
        type=last.type,
        name=last.name,
        message=last.message,
        data=data,
        timestamp=moment(last.timestamp),
        state_details=details,
    )


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
    run = call.run
    while True:
        run.enter(StateType.RUNNING, "Retrying" if run.run_count else "Running", ports.now())
        yield from record(run, ports)
        outcome: Outcome = yield Invoke(call.function, call.keep, call.awaits, call.persists)
        conclusion = outcome.kept if outcome.error is None else concluded_by(outcome.error, run)
        retries_used = run.run_count - 1
        if conclusion.type is not StateType.FAILED or retries_used >= call.retries:
            return conclusion
        if outcome.error is not None and outcome.returned:
            return conclusion  # the function did its part; calling it again would not keep more
        if isinstance(conclusion.data, BaseException):
            clear_frames(conclusion.data)
        run.enter(StateType.SCHEDULED, "AwaitingRetry", ports.now(), conclusion.message)
        yield from record(run, ports)
        del outcome, conclusion
        if call.retry_delay:
            yield Sleep(call.retry_delay[min(retries_used, len(call.retry_delay) - 1)])


def concluded_by(error: BaseException, run: Run) -> Conclusion:
    """How a run ends whose function raised."""
    only_users_frames(error)
    message = f"{run.kind.capitalize()} encountered an exception: {text_of(error)}"
    if isinstance(error, Exception):
        return Conclusion(StateType.FAILED, "Failed", message, error)
    return Conclusion(StateType.CRASHED, "Crashed", message, error)


def settle(
    call: Call, conclusion: Conclusion, ports: Ports, cached: CacheEntry | None = None
) -> Steps[Ended]:
    """Enter the final state, record it, and have the value at hand if the caller wants it.

    The blob of a persisted result is in its storage by now; its row is committed before anybody
    is told.
    """
    run, data = call.run, conclusion.data
    # in this order: the store may write the run at any moment, and a state that it sees is whole
    run.result, run.failure = recorded(data)
    run.enter(conclusion.type, conclusion.name, ports.now(), conclusion.message)
    if call.persists and conclusion.type is StateType.COMPLETED:
        yield Io(lambda: ports.store.commit(run, cached))
    else:
        yield from record(run, ports)
    end = Ended(run, data, cache_expiration=cached.expires if cached else None)
    if isinstance(data, BaseException) and not (call.wants_value or end.crashed):
        clear_frames(data)
    if call.on_end is not None:
        call.on_end(end)
    if call.wants_value and conclusion.type is StateType.COMPLETED:
        end.value = yield from value_of(run, data)
    return end


def value_of(run: Run, data: Any) -> Steps[Any]:
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


def record(run: Run, ports: Ports) -> Steps[None]:
    """Have the run's present state written soon; wait only if too much is waiting already."""
    ports.store.record(run)
    if ports.store.backlogged:
        yield Io(ports.store.flush)


def recorded(data: Any) -> tuple[str | None, str | None]:
    """What the row of a run says of its result, and of its failure."""
    if isinstance(data, LiteralResult | PersistedResult):
        return data.model_dump_json(), None
    if isinstance(data, BaseException):
        return None, record_failure(data).model_dump_json()
    if isinstance(data, Failure):
        return None, data.model_dump_json()
    return None, None
