"""How runs end: what they are concluded with, and what their callers get."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from upshot._ids import uuid_of
from upshot._runs.lineage import is_shared
from upshot._steps import packed, type_of, unpacked
from upshot.documents import (
    DROPPED,
    BaseResult,
    Failure,
    LiteralResult,
    PersistedResult,
    UnpersistedResult,
    describe,
    of_text,
    to_text,
)
from upshot.exceptions import PausedRun
from upshot.records import FINAL, FlowRun, Run, StateType, TaskRun, moment
from upshot.states import State, StateDetails, exception_of
from upshot.states.failures import unfinished


class Conclusion(NamedTuple):
    """The state that a run is going to end in."""

    type: StateType
    name: str
    message: str | None
    data: Any  # the result's document, or `Kept`; of a failed run the exception, or states


@dataclass(slots=True)
class Kept:
    """What a run returned whose result is in memory only.

    Its document is made when somebody asks for it, which for most runs nobody does.
    """

    value: Any


def not_ready(obstacle: str) -> Conclusion:
    """How a run ends that cannot start."""
    return Conclusion(StateType.PENDING, "NotReady", obstacle, None)


class Ended:
    """The end of a run, as its caller gets it.

    Args:
        run: its record.
        data: that of the conclusion.
        value: what it returned, where the caller wants that.
        cache_expiration: until when the cache has it.
        number: of the final state in the run's history, with which a retry of the flow goes on.
    """

    # there is one for each run that a flow has made, and stays for as long as that
    __slots__ = ("_data", "_document", "_kept", "cache_expiration", "number", "run", "value")

    def __init__(
        self,
        run: Run,
        data: Any,
        value: Any = None,
        cache_expiration: float | None = None,
        number: int = -1,
    ) -> None:
        self.run = run
        self._kept = type(data) is Kept
        self._data = data.value if self._kept else data
        self._document: UnpersistedResult[Any] | None = None
        self.value = value
        self.cache_expiration = cache_expiration
        self.number = number

    @property
    def data(self) -> Any:
        """The result's document; of a run that failed the exception, or states."""
        if not self._kept:
            return self._data
        if self._document is None:
            document: UnpersistedResult[Any] = UnpersistedResult.new()
            document.hold(self._data)
            self._document = document
        return self._document

    def held(self) -> Any:
        """The value that is in memory; `DROPPED` if none is."""
        if self._kept:
            return self._data
        data = self._data
        return (
            data.fetch() if isinstance(data, BaseResult) and data.has_cached_object() else DROPPED
        )

    @property
    def raised(self) -> BaseException | None:
        """The exception that ended the run."""
        return self._data if isinstance(self._data, BaseException) and not self._kept else None

    @property
    def error(self) -> BaseException | None:
        """What to raise for this run; None if it ended well."""
        if self._kept:
            return None
        if self.raised is not None:
            return self.raised
        if self.run.state_type is StateType.COMPLETED:
            return None
        if self.run.state_type not in FINAL:
            if self.run.state_type is StateType.PAUSED:
                return PausedRun()
            problem = unfinished(self.run.state_name or "", self.run.message)
            problem.run = f"{self.run.kind} {self.run.name!r}"
            return problem
        return exception_of(self.state())

    @property
    def crashed(self) -> bool:
        """Whether the run was ended from outside, so that its caller must not go on either.

        A crash that the function returned as a state is none.
        """
        return self.raised is not None and self.run.state_type is StateType.CRASHED

    @property
    def interrupted_for_good(self) -> bool:
        """Whether nothing that waits can be done any more: who ran the run was thrown away."""
        return isinstance(self.raised, GeneratorExit)

    @property
    def type(self) -> StateType:
        """The type of the final state."""
        return type_of(self.run.states[self.number])

    def take_value(self) -> Any:
        """The value, which this end then holds no longer."""
        value, self.value = self.value, None
        return value

    def state(self) -> State[Any]:
        """The final state."""
        if self._kept or isinstance(self._data, BaseResult):
            return State.of(self)
        return State.made_of(self.fields())  # who asks holds the exception from now on

    def fields(self) -> dict[str, Any]:
        """Those of the final state."""
        return _fields(self.run, self.data, self.number, self.cache_expiration)

    def is_at_hand(self) -> bool:
        """Whether `outcome` is a value, and needs no state."""
        return self.type is StateType.COMPLETED and self.held() is not DROPPED

    def outcome(self, raise_on_failure: bool) -> tuple[Any, BaseException | None]:
        """What to return, or what to raise, of the final state; may block."""
        if self.is_at_hand():
            return self.held(), None
        return self.state().outcome(raise_on_failure)


