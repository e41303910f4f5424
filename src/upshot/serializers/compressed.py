"""The text of another serializer, compressed, in base64."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar, Literal, NamedTuple, Protocol

from pydantic import Field, SerializeAsAny, field_validator

from upshot import _registry
from upshot.serializers._base64 import PIECE, Base64Writer, decode, decoding, encode
from upshot.serializers.base import Serializer
from upshot.serializers.json import JSONSerializer
from upshot.serializers.pickle import PickleSerializer

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class CompressedSerializer(Serializer):
    """What another serializer makes, compressed.

    With `bz2`, `gzip`, `lzma` and `zlib` it takes the text of the other in pieces (`lzma` needs
    100 MB for itself to compress). Other libraries take it whole.

    Attributes:
        serializer: the other serializer; its type will do.
        compressionlib: import path of a library with `compress` and `decompress`.
    """

    escape_free: ClassVar[bool] = True

    type: str = "compressed"
    serializer: SerializeAsAny[Serializer]
    compressionlib: str = "lzma"

    @field_validator("serializer", mode="before")
    @classmethod
    def _by_type(cls, choice: Any) -> Any:
        return {"type": choice} if isinstance(choice, str) else choice

    @field_validator("compressionlib")
    @classmethod
    def _is_a_compression_library(cls, path: str) -> str:
        try:
            library = _registry.import_path(path)
        except ImportError as error:
            raise ValueError(f"Compression library {path!r} cannot be imported: {error}") from error
        for method in ("compress", "decompress"):
            if not callable(getattr(library, method, None)):
                raise ValueError(
                    f"Compression library at {path!r} does not have a {method!r} method."
                )
        return path

    def dumps(self, value: Any) -> bytes:
        """The base64 of the compressed text of the other serializer."""
        return encode(self._library().compress(self.serializer.dumps(value)))

    def loads(self, text: bytes) -> Any:
        """The value of a text that `dumps` or `dump_to` made."""
        return self.serializer.loads(self._library().decompress(decode(text)))

    def dump_to(self, value: Any, write: Callable[[bytes], object]) -> None:
        """Compress the other's text piece by piece."""
        codec = _STREAMING.get(self.compressionlib)
        if codec is None:
            write(self.dumps(value))
            return
        text, compressor = Base64Writer(write), codec.compressor()
        self.serializer.dump_to(value, lambda piece: text.write(compressor.compress(piece)))
        text.write(compressor.flush())
        text.finish()

    def load_from(self, reader: BinaryIO) -> Any:
        """Decompress the other's text piece by piece."""
        codec = _STREAMING.get(self.compressionlib)
        if codec is None:
            return self.loads(reader.read())
        return self.serializer.load_from(codec.reader(decoding(reader)))

    def description(self) -> dict[str, Any]:
        """What a blob says of this serializer and of the other."""
        return {**super().description(), "serializer": self.serializer.description()}

    def _library(self) -> Any:
        return _registry.import_path(self.compressionlib)


class CompressedPickleSerializer(CompressedSerializer):
    """A compressed pickle."""

    type: Literal["compressed/pickle"] = "compressed/pickle"
    serializer: SerializeAsAny[Serializer] = Field(default_factory=PickleSerializer)


class CompressedJSONSerializer(CompressedSerializer):
    """Compressed JSON."""

    type: Literal["compressed/json"] = "compressed/json"
    serializer: SerializeAsAny[Serializer] = Field(default_factory=JSONSerializer)


class _Compressor(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...


class _Codec(NamedTuple):
    """A library's way to work in pieces; what comes out is what its `compress` would make."""

    compressor: Callable[[], _Compressor]
    reader: Callable[[BinaryIO], Any]


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


_STREAMING = {
    "bz2": _Codec(bz2.BZ2Compressor, bz2.BZ2File),
    "gzip": _Codec(
        lambda: zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS),
        lambda file: io.BufferedReader(gzip.GzipFile(fileobj=file), PIECE),
    ),
    "lzma": _Codec(lzma.LZMACompressor, lzma.LZMAFile),
    "zlib": _Codec(zlib.compressobj, lambda file: io.BufferedReader(_Inflated(file), PIECE)),
}
