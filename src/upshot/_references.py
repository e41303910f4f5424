"""References: from a value in a storage to its document, and back."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from upshot import _registry, blocks
from upshot._blob import PersistedResultBlob, read_blob, read_whole, write_blob
from upshot.documents import Failure, Mapped, PersistedResult
from upshot.exceptions import (
    InvalidOptionValue,
    UnknownStorage,
    UnreadableBlock,
    UntrustedReference,
    UnusableKey,
)
from upshot.filesystems import FileSystem
from upshot.records import Block, moment
from upshot.runstore import RunStore, open_store
from upshot.serializers import Serializer
from upshot.settings import get_current_settings


def write_reference(
    value: Any,
    storage: FileSystem,
    serializer: Serializer,
    key_fn: Callable[[], str],
    *,
    id: UUID | None = None,
    place: tuple[FileSystem, Block] | None = None,
    store: RunStore | None = None,
    at: datetime | None = None,
) -> PersistedResult[Any]:
    """Write a value and make its reference; blocks.

    Args:
        value: the value.
        storage: where it goes.
        serializer: how it becomes text.
        key_fn: gives its key.
        id: the storage's identity in the run store, if it has one of its own.
        place: the storage and its record, if they are known.
        store: the run store that is to know it; by default the one of the settings.
        at: when the blob was made; by default now.
    """
    described, block = place or blocks.identify(storage)
    if id is not None and id is not block.id:
        block = replace(block, id=id)
    blocks.register(described, block, store or open_store())
    key = _checked(key_fn())
    written = write_blob(described, key, serializer, value, created=at or moment(time.time()))
    return PersistedResult.made_of(
        {
            "type": "reference",
            "serializer_type": serializer.type,
            "storage_block_id": block.id,
            "storage_key": key,
            "uri": described.uri(key),
            "size": written.size,
            "digest": written.digest,
            "format": 1,
        }
    )


def _checked(key: object) -> str:
    if isinstance(key, str):
        return key
    raise TypeError(f"Expected type 'str' for result storage key; got value {key!r}")


def read_document(reference: PersistedResult[Any]) -> PersistedResultBlob:
    """The whole blob of a reference, its value still as text; blocks.

    Raises:
        MissingResult: a subclass of it that names the cause.
    """
    return read_whole(*place_of(reference))


def recorded_failure(flow_run: UUID | None, task_run: UUID | None) -> Failure | None:
    """What the run store has of the exception of a run; None if it has nothing."""
    store = open_store()
    run: Any = None
    if task_run is not None:
        run = store.task_run(task_run)
    if run is None and flow_run is not None:
        run = store.flow_run(flow_run)
    try:
        return Failure.model_validate_json(run.failure) if run and run.failure else None
    except ValidationError:
        return None


def read_reference(
    reference: PersistedResult[Any], *, trust: bool = False, mmap: Mapped = False
) -> Any:
    """The value behind a reference; blocks.

    Raises:
        MissingResult: a subclass of it that names the cause.
        InvalidOptionValue: if `mmap` is no word for how frames are mapped.
    """
    if mmap not in (False, True, "verified"):
        raise InvalidOptionValue("mmap", f'must be True, False or "verified"; got {mmap!r}')
    storage, key = place_of(reference, trust=trust)
    return read_blob(storage, key, digest=reference.digest, size=reference.size, mmap=mmap)


def place_of(reference: PersistedResult[Any], *, trust: bool = False) -> tuple[FileSystem, str]:
    """The storage that holds a reference's blob, and its key there.

    It is found by the storage's identity in the run store, else by the `uri` in a storage that is
    configured or recorded.

    Raises:
        UntrustedReference: if it is in none of these and `trust` is not given.
        UnknownStorage: if its storage is not known here, and it has no `uri` that can be opened.
        UnreadableBlock: if its storage has secrets, and the key for them is not here.
    """
    store, key, uri = open_store(), reference.storage_key, reference.uri
    try:
        storage = blocks.find(reference.storage_block_id, store)
    except (UnreadableBlock, UnusableKey):
        if uri is None or (found := _place_by_uri(uri, store)) is None:
            raise
        return found
    if storage is not None:
        if uri is None or storage.uri(key) in (None, uri) or storage.size(key) is not None:
            return storage, key
        # it was saved anew, for another place: what it had before may still be where it was
        return _place_by_uri(uri, store) or (storage, key)
    if uri is None:
        raise UnknownStorage(key, blocks.name_of(reference.storage_block_id, store))
    if (found := _place_by_uri(uri, store)) is not None:
        return found
    if not trust:
        raise UntrustedReference(key, uri)
    place = _anywhere(uri)
    inside = None if place is None else place.key_of(uri)
    if place is None or inside is None:
        raise UnknownStorage(key, uri)
    return place, inside


_BUCKETS = ("abfs", "abfss", "az", "gcs", "gs", "s3")


def _anywhere(uri: str) -> FileSystem | None:
    """The storage of all files of this machine, or of a whole bucket; None for other places."""
    place: FileSystem
    scheme, _, rest = uri.partition("://")
    if scheme == "file":
        place = _registry.load("storage", "local-file-system")(basepath="/")
        return place
    bucket = rest.partition("/")[0]
    if scheme not in _BUCKETS or not bucket:
        return None
    place = _registry.load("storage", "remote-file-system")(basepath=f"{scheme}://{bucket}")
    return place


def _place_by_uri(uri: str, store: RunStore) -> tuple[FileSystem, str] | None:
    configured = blocks.default_storage(get_current_settings())
    if (inside := configured.key_of(uri)) is not None:
        return configured, inside
    return blocks.find_by_uri(uri, store)
