"""Writing a blob, front to back."""

from __future__ import annotations

import codecs
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from datetime import datetime
from typing import Any, BinaryIO, NamedTuple, Self

import orjson

from upshot import _registry
from upshot._blob import format
from upshot._listeners import events, listeners
from upshot._version import __version__
from upshot.exceptions import StorageError, StorageUnavailable, UnserializableValue, UpshotError
from upshot.filesystems import FileSystem
from upshot.serializers import Serializer


class Written(NamedTuple):
    """What a reference says of its blob: its size in bytes, and its digest."""

    size: int
    digest: str


def write_blob(
    storage: FileSystem, key: str, serializer: Serializer, value: Any, *, created: datetime
) -> Written:
    """Put a value under a key; the whole blob is there when this returns.

    Memory stays small if the serializer hands its text on in pieces. If anything is raised, what
    was under the key before is still there.

    Raises:
        UnserializableValue: if the serializer cannot take the value.
        InvalidStorageKey: if the key is none.
        StorageUnavailable: if the storage refuses.
    """
    began = time.perf_counter() if listeners else None
    with _Blob(storage, key) as blob:
        if serializer.framed:
            frames = _registry.load("room", "raw frames").Frames(blob.put)
            written = Written(*frames.write(serializer, value, created))
        else:
            _dump(serializer, value, blob.add)
            written = blob.finish(created)
    if began is not None:
        events().tell_written(written.size, began)
    return written


def _dump(serializer: Serializer, value: Any, add: Callable[[bytes], None]) -> None:
    try:
        add(format.head(serializer.description()))
        if serializer.escape_free:
            serializer.dump_to(value, add)
        else:
            text = _Escaping(add)
            serializer.dump_to(value, text.add)
            text.finish()
    except UpshotError:
        raise
    except _NoText as error:
        raise UnserializableValue(serializer.type, "value", str(error)) from error.__cause__
    except Exception as error:
        raise UnserializableValue(serializer.type, "value", format.said(error)) from error


class _NoText(Exception):
    """A serializer gave what a JSON document cannot hold."""


class _Escaping:
    """Turns UTF-8 text into the inside of a JSON string."""

    def __init__(self, add: Callable[[bytes], None]) -> None:
        self._add = add
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def add(self, piece: bytes) -> None:
        _check(piece)
        for start in range(0, len(piece), format.PIECE):
            self._escape(piece[start : start + format.PIECE])

    def finish(self) -> None:
        self._escape(b"", final=True)

    def _escape(self, piece: bytes, final: bool = False) -> None:
        try:
            text = self._decoder.decode(piece, final)
        except UnicodeDecodeError as error:
            raise _NoText("it gave bytes that are not UTF-8 text; base64 would be") from error
        self._add(orjson.dumps(text)[1:-1])


def _check(piece: Any) -> None:
    if not isinstance(piece, bytes):
        raise _NoText(f"it gave {type(piece).__name__}, where UTF-8 text as bytes is needed")


class _Blob:
    """A blob in the making. A small one is held until it is finished; the pieces of a larger one
    go on to the storage as they come.
    """

    def __init__(self, storage: FileSystem, key: str) -> None:
        self._storage, self._key = storage, key
        self._held: list[bytes] = []
        self._held_size = self._size = 0
        self._hash = format.new_hash()
        self._writing: AbstractContextManager[BinaryIO] | None = None
        self._file: BinaryIO | None = None

    def add(self, piece: bytes) -> None:
        _check(piece)
        self._held.append(piece)
        self._held_size += len(piece)
        if self._held_size > format.SMALL:
            for held in self._held:
                self._hash.update(held)
                self.put(held)
            self._held, self._held_size = [], 0

    def finish(self, created: datetime) -> Written:
        rest = b"".join((*self._held, b'"'))
        self._hash.update(rest)
        digest = f"{format.DIGEST}:{self._hash.hexdigest()}"
        self.put(rest + format.tail(__version__, created, digest))
        return Written(self._size, digest)

    def put(self, piece: bytes) -> None:
        try:
            if self._file is None:
                writing = self._storage.writing(self._key)
                self._file, self._writing = writing.__enter__(), writing
            self._file.write(piece)
        except StorageError:
            raise
        except Exception as error:
            raise self._refusal(error) from error
        self._size += len(piece)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: Any) -> None:
        if self._writing is None:
            return
        if raised[0] is not None:
            # what a storage says of its own clearing up must not hide it
            with suppress(Exception):
                self._writing.__exit__(*raised)
            return
        try:
            self._writing.__exit__(None, None, None)
        except StorageError:
            raise
        except Exception as error:
            raise self._refusal(error) from error

    def _refusal(self, error: Exception) -> StorageUnavailable:
        return StorageUnavailable(str(self._storage), f"write {self._key!r}", format.said(error))
