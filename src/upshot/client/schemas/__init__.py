"""Records as programs get them, filters and orders of listings."""

from upshot.client.schemas.filters import FlowFilter, FlowRunFilter, TaskRunFilter
from upshot.client.schemas.objects import (
    BlockDocument,
    ConcurrencyLimit,
    Flow,
    FlowRun,
    State,
    StateDetails,
    StateType,
    TaskRun,
    TaskRunResult,
)
from upshot.client.schemas.responses import OrchestrationResult, SetStateStatus
from upshot.client.schemas.sorting import FlowRunSort, TaskRunSort

__all__ = [
    "BlockDocument",
    "ConcurrencyLimit",
    "Flow",
    "FlowFilter",
    "FlowRun",
    "FlowRunFilter",
    "FlowRunSort",
    "OrchestrationResult",
    "SetStateStatus",
    "State",
    "StateDetails",
    "StateType",
    "TaskRun",
    "TaskRunFilter",
    "TaskRunResult",
    "TaskRunSort",
]
