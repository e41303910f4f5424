"""One state: where a run stands, and what became of it."""

from __future__ import annotations

import time
import warnings
from collections.abc import Awaitable, Iterable
from datetime import datetime
from functools import partial
from typing import Any, Generic, Literal, TypeGuard, TypeVar, overload
from uuid import UUID

from pydantic import (
    ConfigDict,
    Field,
    ValidationInfo,
    field_serializer,
    field_validator,
    model_validator,
)

from upshot import _registry
from upshot._bridge import in_thread, wants_awaitable
from upshot._models import Model
from upshot.documents import BaseResult, Failure
from upshot.exceptions import (
    BlobMissing,
    BlobReplaced,
    CancelledRun,
    CrashedRun,
    FailedRun,
    MissingResult,
    NotPersisted,
    PausedRun,
    UnfinishedRun,
    UnreadableResult,
    UpshotError,
)
from upshot.records import FINAL, StateType, moment, new_id
from upshot.settings import get_current_settings
from upshot.states.details import Shown, StateDetails

R = TypeVar("R")

_ENDED_BADLY: dict[StateType, type[UpshotError]] = {
    StateType.FAILED: FailedRun,
    StateType.CRASHED: CrashedRun,
    StateType.CANCELLED: CancelledRun,
}


class State(Shown, Model, Generic[R]):
    """Where a run stands: a type, a name for it, and, once it has ended, its result.

    Attributes:
        type: one of `StateType`.
        name: a finer word than the type, by default the type's.
        message: why, for people.
        data: the result's document; of a failed run the exception, or what is left of it.
        timestamp: when the run entered the state, in UTC.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)
    __slots__ = ("_traceback",)

    id: UUID = Field(default_factory=lambda: UUID(bytes=new_id()))
    type: StateType
    name: str
    message: str | None = None
    data: Any = Field(default=None, repr=False)
    timestamp: datetime = Field(default_factory=lambda: moment(time.time()))
    state_details: StateDetails = Field(default_factory=StateDetails)

    @model_validator(mode="before")
    @classmethod
    def _name_after_type(cls, fields: Any) -> Any:
        if isinstance(fields, dict) and fields.get("name") is None and "type" in fields:
            return {**fields, "name": StateType(fields["type"]).value.capitalize()}
        return fields

    @field_validator("data", mode="before")
    @classmethod
    def _restore_document(cls, data: Any, info: ValidationInfo) -> Any:
        # only JSON holds documents as dicts; a dict that a user returned stays one
        if info.mode != "json" or not isinstance(data, dict):
            return data
        kind: type[Model] = Failure if "exception_type" in data else BaseResult
        return kind.model_validate(data)

    @field_serializer("data")
    def _without_values(self, data: Any) -> Any:
        # a state's JSON holds references; values and live exceptions stay in the process
        return data.model_dump(mode="json") if isinstance(data, BaseResult | Failure) else None

    def __hash__(self) -> int:
        return hash(self.id)

    def is_scheduled(self) -> bool:
        """Whether the run waits for its time."""
        return self.type is StateType.SCHEDULED

    def is_pending(self) -> bool:
        """Whether the run waits to be started."""
        return self.type is StateType.PENDING

    def is_running(self) -> bool:
        """Whether the run runs."""
        return self.type is StateType.RUNNING

    def is_completed(self) -> bool:
        """Whether the run ended well."""
        return self.type is StateType.COMPLETED

    def is_failed(self) -> bool:
        """Whether the run's function raised, or its result could not be kept."""
        return self.type is StateType.FAILED

    def is_crashed(self) -> bool:
        """Whether the run was ended from outside."""
        return self.type is StateType.CRASHED

    def is_cancelled(self) -> bool:
        """Whether the run was cancelled."""
        return self.type is StateType.CANCELLED

    def is_cancelling(self) -> bool:
        """Whether the run is being cancelled."""
        return self.type is StateType.CANCELLING

    def is_paused(self) -> bool:
        """Whether the run is paused."""
        return self.type is StateType.PAUSED

    def is_final(self) -> bool:
        """Whether the run has ended, however it did."""
        return self.type in FINAL

    @overload
    def result(self, raise_on_failure: bool = True, fetch: None = None) -> R: ...
    @overload
    def result(self, raise_on_failure: bool = True, *, fetch: Literal[True]) -> Awaitable[R]: ...
    @overload
    def result(self, raise_on_failure: bool = True, *, fetch: Literal[False]) -> Any: ...
    def result(self, raise_on_failure: bool = True, fetch: bool | None = None) -> Any:
        """What the run returned.

        Args:
            raise_on_failure: raise what a failed run raised; False returns it instead.
            fetch: False gives `data` as it is. True gives async callers an awaitable of the value;
                without either, the setting `UPSHOT_ASYNC_FETCH_STATE_RESULT` decides for these,
                and where it is off, they get `data` with a warning. Sync callers get the value.

        Raises:
            UnfinishedRun: if the run has not ended.
            MissingResult: if the value cannot be had; a subclass names the cause.
        """
        if fetch is False:
            return self.data
        if wants_awaitable():
            if fetch is None:
                fetch = get_current_settings().async_fetch_state_result or _warn_unfetched()
            return self.aresult(raise_on_failure) if fetch else self.data
        value, error = self.outcome(raise_on_failure)
        if error is None:
            return value
        try:
            raise error
        finally:
            del self, error  # else the traceback would hold a frame that holds the traceback

    async def aresult(self, raise_on_failure: bool = True) -> R:
        """As `result` for sync callers, to be awaited: the same meaning wherever it is called."""
        reads = isinstance(self.data, BaseResult) and not self.data.has_cached_object()
        outcome = partial(self.outcome, raise_on_failure)
        value, error = await in_thread(outcome) if reads else outcome()
        if error is None:
            return value  # type: ignore[no-any-return]
        try:
            raise error
        finally:
            del self, error

    def outcome(self, raise_on_failure: bool = True) -> tuple[Any, BaseException | None]:
        """What to return, or what to raise; may block."""
        if self.type is StateType.PAUSED:
            raise PausedRun
        if self.type not in FINAL:
            raise self._named(UnfinishedRun(f"the run is {self.name!r} and has not ended"))
        try:
            if self.type in _ENDED_BADLY:
                error = self._as_it_ended(exception_of(self))
                return (None, error) if raise_on_failure else (error, None)
            if isinstance(self.data, BaseResult):
                return self.data.fetch(), None
        except MissingResult as problem:
            if isinstance(problem, BlobMissing | BlobReplaced | UnreadableResult):
                self._leave_cache()
            raise self._named(problem) from problem.__cause__
        if self.data is None:
            raise self._named(NotPersisted("the state has no data"))
        return self.data, None

    def _leave_cache(self) -> None:
        """Have no later run take this result, which cannot be read."""
        if (key := self.state_details.cache_key) is not None:
            _registry.load("room", "strike out")(key, self.data)

    def _as_it_ended(self, error: BaseException) -> BaseException:
        """The exception without the frames of those who asked for it before."""
        if hasattr(self, "_traceback"):
            return error.with_traceback(self._traceback)
        object.__setattr__(self, "_traceback", error.__traceback__)
        return error

    def _named(self, error: MissingResult) -> MissingResult:
        details = self.state_details
        if error.run is None and (details.task_run_id or details.flow_run_id):
            kind = "task run" if details.task_run_id else "flow run"
            error.run = f"{kind} {details.task_run_id or details.flow_run_id}"
        return error


