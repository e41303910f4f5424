"""Reading a blob: the digest first, then the value."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from upshot import _registry
from upshot._blob import format
from upshot._blob.format import Damaged
from upshot._blob.source import Source, data_reader
from upshot._listeners import events, listeners
from upshot.documents import Mapped
from upshot.exceptions import BlobReplaced, StorageError, UnreadableResult
from upshot.filesystems import FileSystem
from upshot.serializers import Serializer

if TYPE_CHECKING:
    from upshot._blob.frames import FramedBlob


@dataclass(frozen=True, slots=True)
class BlobDescription:
    """What a blob says of itself.

    Attributes:
        serializer: the type and the fields of its serializer.
        upshot_version: which upshot wrote it.
        created: when.
        digest: of all bytes up to the end of the data: `xxh3-128:` and 32 hexadecimal digits.
        size: of the blob, in bytes.
        frames: how many bytes each raw frame has, the pickle first; None where there are none.
    """

    serializer: dict[str, Any]
    upshot_version: str
    created: datetime
    digest: str
    size: int
    frames: tuple[int, ...] | None = None


def read_blob(
    storage: FileSystem,
    key: str,
    *,
    digest: str | None = None,
    size: int | None = None,
    mmap: Mapped = False,
) -> Any:
    """The value under a key.

    Nothing in the blob is looked at before its digest was found to be right; larger ones are read
    twice for that. Memory holds little more than the value if the serializer reads in pieces.

    Args:
        storage: where it is.
        key: its key there.
        digest: what its digest must be; None for anything.
        size: what its size must be; None for anything.
        mmap: map raw frames of a local file; their digests are verified for "verified" only.

    Raises:
        BlobMissing: if there is nothing under the key.
        BlobReplaced: if a blob is there, and whole, but not the one with that digest and size.
        UnreadableResult: if the blob is damaged, or its value cannot be made of it here.
        InvalidStorageKey: if the key is none.
        StorageUnavailable: if the storage refuses.
    """
    began = time.perf_counter() if listeners else None
    with Source(storage, key) as source:
        try:
            framed = framed_blob(source)
            if framed is not None:
                quote, tail = 0, framed.fields
            else:
                quote, tail = _ending(source)
                format.check_digest(tail["digest"], source.pieces(quote + 1))
            if digest not in (None, tail["digest"]) or size not in (None, source.size):
                raise BlobReplaced(key, str(storage))
            if framed is not None:
                value = framed.value(_serializer_of(framed.description), mmap)
            else:
                value = _value(source, quote)
        except (StorageError, BlobReplaced):
            raise
        except Damaged as error:
            raise UnreadableResult(key, str(storage), str(error)) from error
        except Exception as error:
            raise UnreadableResult(key, str(storage), format.said(error)) from error
    if began is not None:
        events().tell_read(source.size, began)
    return value


def describe_blob(storage: FileSystem, key: str) -> BlobDescription:
    """What the blob under a key says of itself.

    Its data is neither read nor verified, and nothing is imported.

    Raises:
        BlobMissing: if there is nothing under the key.
        UnreadableResult: if what is there is no blob.
        InvalidStorageKey: if the key is none.
        StorageUnavailable: if the storage refuses.
    """
    with Source(storage, key) as source:
        try:
            framed = framed_blob(source)
            tail = _ending(source)[1] if framed is None else framed.fields
            description = _beginning(source)[0] if framed is None else framed.description
            return BlobDescription(
                serializer=format.parsed(description) or {},
                upshot_version=str(tail["upshot_version"]),
                created=datetime.fromisoformat(tail["created"]),
                digest=tail["digest"],
                size=source.size,
                frames=None if framed is None else tuple(framed.sizes()),
            )
        except Damaged as error:
            raise UnreadableResult(key, str(storage), str(error)) from error
        except (KeyError, TypeError, ValueError) as error:
            raise UnreadableResult(key, str(storage), format.said(error)) from error


def framed_blob(source: Source) -> FramedBlob | None:
    """The blob, if it is one of raw frames, by how it begins."""
    if source.between(0, len(format.FRAMES_BEGIN)) != format.FRAMES_BEGIN:
        return None
    opened: FramedBlob = _registry.load("room", "raw frames").FramedBlob(source)
    return opened


def _ending(source: Source) -> tuple[int, dict[str, Any]]:
    """Where the quote after the data is, and the fields that follow."""
    begin = max(0, source.size - format.TAIL_LIMIT)
    quote, tail = format.find_tail(source.between(begin, source.size))
    return begin + quote, tail


def _beginning(source: Source) -> tuple[bytes, int]:
    """The description of the serializer, as JSON, and where the data begins."""
    limit = 4096
    while True:
        found = format.find_data(source.between(0, min(limit, source.size)))
        if found is not None:
            return found
        if limit >= min(format.HEAD_LIMIT, source.size):
            raise Damaged("it does not begin as a blob does: it is something else")
        limit *= 8


def _value(source: Source, end: int) -> Any:
    description, begin = _beginning(source)
    serializer = _serializer_of(description)
    escaped = not serializer.escape_free
    return serializer.load_from(data_reader(source, begin, end, escaped=escaped))


def _serializer_of(description: bytes) -> Serializer:
    serializer = _serializer(description)
    if _registry.load("serializer", serializer.type) is not type(serializer):
        # its class was defined anew
        _serializer.cache_clear()
        serializer = _serializer(description)
    return serializer


@lru_cache(maxsize=64)
def _serializer(description: bytes) -> Serializer:
    return Serializer.model_validate_json(description)
