"""What commands say of storages, without a secret in it, and of the blobs in them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ValidationError

from upshot import blocks
from upshot.blocks import default_storage
from upshot.documents import BaseResult, PersistedResult
from upshot.exceptions import StorageError, UntrustedReference, UpshotError
from upshot.filesystems import FileSystem
from upshot.filesystems._secrets import shown
from upshot.records import Run
from upshot.results import place_of
from upshot.runstore import RunStore
from upshot.settings import get_current_settings


def reference_of(run: Run) -> PersistedResult[Any] | None:
    """The reference that a run's record holds; None if it has none, or one of a later upshot."""
    try:
        document = BaseResult[Any].model_validate_json(run.result) if run.result else None
    except (ValidationError, UpshotError):
        return None
    return document if isinstance(document, PersistedResult) else None


def storage_facts(storage: FileSystem) -> dict[str, Any]:
    """What JSON says of a storage."""
    described, block = blocks.identify(storage)
    return {"type": block.type, "id": str(block.id), "fields": _fields(described)}


def storage_text(storage: FileSystem | None) -> str:
    """A storage as its class and its fields."""
    if storage is None:
        return "unknown"
    fields = _fields(storage.described())
    return f"{type(storage).__name__}({', '.join(f'{k}={v!r}' for k, v in fields.items())})"


def known_storages(store: RunStore) -> Iterator[FileSystem]:
    """The storage that the settings name, and all that the store has and that can be made here."""
    configured = default_storage(get_current_settings())
    seen = {blocks.identify(configured)[1].id}
    yield configured
    for block in store.blocks():
        storage = None if block.id in seen else blocks.readable(block, store)
        if storage is not None:
            seen.add(block.id)
            yield storage


def look_at(reference: PersistedResult[Any]) -> tuple[FileSystem | None, str]:
    """The storage of a reference, and where its blob stands.

    That is `there`, `missing`, `replaced` (its size is another), `unreachable` (its storage
    refuses) or `unknown storage`. Nothing of the blob is read.
    """
    try:
        storage, key = place_of(reference)
    except UntrustedReference:
        return None, "unknown storage"
    try:
        size = storage.size(key)
    except (StorageError, OSError):
        return storage, "unreachable"
    if size is None:
        return storage, "missing"
    return storage, "there" if reference.size in (None, size) else "replaced"


def _fields(storage: FileSystem) -> dict[str, Any]:
    return {name: _plain(value) for name, value in shown(storage).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return {name: _plain(part) for name, part in value}
    if isinstance(value, dict):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(part) for part in value]
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)
