"""What a state knows of its run."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import ConfigDict

from upshot._html import facts
from upshot._models import Model
from upshot.records import FINAL, StateType


class StateDetails(Model):
    """What a state knows of the run that is in it.

    Attributes:
        flow_run_id: the flow run; of a task run, the one around it.
        task_run_id: the task run; of a flow run, the one that stands for it in its parent.
        child_flow_run_id: the flow run that a task run stands for.
        scheduled_time: when the run is to start.
        cache_key: under which the cache has the result.
        cache_expiration: until when it may be served.
        untrackable_result: whether the value is one that is equal to too many others, such as
            None, to tell by it which run returned it.
        refresh_cache: whether the run was to replace what the cache has.
        retriable: whether the run may be tried again.
        pause_timeout: until when a pause lasts.
        pause_reschedule: whether a paused run ends its process, to be started again later.
        pause_key: tells several pauses of a run apart.
    """

    model_config = ConfigDict(extra="forbid")

    flow_run_id: UUID | None = None
    task_run_id: UUID | None = None
    child_flow_run_id: UUID | None = None
    scheduled_time: datetime | None = None
    cache_key: str | None = None
    cache_expiration: datetime | None = None
    untrackable_result: bool = False
    refresh_cache: bool | None = None
    retriable: bool | None = None
    pause_timeout: datetime | None = None
    pause_reschedule: bool = False
    pause_key: str | None = None


class Standing:
    """What can be asked of a state about where its run stands."""

    __slots__ = ()  # for a state unfolds when its `__dict__` is looked at

    def is_scheduled(self: Any) -> bool:
        """Whether the run waits for its time."""
        return self.type is StateType.SCHEDULED

    def is_pending(self: Any) -> bool:
        """Whether the run waits to be started."""
        return self.type is StateType.PENDING

    def is_running(self: Any) -> bool:
        """Whether the run runs."""
        return self.type is StateType.RUNNING

    def is_completed(self: Any) -> bool:
        """Whether the run ended well."""
        return self.type is StateType.COMPLETED

    def is_failed(self: Any) -> bool:
        """Whether the run's function raised, or its result could not be kept."""
        return self.type is StateType.FAILED

    def is_crashed(self: Any) -> bool:
        """Whether the run was ended from outside."""
        return self.type is StateType.CRASHED

    def is_cancelled(self: Any) -> bool:
        """Whether the run was cancelled."""
        return self.type is StateType.CANCELLED

    def is_cancelling(self: Any) -> bool:
        """Whether the run is being cancelled."""
        return self.type is StateType.CANCELLING

    def is_paused(self: Any) -> bool:
        """Whether the run is paused."""
        return self.type is StateType.PAUSED

    def is_final(self: Any) -> bool:
        """Whether the run has ended, however it did."""
        return self.type in FINAL


class Shown:
    """How a state shows itself: never with its data."""

    __slots__ = ()

    def __repr__(self: Any) -> str:
        message = f", message={self.message!r}" if self.message else ""
        return f"{self.name}(type={self.type.value}{message})"

    def __str__(self: Any) -> str:
        return repr(self)

    def _repr_html_(self: Any) -> str:
        details: StateDetails = self.state_details
        rows = {
            "state": self.type.value,
            "since": self.timestamp,
            "message": self.message,
            "data": type(self.data).__name__,
            "task run": details.task_run_id,
            "flow run": details.flow_run_id,
        }
        return facts(self.name, rows)
