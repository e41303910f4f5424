"""What is known of one result, without reading its value."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from upshot._blob import BlobDescription, describe_blob
from upshot.cli._errors import Exit
from upshot.cli._facts import facts, short_id
from upshot.cli._locate import Located, made_by
from upshot.cli._storages import storage_facts, storage_text
from upshot.cli._table import Cell
from upshot.cli._words import iso_moment, local_time, size
from upshot.documents import LiteralResult, PersistedResult
from upshot.exceptions import BlobMissing, UnreadableResult
from upshot.records import FlowRun, Run, TaskRun
from upshot.runstore import RunStore


class Look:
    """A result, looked at.

    Attributes:
        code: what the command ends with.
    """

    def __init__(self, located: Located, store: RunStore) -> None:
        self._located = located
        self._state, self.code = "there", Exit.DONE
        self._problem: str | None = None
        self._blob = self._described()
        self._run = located.run
        if self._run is None and self._blob is not None:
            self._run = made_by(located.key, self._blob, store)

    def facts(self) -> dict[str, Any]:
        """What JSON says of it."""
        document, storage, blob = self._located.document, self._located.storage, self._blob
        return {
            "document": None if document is None else document.model_dump(mode="json"),
            "storage": None if storage is None else storage_facts(storage),
            "key": self._located.key or None,
            "uri": self._uri(),
            "state": "literal" if storage is None else self._state,
            "problem": self._problem,
            "blob": blob
            and {
                "serializer": blob.serializer,
                "upshot_version": blob.upshot_version,
                "created": iso_moment(blob.created),
                "digest": blob.digest,
                "size": blob.size,
                "frames": blob.frames,
            },
            "run": None if self._run is None else facts(self._run),
        }

    def lines(self) -> list[tuple[Cell, Cell]]:
        """What people are told of it."""
        document = self._located.document
        told: list[tuple[Cell, Cell]] = []
        if isinstance(document, LiteralResult):
            told.append(("literal", str(document.value)))
        if self._located.storage is not None:
            told += [("key", self._located.key), ("blob", self._state)]
            told += [("problem", self._problem)] if self._problem else []
            told += [("storage", storage_text(self._located.storage)), ("uri", self._uri() or "–")]
        if self._blob is not None:
            told += _of_blob(self._blob)
        return [*told, *_of_run(self._run)]

    def _described(self) -> BlobDescription | None:
        document, storage, key = self._located.document, self._located.storage, self._located.key
        if storage is None:
            return None
        try:
            blob = describe_blob(storage, key)
        except BlobMissing as error:
            self._state, self.code, self._problem = "missing", Exit.NOT_FOUND, str(error)
            return None
        except UnreadableResult as error:
            self._state, self.code, self._problem = "damaged", Exit.UNREADABLE, str(error)
            return None
        digest = document.digest if isinstance(document, PersistedResult) else None
        if digest not in (None, blob.digest):
            self._state, self.code = "replaced", Exit.UNREADABLE
            self._problem = "it is not the blob that the reference was made for"
        return blob

    def _uri(self) -> str | None:
        storage = self._located.storage
        return None if storage is None else storage.uri(self._located.key)


def _of_blob(blob: BlobDescription) -> Iterator[tuple[Cell, Cell]]:
    yield "size", size(blob.size)
    yield "serializer", _serializer_text(blob.serializer)
    if blob.frames is not None:
        yield "raw frames", f"{len(blob.frames)}, of {size(sum(blob.frames))}"
    yield "written", f"{local_time(blob.created.timestamp())} by upshot {blob.upshot_version}"
    yield "digest", blob.digest


def _serializer_text(description: dict[str, Any]) -> str:
    inner = description.get("serializer")
    own = [
        f"{name}={value}"
        for name, value in description.items()
        if name not in ("type", "serializer") and value is not None
    ]
    text = str(description.get("type"))
    if isinstance(inner, dict):
        own.append(_serializer_text(inner))
    return f"{text} ({', '.join(own)})" if own else text


def _of_run(run: Run | None) -> Iterator[tuple[Cell, Cell]]:
    if run is None:
        yield "made by", "no run that is recorded here"
        return
    yield "made by", f"{run.kind} {run.name}  {short_id(run)}"
    if isinstance(run, TaskRun) and run.flow_run is not None:
        yield "called by", f"flow run {run.flow_run.name}  {short_id(run.flow_run)}"
    elif isinstance(run, FlowRun):
        yield "flow", run.flow_name
