"""What a state knows of its run."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import ConfigDict

from upshot._html import facts
from upshot._models import Model


class StateDetails(Model):
    """What a state knows of the run that is in it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    flow_run_id: UUID | None = None
    task_run_id: UUID | None = None
    child_flow_run_id: UUID | None = None
    cache_key: str | None = None
    cache_expiration: datetime | None = None


class Shown:
    """How a state shows itself: never with its data."""

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
