"""What a run store can say of its own condition."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """The condition of a run store.

    Attributes:
        path: its file; None for a store without one.
        size: of that file, in bytes; None if it is not there.
        version: of its schema; None if that cannot be told.
        supported: the version that this upshot makes and uses.
        newest: when its newest run was made, in seconds since the epoch; None if it has none.
        problem: what is wrong with it; None if it is sound.
    """

    path: Path | None = None
    size: int | None = None
    version: str | None = None
    supported: str | None = None
    newest: float | None = None
    problem: str | None = None
