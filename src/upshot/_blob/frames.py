"""A blob whose value lies as raw frames between two lines of JSON.

::

    {"layout":"frames","serializer":{…}}
    …
    {"frames":[{"offset":…,"size":…,"digest":"…"},…],"upshot_version":"…","created":"…","digest":"…"}

Spaces at the end of the first line, and zeros between the frames, let each frame begin at a
multiple of `ALIGNMENT`. The digest is of the first line and of the last one up to the end of its
list, so it stands for all frames.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import orjson

from upshot._blob import format
from upshot._blob.format import Damaged
from upshot._blob.source import Source, part_reader
from upshot._version import __version__
from upshot.documents import Mapped
from upshot.exceptions import UnserializableValue, UpshotError
from upshot.serializers import Serializer
from upshot.serializers._base64 import encode

ALIGNMENT = 64
PIECE = 1024 * 1024  # bytes of a frame that are hashed, and written or read, at a time
LAST_LIMIT = 64 * 1024 * 1024  # bytes of the last line
OWN_PAGES = 8 * 1024 * 1024  # bytes of a frame that is read into pages of its own

_LAST_BEGIN = b'\n{"frames":['


class Frames:
    """Writes such a blob, front to back."""

    def __init__(self, put: Callable[[Any], None]) -> None:
        self._put = put
        self._at = 0
        self._table: list[dict[str, Any]] = []
        self._digest = format.new_hash()

    def write(self, serializer: Serializer, value: Any, created: datetime) -> tuple[int, str]:
        """Write a value; gives the size and the digest of the blob.

        Raises:
            UnserializableValue: if the serializer cannot take the value.
            StorageError: if the storage refuses.
        """
        try:
            self._first_line(serializer)
            pickled = _Frame(self._add)
            buffers = serializer.dump_frames(value, pickled.write)
        except UpshotError:
            raise
        except Exception as error:
            raise UnserializableValue(serializer.type, "value", format.said(error)) from error
        self._note(pickled)
        for buffer in buffers:
            self._add(b"\0" * (-self._at % ALIGNMENT))
            frame = _Frame(self._add)
            frame.write(buffer)
            self._note(frame)
        return self._last_line(created)

    def _first_line(self, serializer: Serializer) -> None:
        line = format.FRAMES_BEGIN + orjson.dumps(serializer.description()) + b"}"
        line += b" " * (-(len(line) + 1) % ALIGNMENT) + b"\n"
        self._digest.update(line)
        self._add(line)

    def _last_line(self, created: datetime) -> tuple[int, str]:
        line = b'{"frames":' + orjson.dumps(self._table)
        self._digest.update(line)
        digest = f"{format.DIGEST}:{self._digest.hexdigest()}"
        self._add(b"\n" + line + format.tail(__version__, created, digest))
        return self._at, digest

    def _note(self, frame: _Frame) -> None:
        begin = self._at - frame.size
        self._table.append({"offset": begin, "size": frame.size, "digest": frame.digest()})

    def _add(self, piece: Any) -> None:
        self._put(piece)
        self._at += len(piece)


class _Frame:
    """Hashes what is written to it, and hands it on."""

    def __init__(self, add: Callable[[Any], None]) -> None:
        self._add = add
        self._hash = format.new_hash()
        self.size = 0

    def write(self, data: Any) -> int:
        with memoryview(data) as given, given.cast("B") as view:
            for piece in _pieces(view):
                self._hash.update(piece)
                self._add(piece)
            self.size += len(view)
            return len(view)

    def digest(self) -> str:
        return f"{format.DIGEST}:{self._hash.hexdigest()}"


class FramedBlob:
    """Such a blob, open; its two lines were found to be right.

    Attributes:
        description: of its serializer, as JSON.
        fields: what its last line holds.

    Raises:
        Damaged: if it is none, or not as it was written.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        first, self.description = self._first_line()
        last_at, last = self._last_line()
        end = last.rfind(b'],"upshot_version":"') + 1
        fields = format.parsed(last) if end else None
        if fields is None or not isinstance(fields.get("digest"), str):
            raise Damaged(_CUT_OFF)
        format.check_digest(fields["digest"], (first, last[:end]))
        self.fields = fields
        self._frames: list[dict[str, Any]] = fields["frames"]
        if not self._frames or last_at != _end_of(self._frames[-1]) + 1:
            raise Damaged("its frames are not where they were written")

    def sizes(self) -> list[int]:
        """How many bytes each frame has; the first is the pickle."""
        return [frame["size"] for frame in self._frames]

    def value(self, serializer: Serializer, mapping: Mapped = False) -> Any:
        """The value; no frame is looked at before its digest was found to be right.

        Args:
            serializer: what makes it of the frames.
            mapping: map frames of a local file into memory, and leave the digests of all but the
                first unverified; "verified" to verify these, too.
        """
        pickled, *others = self._frames
        self._verify(pickled, self._source.pieces(_end_of(pickled), pickled["offset"]))
        whole = _mapped(self._source) if mapping and others else None
        if whole is None:
            buffers = [self._read(frame) for frame in others]
        else:
            buffers = [whole[frame["offset"] : _end_of(frame)] for frame in others]
            for frame, buffer in zip(others, buffers, strict=True):
                if mapping == "verified":
                    self._verify(frame, _pieces(buffer))
        reader = part_reader(self._source, pickled["offset"], _end_of(pickled))
        return serializer.load_frames(reader, buffers)

    def text(self) -> bytes:
        """All frames as text, base64 with commas in between; the whole of it is in memory."""
        texts = []
        for frame in self._frames:
            content = self._source.between(frame["offset"], _end_of(frame))
            self._verify(frame, (content,))
            texts.append(encode(content))
        return b",".join(texts)

    def _verify(self, frame: dict[str, Any], pieces: Any) -> None:
        format.check_digest(frame["digest"], pieces)

    def _read(self, frame: dict[str, Any]) -> Any:
        room = _room(frame["size"])
        found, at = format.new_hash(), frame["offset"]
        with memoryview(room) as view:
            for piece in _pieces(view):
                self._source.read_into(at, piece)
                found.update(piece)
                at += len(piece)
        format.check_hash(frame["digest"], found)
        return room

    def _first_line(self) -> tuple[bytes, bytes]:
        start = self._source.between(0, format.SMALL)
        if b"\n" not in start:
            start = self._source.between(0, format.HEAD_LIMIT)
        line = start.partition(b"\n")[0] + b"\n"
        fields = format.parsed(line)
        if fields is None or not isinstance(fields.get("serializer"), dict):
            raise Damaged("it does not begin as a blob does: it is something else")
        return line, orjson.dumps(fields["serializer"])

    def _last_line(self) -> tuple[int, bytes]:
        size, limit = self._source.size, format.TAIL_LIMIT
        while True:
            begin = max(0, size - limit)
            end = self._source.between(begin, size)
            at = end.rfind(_LAST_BEGIN)
            if at >= 0:
                return begin + at + 1, end[at + 1 :]
            if limit >= min(size, LAST_LIMIT):
                raise Damaged(_CUT_OFF)
            limit *= 8


_CUT_OFF = "it does not end as a blob does: it was cut off, or is something else"


def _end_of(frame: dict[str, Any]) -> int:
    end: int = frame["offset"] + frame["size"]
    return end


def _pieces(view: memoryview) -> Iterator[memoryview]:
    for begin in range(0, len(view), PIECE):
        yield view[begin : begin + PIECE]


def _mapped(source: Source) -> memoryview | None:
    """The whole of a local file; what is written there stays in this process."""
    descriptor = source.descriptor()
    if descriptor is None:
        return None
    return memoryview(mmap.mmap(descriptor, 0, access=mmap.ACCESS_COPY))


def _room(size: int) -> Any:
    """Memory to read a frame into."""
    if size < OWN_PAGES or not hasattr(mmap, "MAP_ANONYMOUS"):
        return bytearray(size)
    # a bytearray would be filled with zeros first
    return mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
