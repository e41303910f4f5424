"""Cache keys, and whether what the cache has may be served."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from upshot.documents import BaseResult, PersistedResult, of_text, to_text
from upshot.exceptions import (
    BlobMissing,
    BlobReplaced,
    InvalidOption,
    StorageError,
    StorageUnavailable,
    UnknownPlugin,
    UnreadableBlock,
    UnreadableResult,
    UnusableKey,
)
from upshot.filesystems import FileSystem
from upshot.records import CacheEntry
from upshot.results import place_of
from upshot.runstore import open_store


def checked_key(key: object) -> str | None:
    """What a key function returned, if it can be a key.

    Raises:
        InvalidOption: if it is neither text nor None.
    """
    if key is None or isinstance(key, str):
        return key
    raise InvalidOption(
        "cache_key_fn", f"must return a str, or None for no caching; got {type(key).__name__}"
    )


def document_of(entry: CacheEntry) -> BaseResult[Any]:
    """The document of a cache entry.

    Raises:
        UnreadableResult: if it is of a kind that this release does not know.
    """
    try:
        return of_text(entry.document)
    except (ValidationError, UnknownPlugin) as error:
        raise UnreadableResult(entry.key, "the cache", str(error)) from error


def look_for(document: BaseResult[Any], *, read: bool) -> None:
    """See that a document's blob is there and has its size.

    Args:
        document: the document.
        read: read the value as well, which the document then has at hand.

    Raises:
        MissingResult: if it is gone, replaced, or in no storage that is known here.
        StorageUnavailable: if its storage refuses.
    """
    if not isinstance(document, PersistedResult):
        return
    try:
        if read:
            document.fetch()
            return
        storage, key = place_of(document)
    except UnreadableBlock as error:
        raise UnreadableResult(document.storage_key, error.block, error.problem) from error
    except UnusableKey as error:
        wanted = f"look for {document.storage_key!r}"
        raise StorageUnavailable(str(document.storage_block_id), wanted, str(error)) from error
    _check_size(document, storage, key)


def _check_size(document: PersistedResult[Any], storage: FileSystem, key: str) -> None:
    try:
        size = storage.size(key)
    except StorageError:
        raise
    except Exception as error:
        problem = f"{type(error).__name__}: {error}"
        raise StorageUnavailable(str(storage), f"look for {key!r}", problem) from error
    if size is None:
        raise BlobMissing(key, str(document.uri or document.storage_block_id))
    if document.size not in (None, size):
        raise BlobReplaced(key, str(document.uri or document.storage_block_id))


def strike_out(key: str, document: BaseResult[Any]) -> None:
    """Remove a document that turned out to be damaged from the cache, so that work runs again."""
    store = open_store()
    entry = store.cached(key)
    if entry is not None and entry.document == to_text(document):
        store.strike(entry)
