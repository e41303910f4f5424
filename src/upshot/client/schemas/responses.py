"""What becomes of the wish that a run be in a state."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from upshot._models import Model
from upshot.states import State


class SetStateStatus(StrEnum):
    """Whether a run went into the state that was asked for."""

    ACCEPT = "ACCEPT"
    REJECT = "REJECT"


class OrchestrationResult(Model):
    """What became of it.

    Attributes:
        state: where the run stands now.
        status: whether that is what was asked for.
        reason: why not, if it is not.
    """

    state: State[Any] | None
    status: SetStateStatus
    reason: str | None = None
