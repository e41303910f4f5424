"""The text of another serializer, compressed, in base64."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, BinaryIO, ClassVar, Literal

from pydantic import Field, SerializeAsAny, field_validator

from upshot import _registry
from upshot.exceptions import MissingExtra
from upshot.serializers._base64 import Base64Writer, decode, decoding, encode
from upshot.serializers._codecs import CODECS, EXTRAS, PATHS
from upshot.serializers.base import Serializer
from upshot.serializers.json import JSONSerializer
from upshot.serializers.pickle import PickleSerializer


class CompressedSerializer(Serializer):
    """What another serializer makes, compressed.

    With `bz2`, `gzip`, `lz4`, `lzma`, `zlib` and `zstd` it takes the text of the other in pieces
    (`lzma` needs 100 MB for itself to compress). Other libraries take it whole.

    Attributes:
        serializer: the other serializer; its type will do.
        compressionlib: import path of a library with `compress` and `decompress`; `lz4` and `zstd`
            mean `lz4.frame` and `zstandard`, which are extras (`pip install 'upshot[zstd]'`).
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
        path = PATHS.get(path, path)
        try:
            library = _registry.import_path(path)
        except ImportError as error:
            if path in EXTRAS:
                raise MissingExtra(f"compressionlib {path!r}", *EXTRAS[path]) from error
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
        codec = CODECS.get(self.compressionlib)
        if codec is None or codec.takes_whole:
            return self.serializer.loads(self._library().decompress(decode(text)))
        return self.serializer.loads(codec.reader(io.BytesIO(decode(text))).read())

    def dump_to(self, value: Any, write: Callable[[bytes], object]) -> None:
        """Compress the other's text piece by piece."""
        codec = CODECS.get(self.compressionlib)
        if codec is None:
            write(self.dumps(value))
            return
        text, compressor = Base64Writer(write), codec.compressor()
        self.serializer.dump_to(value, lambda piece: text.write(compressor.compress(piece)))
        text.write(compressor.flush())
        text.finish()

    def load_from(self, reader: BinaryIO) -> Any:
        """Decompress the other's text piece by piece."""
        codec = CODECS.get(self.compressionlib)
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