def failed_state(run: Run, conclusion: Conclusion, at: float) -> State[Any]:
    """The state that a run would end in, if this is its conclusion."""
    state = packed(conclusion.type, conclusion.name, at, conclusion.message)
    return state_of(replace(run, states=(state,)), conclusion.data)


def state_of(run: Run, data: Any) -> State[Any]:
    """The present state of a run."""
    return State.made_of(_fields(run, data, -1, None))


def _fields(run: Run, data: Any, number: int, cache_expiration: float | None) -> dict[str, Any]:
    """The fields of a run's state with this number."""
    number %= len(run.states)
    entered = unpacked(run.states[number])
    known: dict[str, Any] = {"untrackable_result": _is_untrackable(data)}
    if isinstance(run, TaskRun):
        known["flow_run_id"], known["task_run_id"] = run.flow_run_id, run.id
        known["child_flow_run_id"] = uuid_of(run.child_uid) if run.child_uid else None
        known["cache_key"] = run.cache_key
        known["cache_expiration"] = None if cache_expiration is None else moment(cache_expiration)
    else:
        known["flow_run_id"] = run.id
        known["task_run_id"] = run.parent_task_run_id if isinstance(run, FlowRun) else None
    details = StateDetails.made_of(_NO_DETAILS | known)
    if entered.type is StateType.SCHEDULED:
        due = moment(entered.timestamp if entered.scheduled is None else entered.scheduled)
        details = details.copy(update={"scheduled_time": due})
    return {
        "id": run.id_of_state(number),
        "type": entered.type,
        "name": entered.name,
        "message": entered.message,
        "data": data,
        "timestamp": moment(entered.timestamp),
        "state_details": details,
    }


_NO_DETAILS = dict(StateDetails())


def recorded(data: Any) -> tuple[str | None, str | None]:
    """What the row of a run says of its result, and of its failure."""
    if type(data) is Kept:  # nearly all of them
        return None, None
    if type(data) is PersistedResult or isinstance(data, LiteralResult | PersistedResult):
        return to_text(data), None
    if isinstance(data, BaseException):
        return None, describe(data, pickled=True).model_dump_json()
    if isinstance(data, Failure):
        return None, data.model_dump_json()
    return None, None


def recorded_states(run: Run) -> list[State[Any]]:
    """All states of a run that was read from a store; the last one is its `recorded_state`."""
    steps = range(1, len(run.states))
    passed = [state_of(replace(run, states=run.states[:number]), None) for number in steps]
    return [*passed, recorded_state(run)] if run.states else []


def _is_untrackable(data: Any) -> bool:
    return isinstance(data, BaseResult) and data.has_cached_object() and is_shared(data.fetch())


def recorded_state(run: Run) -> State[Any]:
    """The state of a run that was read from a store.

    Its data is the result's document or, of a failed run, what was recorded of the exception.
    """
    data: Any = None
    if run.failure is not None:
        data = Failure.model_validate_json(run.failure)
    elif run.result is not None:
        data = of_text(run.result)
    elif run.state_type is StateType.COMPLETED:
        data = UnpersistedResult()
    return state_of(run, data)
