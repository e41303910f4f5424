"""Base64 on the fly, in pieces that keep memory small."""

from __future__ import annotations

import io
from collections.abc import Callable
from pickle import PickleBuffer
from typing import TYPE_CHECKING, BinaryIO

from pybase64 import b64decode, b64encode

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

PIECE = 768 * 1024  # bytes before encoding; whole groups of three, so that no piece is padded


def encode(data: bytes) -> bytes:
    """The base64 text of `data`, on one line."""
    return b64encode(data)


def decode(text: bytes) -> bytes:
    """The bytes of a base64 text, which may have line ends.

    Raises:
        ValueError: if it is not base64.
    """
    return b64decode(text.replace(b"\n", b"") if b"\n" in text else text, validate=True)


class Base64Writer:
    """Encodes what is written to it, and hands the text to `write`."""

    __slots__ = ("_held", "_size", "_write")

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self._held: list[bytes] = []  # not encoded yet
        self._size = 0

    def write(self, data: ReadableBuffer) -> int:
        """Take more bytes; a large buffer is sliced, not copied."""
        if type(data) is bytes and self._size + len(data) <= PIECE:
            self._held.append(data)
            self._size += len(data)
            return len(data)
        with data.raw() if isinstance(data, PickleBuffer) else memoryview(data).cast("B") as view:
            self._encode(view)
            return len(view)

    def finish(self) -> None:
        """Hand on what is left."""
        if self._held:
            self._write(b64encode(b"".join(self._held)))
            self._held, self._size = [], 0

    def _encode(self, view: memoryview) -> None:
        held, self._held = b"".join(self._held), []
        begin = min(-len(held) % 3, len(view))
        end = len(view) - (len(view) - begin) % 3
        self._size = len(view) - end
        if self._size:
            self._held.append(bytes(view[end:]))
        if held or begin:
            self._write(b64encode(held + view[:begin]))
        for start in range(begin, end, PIECE):
            self._write(b64encode(view[start : min(start + PIECE, end)]))


class _Decoded(io.RawIOBase):
    def __init__(self, text: BinaryIO, begun: bytes) -> None:
        self._text = text
        self._rest = begun  # decoded already, and not asked for yet

    def readable(self) -> bool:
        return True

    def readinto(self, target: WriteableBuffer) -> int:
        with memoryview(target).cast("B") as view:
            done = 0
            while done < len(view):
                piece = self._rest or self._more(len(view) - done)
                if not piece:
                    break
                taken = min(len(piece), len(view) - done)
                view[done : done + taken] = piece[:taken] if taken < len(piece) else piece
                self._rest = piece[taken:]
                done += taken
            return done

    def _more(self, wanted: int) -> bytes:
        return b64decode(self._text.read(4 * -(-min(wanted, PIECE) // 3)), validate=True)


def decoding(text: BinaryIO, begun: bytes = b"") -> io.BufferedReader:
    """A reader of the bytes of a base64 text without line ends.

    Args:
        text: the text, or what is left of it.
        begun: the bytes of what was read of it before.
    """
    return io.BufferedReader(_Decoded(text, begun), PIECE)
