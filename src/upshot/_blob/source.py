"""The bytes of a blob, read in pieces."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO, Self

import orjson

from upshot._blob import format
from upshot.exceptions import BlobMissing, StorageError, StorageUnavailable
from upshot.filesystems import FileSystem

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class Source:
    """An open blob. A small one is in memory as a whole.

    Raises:
        BlobMissing: if there is none.
        StorageUnavailable: whatever goes wrong when it is opened and read.
    """

    def __init__(self, storage: FileSystem, key: str) -> None:
        self._storage, self._key = storage, key
        try:
            self._file: Any = storage.open(key)
        except FileNotFoundError as error:
            raise BlobMissing(key, str(storage)) from error
        except StorageError:
            raise
        except Exception as error:
            raise self._refusal(error) from error
        try:
            self._start = self._read(format.SMALL + 1)
            self.size = len(self._start)
            if self.size > format.SMALL:
                self.size = self._file.seek(0, io.SEEK_END)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: Any) -> None:
        self._file.close()

    def between(self, begin: int, end: int) -> bytes:
        """The bytes from `begin` up to `end`, or up to the end of the blob if that is nearer."""
        if end <= len(self._start):
            return self._start[begin:end]
        return self._read(end - begin, at=begin)

    def pieces(self, end: int, begin: int = 0) -> Iterator[bytes]:
        """All bytes from `begin` up to `end`."""
        for at in range(begin, end, format.PIECE):
            yield self.between(at, min(at + format.PIECE, end))

    def read_into(self, begin: int, target: memoryview) -> int:
        """Fill `target` with the bytes from `begin`; gives how many there were."""
        if begin + len(target) <= len(self._start) or not hasattr(self._file, "readinto"):
            found = self.between(begin, begin + len(target))
            target[: len(found)] = found
            return len(found)
        done = 0
        try:
            self._file.seek(begin)
            while done < len(target) and (more := self._file.readinto(target[done:])):
                done += more
        except StorageError:
            raise
        except Exception as error:
            raise self._refusal(error) from error
        return done

    def descriptor(self) -> int | None:
        """That of a local file; None for other files, which are copies of what a storage holds."""
        return self._file.fileno() if type(self._file) is io.FileIO else None

    def _read(self, size: int, at: int | None = None) -> bytes:
        try:
            if at is not None:
                self._file.seek(at)
            found: bytes = self._file.read(size)
            while len(found) < size:
                more = self._file.read(size - len(found))
                if not more:
                    break
                found += more
        except StorageError:
            raise
        except Exception as error:
            raise self._refusal(error) from error
        return found

    def _refusal(self, error: Exception) -> StorageUnavailable:
        return StorageUnavailable(str(self._storage), f"read {self._key!r}", format.said(error))


class _Part(io.RawIOBase):
    """The bytes that stand between two places of a blob."""

    def __init__(self, source: Source, begin: int, end: int) -> None:
        self._source, self._at, self._end = source, begin, end

    def readable(self) -> bool:
        return True

    def readinto(self, target: WriteableBuffer) -> int:
        with memoryview(target).cast("B") as view:
            found = self._source.read_into(self._at, view[: self._end - self._at])
            self._at += found
            return found


class _EscapedText(io.RawIOBase):
    """The text behind the inside of a JSON string."""

    def __init__(self, escaped: BinaryIO) -> None:
        self._escaped = escaped
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._rest = ""  # of an escape that was cut in two
        self._text = b""

    def readable(self) -> bool:
        return True

    def readinto(self, target: WriteableBuffer) -> int:
        with memoryview(target).cast("B") as view:
            while not self._text:
                piece = self._escaped.read(format.PIECE)
                if not piece and not self._rest:
                    return 0
                self._unescape(piece)
            found, self._text = self._text[: len(view)], self._text[len(view) :]
            view[: len(found)] = found
            return len(found)

    def _unescape(self, piece: bytes) -> None:
        text = self._rest + self._decoder.decode(piece, final=not piece)
        cut = _last_whole(text) if piece else len(text)
        self._text, self._rest = _unescaped(text[:cut].encode()), text[cut:]


def _last_whole(text: str) -> int:
    """How much of a text there is before an escape that may be cut in two at its end."""
    last = text.rfind("\\", -6)
    if last < 0:
        return len(text)
    before = text[: last + 1]
    if (len(before) - len(before.rstrip("\\"))) % 2 == 0:
        return len(text)  # a backslash that is escaped itself
    length = 6 if text[last + 1 : last + 2] == "u" else 2
    return len(text) if last + length <= len(text) else last


def _unescaped(escaped: bytes) -> bytes:
    """The text behind the inside of a JSON string."""
    text: str = orjson.loads(b'"' + escaped + b'"')
    return text.encode()


def data_reader(source: Source, begin: int, end: int, *, escaped: bool) -> BinaryIO:
    """A reader of the text of a value."""
    if end - begin <= format.SMALL:
        small = source.between(begin, end)
        return io.BytesIO(_unescaped(small) if escaped else small)
    text = part_reader(source, begin, end)
    return io.BufferedReader(_EscapedText(text), format.PIECE) if escaped else text


def part_reader(source: Source, begin: int, end: int) -> BinaryIO:
    """A reader of the bytes between two places."""
    return io.BufferedReader(_Part(source, begin, end), format.PIECE)
