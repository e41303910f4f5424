"""What a storage does; `upshot.testing.StorageContract` states it as tests."""

from __future__ import annotations

import io
from abc import abstractmethod
from collections.abc import Awaitable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, BinaryIO, ClassVar
from uuid import UUID

from pydantic import ConfigDict, PrivateAttr

from upshot import _registry
from upshot._bridge import Compatible, compatible, run_blocking
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
    model_config = ConfigDict(extra="forbid", ignored_types=(Compatible,))

    # where the run store has it, if anywhere, and whether without a name
    _block_document_id: UUID | None = PrivateAttr(default=None)
    _is_anonymous: bool | None = PrivateAttr(default=None)

    @classmethod
    def __pydantic_init_subclass__(cls, **options: Any) -> None:
        super().__pydantic_init_subclass__(**options)
        if slug := vars(cls).get("slug"):
            _registry.register("storage", slug, cls)

    def __str__(self) -> str:
        """How messages name it; with no secret in it."""
        return repr(self)

    def __eq__(self, other: object) -> bool:
        # where it is recorded makes it no other storage
        return type(self) is type(other) and self.__dict__ == other.__dict__

    __hash__ = None  # type: ignore[assignment]

    @compatible
    def save(self, name: str) -> Any:
        """Keep this storage in the run store under a name; gives its identity there.

        Then `load(name)` gives it back, and `result_storage="type/name"` means it.

        Raises:
            BlockExists: if another storage of its type has the name.
        """
        return self._save_as(name)

    @compatible
    def _save(self, name: str | None = None, is_anonymous: bool = False) -> Any:
        return self._save_as(None if is_anonymous else name)

    @compatible(on_class=True)
    def load(cls: Any, name: str) -> Any:
        """The storage of this class that was saved under a name.

        Raises:
            UnknownBlock: if there is none.
        """
        rooms = _registry.load("room", "blocks")
        kind = cls.slug or f"{cls.__module__}:{cls.__qualname__}"
        return rooms.load(kind, name, rooms.open_store())

    def saved_id(self) -> UUID | None:
        """This storage's identity in the run store, if it was saved there under a name."""
        return self._block_document_id if self._is_anonymous is False else None

    def identified(self, id: UUID, *, saved: bool = False) -> None:
        """Note this storage's identity in the run store; one that was saved keeps its own."""
        if saved or self._is_anonymous is not False:
            self._block_document_id, self._is_anonymous = id, not saved

    def _save_as(self, name: str | None) -> UUID:
        rooms = _registry.load("room", "blocks")
        if name is not None:
            id: UUID = rooms.save(self, name, rooms.open_store())
        else:
            described, block = rooms.identify(self)
            rooms.register(described, block, rooms.open_store())
            id = block.id
        self.identified(id, saved=name is not None)
        return id

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
