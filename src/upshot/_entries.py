"""What the run store holds beside runs: cached results, storages."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheEntry:
    """A completed result that later calls with the same key may take."""

    key: str
    document: str  # JSON of the result's document
    created: float
    expires: float | None = None  # seconds since the epoch; None for never
    task_run: bytes | None = None  # uid of the run that made it

    def is_fresh(self, now: float) -> bool:
        """Whether the entry may still be served."""
        return self.expires is None or now < self.expires


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A storage as the run store keeps it; it holds no secret in the clear."""

    id: UUID
    type: str  # a name in the table of storages, or "module:Class"
    fields: str  # JSON of its public fields
    name: str | None = None  # None for a storage that was registered, not saved
    secrets: str | None = None  # its other fields, encrypted; None for none

    @property
    def is_anonymous(self) -> bool:
        """Whether the storage was registered because a result needed it, not saved by name."""
        return self.name is None
