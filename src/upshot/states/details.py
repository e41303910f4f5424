"""What a state knows of its run."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import ConfigDict

from upshot._models import Model


class StateDetails(Model):
    """What a state knows of the run that is in it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    flow_run_id: UUID | None = None
    task_run_id: UUID | None = None
    child_flow_run_id: UUID | None = None
    cache_key: str | None = None
    cache_expiration: datetime | None = None
