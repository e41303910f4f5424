"""What a storage does; `upshot.testing.StorageContract` states it as tests."""

from __future__ import annotations

import io
from abc import abstractmethod
from collections.abc import Awaitable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, BinaryIO, ClassVar

from pydantic import ConfigDict

from upshot import _registry
from upshot._bridge import run_blocking
from upshot._models import Model
from upshot.filesystems._keys import relative_key


class FileSystem(Model):
    """Keeps bytes under keys. It knows nothing of results.

    A key is a relative path with `/` between its parts. A reader of a key sees the old bytes, the
    new ones, or none, whoever writes and however the writer ends.

    A subclass has `read_path` and `write_path`, either of which may be async. For bytes larger
    than what should be copied it also has `open` and `writing`, which are the ones that upshot
    calls, and which block.
    """

    slug: ClassVar[str] = ""  # its name in the table of storages; "" for "module:Class"
    model_config = ConfigDict(extra="forbid")

    @classmethod
    def __pydantic_init_subclass__(cls, **options: Any) -> None:
        super().__pydantic_init_subclass__(**options)
        if slug := vars(cls).get("slug"):
            _registry.register("storage", slug, cls)

    def __str__(self) -> str:
        """How messages name it; with no secret in it."""
        return repr(self)

    @abstractmethod
    def read_path(self, path: str) -> Any:
        """All bytes under a key; `FileNotFoundError` if there are none."""

    @abstractmethod
    def write_path(self, path: str, content: bytes) -> Any:
        """Put bytes under a key."""

    def open(self, key: str) -> BinaryIO:
        """A seekable reader of the bytes under a key, which keeps giving these if they are
        replaced meanwhile.

        Raises:
            FileNotFoundError: if there is nothing under the key.
            InvalidStorageKey: if it is no key.
            StorageUnavailable: if the storage refuses.
        """
        return io.BytesIO(_settled(self.read_path(self._checked(key))))

    def writing(self, key: str) -> AbstractContextManager[BinaryIO]:
        """A writer whose bytes stand under the key once its block ends well; if the block raises,
        nothing has changed. It writes all that it is given, and is not to be closed.

        Raises:
            InvalidStorageKey: if it is no key.
            StorageUnavailable: if the storage refuses.
        """
        return self._spooled(key)

    def write(self, key: str, chunks: Iterable[bytes]) -> None:
        """Put all chunks, one after the other, under a key."""
        with self.writing(key) as file:
            for chunk in chunks:
                file.write(chunk)

    def size(self, key: str) -> int | None:
        """How many bytes are under a key; None if there is nothing."""
        try:
            with self.open(key) as file:
                return file.seek(0, io.SEEK_END)
        except FileNotFoundError:
            return None

    def uri(self, key: str) -> str | None:
        """Where a key's bytes are, for readers that do not have this object; None if nowhere."""
        return None

    def key_of(self, uri: str) -> str | None:
        """The key whose `uri` this is; None if it is not in this storage."""
        return None

    def described(self) -> FileSystem:
        """An equal storage that means the same in any process (say, with an absolute path)."""
        return self

    def _checked(self, key: str) -> str:
        # a storage that has paths of its own need not know what a key may be
        return relative_key(key, f"{type(self).__name__}:")

    @contextmanager
    def _spooled(self, key: str) -> Iterator[BinaryIO]:
        key, buffer = self._checked(key), io.BytesIO()
        yield buffer
        _settled(self.write_path(key, buffer.getvalue()))


def _settled(outcome: Any) -> Any:
    """What a method gave, waited for if it is async."""

    async def wait() -> Any:
        return await outcome

    return run_blocking(wait) if isinstance(outcome, Awaitable) else outcome
