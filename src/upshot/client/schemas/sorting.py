"""In which order listings are.

Runs of which it is not known come last, equal ones as they were recorded, or the other way round.
"""

from __future__ import annotations

from enum import StrEnum


class _Sort(StrEnum):
    @property
    def column(self) -> str | None:
        """What it goes by; None for how runs were recorded."""
        name = self.rpartition("_")[0].lower()
        return None if name == "id" else name

    @property
    def descending(self) -> bool:
        """Whether the greatest comes first."""
        return self.endswith("_DESC")


class FlowRunSort(_Sort):
    """Orders of flow runs; `ID` is the order in which they were recorded."""

    ID_DESC = "ID_DESC"
    START_TIME_ASC = "START_TIME_ASC"
    START_TIME_DESC = "START_TIME_DESC"
    EXPECTED_START_TIME_ASC = "EXPECTED_START_TIME_ASC"
    EXPECTED_START_TIME_DESC = "EXPECTED_START_TIME_DESC"
    NAME_ASC = "NAME_ASC"
    NAME_DESC = "NAME_DESC"
    END_TIME_DESC = "END_TIME_DESC"


class TaskRunSort(_Sort):
    """Orders of task runs, which are expected to start when they are made."""

    ID_DESC = "ID_DESC"
    EXPECTED_START_TIME_ASC = "EXPECTED_START_TIME_ASC"
    EXPECTED_START_TIME_DESC = "EXPECTED_START_TIME_DESC"
    NAME_ASC = "NAME_ASC"
    NAME_DESC = "NAME_DESC"
    END_TIME_DESC = "END_TIME_DESC"

    @property
    def column(self) -> str | None:
        """What it goes by; None for how runs were recorded."""
        name = super().column
        return None if name == "expected_start_time" else name