def _warn_unfetched() -> bool:
    warnings.warn(
        "State.result() was called from an async context but not awaited. For the value, say"
        " `await state.result(fetch=True)` or `await state.aresult()`; for `data`, fetch=False.",
        DeprecationWarning,
        stacklevel=3,
    )
    return False


def exception_of(state: State[Any]) -> BaseException:
    """The exception that a state which ended badly stands for.

    Raises:
        ValueError: if the state did not end badly, or holds states of which none did.
    """
    if state.type not in _ENDED_BADLY:
        raise ValueError(f"Expected failed or crashed state got {state.name}.")
    data = state.data.fetch() if isinstance(state.data, BaseResult) else state.data
    if isinstance(data, BaseException):
        return data
    if is_state(data):
        return exception_of(data)
    if is_state_iterable(data):
        failed = next((inner for inner in data if inner.type in _ENDED_BADLY), None)
        if failed is None:
            raise ValueError("Failed state result was an iterable of states but none were failed.")
        return exception_of(failed)
    if isinstance(data, Failure):
        return _stand_in(state.type, data)
    return _ENDED_BADLY[state.type](data if isinstance(data, str) else state.message or "")


def _stand_in(type: StateType, failure: Failure) -> BaseException:
    error = _ENDED_BADLY[type](f"{failure.exception_type}: {failure.message}")
    for note in (*failure.notes, failure.traceback):
        error.add_note(note)
    return error


def is_state(thing: object) -> TypeGuard[State[Any]]:
    """Whether this is a state."""
    return isinstance(thing, State)


def is_state_iterable(thing: object) -> TypeGuard[Iterable[State[Any]]]:
    """Whether this is a list, tuple or set of states, not empty."""
    return isinstance(thing, list | tuple | set) and bool(thing) and all(map(is_state, thing))
