"""One state: where a run stands, and what became of it."""

from __future__ import annotations

import time
import warnings
from collections.abc import Awaitable
from datetime import datetime
from functools import partial
from math import isfinite
from typing import Any, Generic, Literal, TypeVar, overload
from uuid import UUID

from pydantic import (
    ConfigDict,
    Field,
    SerializationInfo,
    ValidationInfo,
    field_serializer,
    model_validator,
)

from upshot import _registry
from upshot._bridge import in_thread, wants_awaitable
from upshot._models import Unfolding
from upshot.documents import BaseResult, Failure, describe
from upshot.exceptions import (
    BlobMissing,
    BlobReplaced,
    MissingResult,
    NotPersisted,
    PausedRun,
    UnreadableResult,
)
from upshot.records import FINAL, StateType, moment, new_id
from upshot.settings import get_current_settings
from upshot.states.details import Shown, Standing, StateDetails
from upshot.states.failures import ENDED_BADLY, error_for, stands_for_error, unfinished

R = TypeVar("R")

# by which a document's JSON, and that of what is told of an exception, are known
_RESULT, _FAILURE = "type", "exception_type"


class _Document(dict[str, Any]):
    """A result's document as a dict, and no dict of the user's that looks like one."""


class State(Standing, Shown, Unfolding, Generic[R]):
    """Where a run stands: a type, a name for it, and, once it has ended, its result.

    Attributes:
        type: one of `StateType`.
        name: a finer word than the type, by default the type's.
        message: why, for people.
        data: the result's document; of a failed run the exception, or what is left of it.
        timestamp: when the run entered the state, in UTC.
    """

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)
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
    def _complete(cls, fields: Any, info: ValidationInfo) -> Any:
        if not isinstance(fields, dict) or "type" not in fields:
            return fields
        fields, type = dict(fields), StateType(fields["type"])
        if fields.get("name") is None:
            fields["name"] = type.value.capitalize()
        if type is StateType.SCHEDULED:
            fields["state_details"] = _scheduled(fields.get("state_details"))
        data = fields.get("data")
        if isinstance(data, dict) and (info.mode == "json" or _was_ours(fields)):
            fields["data"] = document_of(data)
        return fields

    @field_serializer("data")
    def _without_values(self, data: Any, info: SerializationInfo) -> Any:
        # a state's JSON holds references and what JSON has a form for; other values and live
        # exceptions stay in the process
        if isinstance(data, BaseResult):
            return data.model_dump(mode=info.mode)
        if info.mode != "json":
            return data
        if isinstance(data, BaseException):
            data = describe(data)
        if isinstance(data, Failure):
            return data.as_text().model_dump(mode="json")
        return data if _is_plain(data) else None

    def dict(self, **options: Any) -> dict[str, Any]:
        """This state as a dict; `options` as for `model_dump`."""
        fields = self.model_dump(**options)
        if isinstance(self.data, BaseResult) and "data" in fields:
            fields["data"] = _Document(fields["data"])
        return fields

    def __hash__(self) -> int:
        return hash(self.id)

    @overload
    def result(self, raise_on_failure: Literal[True] = True, fetch: None = None) -> R: ...
    @overload
    def result(self, raise_on_failure: bool = True, fetch: None = None) -> R | BaseException: ...
    @overload
    def result(
        self, raise_on_failure: Literal[True] = True, *, fetch: Literal[True]
    ) -> Awaitable[R]: ...
    @overload
    def result(
        self, raise_on_failure: bool = True, *, fetch: Literal[True]
    ) -> Awaitable[R | BaseException]: ...
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

    @overload
    async def aresult(self, raise_on_failure: Literal[True] = True) -> R: ...
    @overload
    async def aresult(self, raise_on_failure: bool = True) -> R | BaseException: ...
    async def aresult(self, raise_on_failure: bool = True) -> Any:
        """As `result` for sync callers, to be awaited: the same meaning wherever it is called."""
        reads = isinstance(self.data, Failure) or (
            isinstance(self.data, BaseResult) and not self.data.has_cached_object()
        )
        outcome = partial(self.outcome, raise_on_failure)
        value, error = await in_thread(outcome) if reads else outcome()
        if error is None:
            return value
        try:
            raise error
        finally:
            del self, error

    def outcome(self, raise_on_failure: bool = True) -> tuple[Any, BaseException | None]:
        """What to return, or what to raise; may block."""
        if self.type is StateType.PAUSED:
            raise PausedRun
        if self.type not in FINAL:
            raise self._named(unfinished(self.name, self.message))
        try:
            data = self.data.fetch() if isinstance(self.data, BaseResult) else self.data
            if self.type in ENDED_BADLY and (raise_on_failure or stands_for_error(data)):
                error = self._as_it_ended(error_for(self, data))
                return (None, error) if raise_on_failure else (error, None)
        except MissingResult as problem:
            if isinstance(problem, BlobMissing | BlobReplaced | UnreadableResult):
                self._leave_cache()
            raise self._named(problem) from problem.__cause__
        if data is None and not isinstance(self.data, BaseResult):
            raise self._named(NotPersisted("the state has no data"))
        return data, None

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


def _scheduled(details: Any) -> StateDetails:
    found = StateDetails.model_validate(details or {})
    if found.scheduled_time is not None:
        return found
    return found.copy(update={"scheduled_time": moment(time.time())})


def _is_plain(data: Any) -> bool:
    """Whether JSON gives a value back as it is, and not as a document."""
    if type(data) is dict:
        ours = _RESULT in data or _FAILURE in data
        return not ours and all(type(k) is str and _is_plain(v) for k, v in data.items())
    if type(data) is list:
        return all(map(_is_plain, data))
    return (
        data is None or type(data) in (bool, int, str) or (type(data) is float and isfinite(data))
    )


def document_of(fields: dict[str, Any]) -> Any:
    """The document, or what is told of an exception, that a dict describes; else the dict."""
    if _FAILURE not in fields:
        return BaseResult.model_validate(fields) if _RESULT in fields else fields
    # JSON of a state may come from anywhere, and loading a pickle runs code
    return Failure.model_validate(fields).as_text()


def _was_ours(fields: dict[str, Any]) -> bool:
    """Whether the data of a state's fields is a document, as in `dict()` or JSON of a state."""
    if isinstance(fields["data"], _Document):
        return True
    return isinstance(fields.get("id"), str) and isinstance(fields.get("timestamp"), str)
