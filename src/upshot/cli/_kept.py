"""The persisted results of a run and of all that it called, one by one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple
from uuid import UUID

from upshot.cli._facts import facts
from upshot.cli._storages import look_at, reference_of, storage_facts
from upshot.cli._walk import walk
from upshot.cli._words import iso
from upshot.documents import PersistedResult
from upshot.filesystems import FileSystem
from upshot.records import FlowRun, Run, TaskRun
from upshot.runstore import RunStore


class KeptResult(NamedTuple):
    """A persisted result.

    Attributes:
        run: the run that returned it.
        reference: its reference.
        storage: where its blob is; None if that storage is not known here.
        blob: where the blob stands; see `look_at`.
    """

    run: Run
    reference: PersistedResult[Any]
    storage: FileSystem | None
    blob: str


class Kept:
    """The persisted results of a run and of all that it called. They are gone through once.

    Attributes:
        more: whether there are more than the limit, 0 being none; known at the end.
    """

    def __init__(self, store: RunStore, run: Run, limit: int) -> None:
        self.more = False
        self._store, self._run, self._limit = store, run, limit

    def __iter__(self) -> Iterator[KeptResult]:
        number = 0
        for run in self._runs():
            reference = reference_of(run)
            if reference is None:
                continue
            if self._limit and number == self._limit:
                self.more = True
                return
            number += 1
            yield KeptResult(run, reference, *look_at(reference))

    def facts(self) -> Iterator[dict[str, Any]]:
        """What JSON says of each."""
        for run, reference, storage, blob in self:
            told = facts(run)
            yield {
                "run": {name: told[name] for name in ("kind", "id", "name", "state")},
                "key": reference.storage_key,
                "size": reference.size,
                "serializer": reference.serializer_type,
                "storage": None if storage is None else storage_facts(storage),
                "ended": iso(run.ended),
                "blob": blob,
                "document": reference.model_dump(mode="json"),
            }

    def _runs(self) -> Iterator[Run]:
        """The run and all that it called; of a subflow and what stands for it, the subflow."""
        root: UUID | None = self._run.id if isinstance(self._run, FlowRun) else None
        if isinstance(self._run, TaskRun) and self._run.child_uid:
            root = UUID(bytes=self._run.child_uid)
        yield self._run
        if root is not None:
            for node in walk(self._store, root):
                yield node.subflow or node.run
