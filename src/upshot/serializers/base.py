"""What a serializer does; `upshot.testing.SerializerContract` states it as tests."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO, ClassVar

from pydantic import ConfigDict

from upshot._models import Dispatched

_NEEDS_FRAMES = "{} says `framed = True`, so it needs `dump_frames` and `load_frames`"


class Serializer(Dispatched):
    """Turns values into UTF-8 text, as bytes, and back. It knows nothing of files.

    A subclass has a field `type` with a default of its own, by which blobs name it, and `dumps`
    and `loads`. For values larger than what should be copied it also has `dump_to` and
    `load_from`, which say the same in pieces. All fields of a subclass stand in the blobs that it
    writes.

    Attributes:
        escape_free: whether the text is ASCII without quotes, backslashes and control characters,
            as base64 is; a blob then holds it as it is.
        framed: whether it has `dump_frames` and `load_frames`; a blob then holds what these make.
    """

    registry_kind: ClassVar[str] = "serializer"
    escape_free: ClassVar[bool] = False
    framed: ClassVar[bool] = False
    model_config = ConfigDict(extra="forbid")

    type: str

    @abstractmethod
    def dumps(self, value: Any) -> bytes:
        """The text of a value.

        Raises:
            UnserializableValue: naming the place inside the value that cannot be taken.
        """

    @abstractmethod
    def loads(self, text: bytes) -> Any:
        """The value of a text that `dumps` or `dump_to` made."""

    def dump_to(self, value: Any, write: Callable[[bytes], object]) -> None:
        """Hand the text of a value to `write`, piece by piece.

        Raises:
            UnserializableValue: as `dumps`; some pieces may have been written by then.
            StorageError: whatever of it `write` raises.
        """
        write(self.dumps(value))

    def load_from(self, reader: BinaryIO) -> Any:
        """The value of the text that `reader` gives: a buffered one, whose `read(n)` gives less
        than `n` bytes only at the end.
        """
        return self.loads(reader.read())

    def dump_frames(self, value: Any, write: Callable[[Any], object]) -> Sequence[memoryview]:
        """Hand a value's bytes to `write`, piece by piece; gives buffers that belong to them.

        Raises:
            UnserializableValue: as `dumps`.
            StorageError: whatever of it `write` raises.
        """
        raise NotImplementedError(_NEEDS_FRAMES.format(type(self).__name__))

    def load_frames(self, reader: BinaryIO, frames: Sequence[Any]) -> Any:
        """The value of what `dump_frames` wrote, and of its buffers."""
        raise NotImplementedError(_NEEDS_FRAMES.format(type(self).__name__))

    def description(self) -> dict[str, Any]:
        """What a blob says of its serializer: enough to make an equal one."""
        return self.model_dump(mode="json")
