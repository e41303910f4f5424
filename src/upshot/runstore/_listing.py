"""What listings of runs are asked for, and what they give: pages, newest runs first."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar
from uuid import UUID

from upshot.records import Run, StateType

R = TypeVar("R", bound=Run)

_LATEST = 2**48 - 1  # milliseconds since the epoch that a run's id can hold


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFilter:
    """Which flow runs a listing is about; what is not given leaves none out.

    Attributes:
        flow_name: runs of the flow with this name.
        state_type: runs that are in a state of this type.
        since: runs that were made then or later, in seconds since the epoch.
        before: runs that are older than the one with this id: where a page ends, the next begins.
        tags: runs that have all of these tags, and have entered a state.
    """

    flow_name: str | None = None
    state_type: StateType | None = None
    since: float | None = None
    before: UUID | None = None
    tags: tuple[str, ...] = ()

    def bounds(self) -> tuple[bytes, bytes]:
        """The ids that runs have: from the first of these on, and less than the second."""
        first = b"" if self.since is None else first_id(self.since)
        return first, b"\xff" * 17 if self.before is None else self.before.bytes


class Page(NamedTuple, Generic[R]):
    """A part of a listing.

    Attributes:
        runs: in the order of the listing.
        next: the id of the run after which the listing goes on; None if it ends here.
    """

    runs: list[R]
    next: UUID | None


def page_of(runs: list[R], limit: int) -> Page[R]:
    """The first `limit` of these runs, which are one more if the listing goes on."""
    shown = runs[:limit]
    return Page(shown, shown[-1].id if shown and len(runs) > limit else None)


def made_at(run: Run) -> float:
    """When a run was made, in seconds since the epoch; its id says so."""
    return int.from_bytes(run.uid[:6], "big") / 1000


def first_id(at: float) -> bytes:
    """The least id of a run that was made at a time or later."""
    # a run's time is a float made of milliseconds: what is nearer than their rounding is equal
    milliseconds = math.ceil(round(at * 1000, 3))
    return min(max(milliseconds, 0), _LATEST).to_bytes(6, "big") + bytes(10)
