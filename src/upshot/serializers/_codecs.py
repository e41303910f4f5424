"""How libraries compress in pieces."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, Protocol

from upshot import _registry
from upshot.serializers._base64 import PIECE

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class Compressor(Protocol):
    """Takes bytes, and gives what there is of their compressed form."""

    def compress(self, data: bytes, /) -> bytes:
        """Take more."""

    def flush(self) -> bytes:
        """The rest."""


class Codec(NamedTuple):
    """A library's way to work in pieces.

    Attributes:
        compressor: makes one.
        reader: makes a file that reads what the compressor made.
        takes_whole: whether the library's `decompress` takes that, too.
    """

    compressor: Callable[[], Compressor]
    reader: Callable[[BinaryIO], Any]
    takes_whole: bool = True


class _Inflated(io.RawIOBase):
    """What a zlib stream holds; the standard library has no file of that kind."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._inflater = file, zlib.decompressobj()

    def readable(self) -> bool:
        return True

    def readinto(self, target: WriteableBuffer) -> int:
        with memoryview(target).cast("B") as view:
            found = b""
            while not found and not self._inflater.eof:
                data = self._inflater.unconsumed_tail or self._file.read(PIECE)
                # it may hold back output of what it has consumed, so it is asked without input too
                found = self._inflater.decompress(data, len(view))
                if not found and not data:
                    raise EOFError("the compressed text ends too early")
            view[: len(found)] = found
            return len(found)


class _LZ4:
    """Frames of lz4, whose library has the start of one apart."""

    def __init__(self) -> None:
        self._compressor = _registry.import_path("lz4.frame.LZ4FrameCompressor")()

    def compress(self, data: bytes, /) -> bytes:
        """Take more."""
        return self._start() + bytes(self._compressor.compress(data))

    def flush(self) -> bytes:
        """The rest."""
        return self._start() + bytes(self._compressor.flush())

    def _start(self) -> bytes:
        if self._compressor.started():
            return b""
        return bytes(self._compressor.begin())


def _zstd_compressor() -> Any:
    return _registry.import_path("zstandard.ZstdCompressor")().compressobj()


def _zstd_reader(file: BinaryIO) -> Any:
    decompressor = _registry.import_path("zstandard.ZstdDecompressor")()
    stream = decompressor.stream_reader(file, read_size=PIECE, read_across_frames=True)
    return io.BufferedReader(stream, PIECE)


CODECS = {
    "bz2": Codec(bz2.BZ2Compressor, bz2.BZ2File),
    "gzip": Codec(
        lambda: zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS),
        lambda file: io.BufferedReader(gzip.GzipFile(fileobj=file), PIECE),
    ),
    "lz4.frame": Codec(_LZ4, lambda file: _registry.import_path("lz4.frame.LZ4FrameFile")(file)),
    "lzma": Codec(lzma.LZMACompressor, lzma.LZMAFile),
    "zlib": Codec(zlib.compressobj, lambda file: io.BufferedReader(_Inflated(file), PIECE)),
    # what it makes does not say how large the whole is, which `zstandard.decompress` asks for
    "zstandard": Codec(_zstd_compressor, _zstd_reader, takes_whole=False),
}

# what stands for the import path of a library
PATHS = {"lz4": "lz4.frame", "zstd": "zstandard"}

# libraries that are no part of Python: the extra that brings them, and their package
EXTRAS = {"lz4.frame": ("lz4", "lz4"), "zstandard": ("zstd", "zstandard")}
