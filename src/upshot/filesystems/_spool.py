"""Bytes on their way to or from a remote storage: few in memory, many in a temporary file."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

LIMIT = 2**20  # bytes that are held in memory


class Spool(io.RawIOBase):
    """Takes bytes, to be sent when they are all there."""

    def __init__(self) -> None:
        self._held = io.BytesIO()
        self._file: Any = None

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, data: ReadableBuffer, /) -> int:
        """Take all of `data`."""
        with memoryview(data) as view:
            if self._file is None and self._held.tell() + view.nbytes > LIMIT:
                self._file = tempfile.NamedTemporaryFile(prefix="upshot-")  # noqa: SIM115
                self._file.write(self._held.getbuffer())
                self._held = io.BytesIO()
            (self._held if self._file is None else self._file).write(view)
            return view.nbytes

    def send(self, held: Callable[[bytes], Any], filed: Callable[[str], Any]) -> None:
        """Hand over what was written: as bytes if it is little, else as the name of a file."""
        if self._file is None:
            held(self._held.getvalue())
        else:
            self._file.flush()
            filed(self._file.name)

    def close(self) -> None:
        """Forget it all."""
        if self._file is not None:
            self._file.close()
        super().close()


class _Fetched(io.FileIO):
    """A temporary file without a name, as far as the system has such."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        with suppress(OSError):
            os.unlink(name)

    def close(self) -> None:
        super().close()
        if os.name == "nt":  # where what is open keeps its name
            with suppress(OSError):
                os.unlink(str(self.name))


def fetched(into: Callable[[str], Any]) -> BinaryIO:
    """A reader of what `into` puts into the file whose name it is given."""
    descriptor, name = tempfile.mkstemp(prefix="upshot-")
    os.close(descriptor)
    try:
        into(name)
        return _Fetched(name)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise
