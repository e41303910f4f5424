"""Values as pickles, in base64."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any, BinaryIO, ClassVar, Literal

import cloudpickle
from pydantic import field_validator

from upshot import _registry
from upshot.exceptions import StorageError
from upshot.serializers._base64 import Base64Writer, decode, decoding, encode
from upshot.serializers._columns import without_copies
from upshot.serializers._trouble import unserializable
from upshot.serializers.base import Serializer

PROTOCOL = 5
SMALL = 64 * 1024  # bytes of a text that is not worth a reader
PICKLERS: dict[str, Any] = {"cloudpickle": cloudpickle.CloudPickler, "pickle": pickle.Pickler}


class PickleSerializer(Serializer):
    """Any value that a pickle library takes, as base64 of its pickle.

    With `cloudpickle` or `pickle`, memory stays small whatever the size: large buffers go from
    the value to the text, and back, without a copy. Other libraries make the whole pickle first.

    Attributes:
        picklelib: import path of a library with `dumps` and `loads`.
        picklelib_version: its version, for the record.
    """

    escape_free: ClassVar[bool] = True

    type: Literal["pickle"] = "pickle"
    picklelib: str = "cloudpickle"
    picklelib_version: str | None = None

    @field_validator("picklelib")
    @classmethod
    def _is_a_pickle_library(cls, path: str) -> str:
        try:
            library = _registry.import_path(path)
        except ImportError as error:
            raise ValueError(f"Pickle library {path!r} cannot be imported: {error}") from error
        for method in ("dumps", "loads"):
            if not callable(getattr(library, method, None)):
                raise ValueError(f"Pickle library at {path!r} does not have a {method!r} method.")
        return path

    def dumps(self, value: Any) -> bytes:
        """The base64 of `picklelib.dumps(value)`."""
        try:
            return encode(self._library().dumps(value))
        except Exception as error:
            raise unserializable(self.type, value, error, self._library().dumps) from error

    def loads(self, text: bytes) -> Any:
        """The value of a pickle, with `picklelib.loads`."""
        return self._library().loads(decode(text))

    def dump_to(self, value: Any, write: Callable[[bytes], object]) -> None:
        """Pickle a value piece by piece."""
        pickler = PICKLERS.get(self.picklelib)
        if pickler is None:
            write(self.dumps(value))
            return
        text = Base64Writer(write)
        try:
            without_copies(pickler(text, PROTOCOL)).dump(value)
        except StorageError:
            raise
        except Exception as error:
            raise unserializable(self.type, value, error, self._discard) from error
        text.finish()

    def load_from(self, reader: BinaryIO) -> Any:
        """Unpickle a value piece by piece."""
        if self.picklelib not in PICKLERS:
            return self.loads(reader.read())
        start = reader.read(SMALL)
        if len(start) < SMALL:
            return self.loads(start)
        return pickle.Unpickler(decoding(reader, decode(start))).load()

    def _library(self) -> Any:
        return _registry.import_path(self.picklelib)

    def _discard(self, value: Any) -> None:
        PICKLERS[self.picklelib](Nowhere(), PROTOCOL).dump(value)


class Nowhere:
    """Takes bytes, to see whether there are any."""

    def write(self, data: Any) -> None:
        """Forget it."""
