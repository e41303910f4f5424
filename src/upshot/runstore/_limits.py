"""Limits: how many runs with a tag may run at a time, and which of them do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """How many runs with a tag may run at a time.

    Attributes:
        tag: the tag.
        most: how many; with 0, none may.
        id: its identity.
        created: when it was made, in seconds since the epoch.
        runs: the runs that have a slot of it now, in the order in which they took theirs.
    """

    tag: str
    most: int
    id: UUID
    created: float
    runs: tuple[UUID, ...] = ()


class Taken(NamedTuple):
    """What came of taking slots.

    Attributes:
        tags: those of which the run has a slot now.
        full: the limit that is in the way; the run has no slot then.
    """

    tags: tuple[str, ...] = ()
    full: Limit | None = None


class KeepsLimits(ABC):
    """The part of a run store that knows limits, and who has slots of them."""

    @abstractmethod
    def put_limit(self, tag: str, most: int) -> Limit:
        """Give a tag a limit, or another one; slots that are held stay so."""

    @abstractmethod
    def limit(self, tag: str) -> Limit | None:
        """The limit of a tag."""

    @abstractmethod
    def limits(self) -> list[Limit]:
        """All limits, sorted by tag."""

    @abstractmethod
    def remove_limit(self, tag: str) -> bool:
        """Take a tag's limit away, and its slots with it; False if it has none."""

    @abstractmethod
    def reset_limit(self, tag: str) -> bool:
        """Take back all slots of a tag, whoever has them; False if it has no limit."""

    @abstractmethod
    def take_slots(self, run: UUID, tags: Sequence[str]) -> Taken:
        """Take a slot of each tag that has a limit, or none at all: in one transaction.

        A slot whose process has died is free.

        Raises:
            RunStoreUnavailable: if the store cannot be read or written.
        """

    @abstractmethod
    def free_slots(self, run: UUID) -> None:
        """Give back all slots that a run has.

        If that cannot be written now, it is made up for when slots are next taken or given back.
        """
