"""Values as pickles whose large buffers lie beside them as they are in memory."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, BinaryIO, ClassVar, Literal

from pydantic import field_validator

from upshot.exceptions import StorageError
from upshot.serializers._base64 import decode
from upshot.serializers._columns import without_copies
from upshot.serializers._trouble import unserializable
from upshot.serializers.base import Serializer
from upshot.serializers.pickle import PICKLERS, PROTOCOL, Nowhere, PickleSerializer

LEAST = 64 * 1024  # bytes of a buffer that gets a frame of its own


class FramedPickleSerializer(Serializer):
    """Any value that a pickle library takes; its arrays are kept as raw frames.

    The blob is no JSON document then: the pickle and each large buffer stand in it as they are,
    between two lines of JSON. That is the fastest, and the arrays of a local file can be mapped
    into memory: `state.data.get(mmap=True)`.

    Attributes:
        picklelib: `cloudpickle` or `pickle`.
        picklelib_version: its version, for the record.
    """

    escape_free: ClassVar[bool] = True
    framed: ClassVar[bool] = True

    type: Literal["framed/pickle"] = "framed/pickle"
    picklelib: str = "cloudpickle"
    picklelib_version: str | None = None

    @field_validator("picklelib")
    @classmethod
    def _knows_buffers(cls, path: str) -> str:
        if path not in PICKLERS:
            raise ValueError(f"Frames are made by {' and '.join(PICKLERS)} only. Got {path!r}.")
        return path

    def dumps(self, value: Any) -> bytes:
        """A text of the value, where one is asked for: that of a plain pickle."""
        return self._plain().dumps(value)

    def loads(self, text: bytes) -> Any:
        """The value of such a text, or of frames as text: base64 with commas in between."""
        first, *others = text.split(b",")
        return pickle.loads(decode(first), buffers=[bytearray(decode(text)) for text in others])

    def dump_frames(self, value: Any, write: Callable[[Any], object]) -> Sequence[memoryview]:
        """Hand the pickle of a value to `write`, piece by piece; gives the buffers beside it."""
        frames: list[memoryview] = []

        def keep(buffer: pickle.PickleBuffer) -> bool:
            # what has gaps cannot stand as it is
            with suppress(BufferError):
                view = buffer.raw()
                if view.nbytes >= LEAST:
                    frames.append(view)
                    return False
            return True

        try:
            pickler = PICKLERS[self.picklelib](_Writer(write), PROTOCOL, buffer_callback=keep)
            without_copies(pickler).dump(value)
        except StorageError:
            raise
        except Exception as error:
            raise unserializable(self.type, value, error, self._discard) from error
        return frames

    def load_frames(self, reader: BinaryIO, frames: Sequence[Any]) -> Any:
        """The value of a pickle and the buffers beside it."""
        return pickle.Unpickler(reader, buffers=frames).load()

    def _discard(self, value: Any) -> None:
        PICKLERS[self.picklelib](Nowhere(), PROTOCOL).dump(value)

    def _plain(self) -> PickleSerializer:
        return PickleSerializer(picklelib=self.picklelib)


class _Writer:
    def __init__(self, write: Callable[[Any], object]) -> None:
        self.write = write
