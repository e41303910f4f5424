"""The memory of this process as a storage."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, ClassVar

from upshot._bridge import compatible
from upshot.filesystems._keys import relative_key
from upshot.filesystems.base import FileSystem

_ROOT = "memory:"  # no absolute path is inside of it


class MemoryFileSystem(FileSystem):
    """Bytes in memory, for tests; all storages of one name share them, and end with the process.

    Attributes:
        name: which of the process's memories.
    """

    slug: ClassVar[str] = "memory"
    memories: ClassVar[dict[str, dict[str, bytes]]] = {}

    name: str = "default"

    def __str__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    @compatible
    def read_path(self, path: str) -> bytes:
        """All bytes under a key; `FileNotFoundError` if there are none."""
        return self._read(path)

    @compatible
    def write_path(self, path: str, content: bytes) -> str:
        """Put bytes under a key."""
        with self._unless_by_path(MemoryFileSystem, "writing")(path) as file:
            file.write(content)
        return path

    def open(self, key: str) -> BinaryIO:
        """A reader of the bytes that are under a key now."""
        return io.BytesIO(self._read(key))

    @contextmanager
    def writing(self, key: str) -> Iterator[BinaryIO]:
        """A writer whose bytes stand under the key once its block ends well."""
        key, buffer = self._key(key), io.BytesIO()
        yield buffer
        self.memories.setdefault(self.name, {})[key] = buffer.getvalue()

    def size(self, key: str) -> int | None:
        """How many bytes are under a key; None if there is nothing."""
        content = self.memories.get(self.name, {}).get(self._key(key))
        return None if content is None else len(content)

    def clear(self) -> None:
        """Forget all keys of this name."""
        self.memories.pop(self.name, None)

    def _read(self, key: str) -> bytes:
        try:
            return self.memories.get(self.name, {})[self._key(key)]
        except KeyError:
            raise FileNotFoundError(f"{self} has nothing under {key!r}") from None

    def _key(self, key: str) -> str:
        return relative_key(key, _ROOT)
