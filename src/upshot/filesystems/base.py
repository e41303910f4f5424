"""What a storage does; `upshot.testing.StorageContract` states it as tests."""

from __future__ import annotations

import io
from abc import abstractmethod
from collections.abc import Awaitable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from copy import deepcopy
from functools import partial
from typing import Any, BinaryIO, ClassVar, Self
from uuid import UUID
from weakref import WeakValueDictionary

from pydantic import (
    ConfigDict,
    GetCoreSchemaHandler,
    PrivateAttr,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    model_serializer,
)
from pydantic_core import core_schema

from upshot import _registry
from upshot._bridge import Compatible, compatible, run_blocking
from upshot._models import Model
from upshot.filesystems._keys import relative_key
from upshot.filesystems._names import slug_of
from upshot.filesystems._secrets import WITH_SECRETS, shown, without_input, written

# what a class that has the method, and not the first of these, has as the base has it: so that who
# changes how paths are read or written changes it for results, too
_ENGINES = {"read_path": ("open", "size", "uri", "key_of"), "write_path": ("writing",)}

local_classes: WeakValueDictionary[str, type[FileSystem]] = WeakValueDictionary()


class FileSystem(Model):
    """Keeps bytes under keys. It knows nothing of results.

    A key is a relative path with `/` between its parts. A reader of a key sees the old bytes, the
    new ones, or none, whoever writes and however the writer ends.

    A subclass has `read_path` and `write_path`, either of which may be async. For bytes larger
    than what should be copied it also has `open` and `writing`, which are the ones that upshot
    calls, and which block.
    """

    slug: ClassVar[str] = ""  # its name in the table of storages; "" for "module:Class"
    # fields that are secret whatever their type is; those of secret types need not stand here
    secret_fields: ClassVar[frozenset[str]] = frozenset()
    model_config = ConfigDict(
        extra="forbid", ignored_types=(Compatible,), hide_input_in_errors=True
    )

    # where the run store has it, if anywhere, and whether without a name
    _block_document_id: UUID | None = PrivateAttr(default=None)
    _block_document_name: str | None = PrivateAttr(default=None)
    _is_anonymous: bool | None = PrivateAttr(default=None)
    _saved_fields: Any = PrivateAttr(default=None)  # who changes one has another storage

    @classmethod
    def __pydantic_init_subclass__(cls, **options: Any) -> None:
        super().__pydantic_init_subclass__(**options)
        if slug := vars(cls).get("slug"):
            _registry.register("storage", slug, cls)
        if "<locals>" in cls.__qualname__:
            local_classes[f"{cls.__module__}:{cls.__qualname__}"] = cls
        for method, engine in _ENGINES.items():
            if method in vars(cls) and engine[0] not in vars(cls):
                for name in set(engine).difference(vars(cls)):
                    setattr(cls, name, vars(FileSystem)[name])

    def __repr_args__(self) -> Iterator[tuple[str, Any]]:
        fields = type(self).model_fields
        yield from ((name, value) for name, value in shown(self).items() if fields[name].repr)

    def __str__(self) -> str:
        """How messages name it; with no secret in it."""
        return repr(self)

    def json(self, *, include_secrets: bool = False, **options: Any) -> str:
        """This storage as JSON, with `**********` for secrets that are not to be included."""
        if include_secrets:
            options["context"] = WITH_SECRETS
        return self.model_dump_json(**options)

    @model_serializer(mode="wrap")
    def _without_secrets(
        self, handler: SerializerFunctionWrapHandler, info: SerializationInfo
    ) -> Any:
        return written(self, handler(self), info)

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        # around all validators, those of subclasses, too
        return core_schema.no_info_wrap_validator_function(without_input, handler(source))

    def __eq__(self, other: object) -> bool:
        # where it is recorded makes it no other storage
        return type(self) is type(other) and self.__dict__ == other.__dict__

    __hash__ = None  # type: ignore[assignment]

    @classmethod
    def get_block_type_slug(cls) -> str:
        """What stands before the `/` where a saved storage of this class is named."""
        return vars(cls).get("slug") or slug_of(cls.__qualname__)

    @compatible
    def save(self, name: str | None = None, overwrite: bool = False, client: Any = None) -> Any:
        """Keep this storage in the run store under a name; gives its identity there.

        Then `load(name)` gives it back, and `result_storage="type/name"` means it. Its secrets are
        encrypted.

        Args:
            name: lower-case letters, digits and dashes; may be left out where it has one.
            overwrite: take the place of the storage that has the name, with its identity.
            client: not needed; programs written for Prefect pass it.

        Raises:
            BlockExists: if another storage of its type has the name.
            InvalidOptionValue: if it is no name.
            InvalidOption: if a field cannot be recorded.
            UnusableKey: if it has secrets, and the key for them cannot be read or made.
        """
        return self._save_as(name or self._block_document_name or "", overwrite=overwrite)

    @compatible
    def _save(
        self,
        name: str | None = None,
        is_anonymous: bool = False,
        overwrite: bool = False,
        client: Any = None,
    ) -> Any:
        chosen = None if is_anonymous else name or self._block_document_name or ""
        return self._save_as(chosen, overwrite=overwrite)

    @compatible(on_class=True)
    def load(cls: Any, name: str, client: Any = None) -> Any:
        """The storage of this class that was saved under a name.

        Args:
            name: the name; also with the type before it, `type/name`.
            client: not needed; programs written for Prefect pass it.

        Raises:
            UnknownBlock: if there is none.
            UnreadableBlock: if its secrets were encrypted with a key that is not here.
        """
        rooms = _registry.load("room", "blocks")
        return rooms.load_of(cls, name, rooms.open_store())

    @classmethod
    def _from_block_document(cls, document: Any) -> Self:
        """The storage that a `BlockDocument` describes, with the identity that it says."""
        made: Self = _registry.load("room", "blocks").of_document(cls, document)
        return made

    def saved_id(self) -> UUID | None:
        """This storage's identity in the run store, if it was saved there as it is now."""
        if self._is_anonymous is not False or self._saved_fields != self.described().__dict__:
            return None
        return self._block_document_id

    def identified(self, id: UUID, *, name: str | None = None) -> None:
        """Note this storage's identity in the run store; one that has a name there keeps its own
        unless it is given another name."""
        if name is not None or self._is_anonymous is not False:
            self._block_document_id, self._is_anonymous = id, name is None
            self._block_document_name = name
            self._saved_fields = None if name is None else deepcopy(self.described().__dict__)

    def _save_as(self, name: str | None, *, overwrite: bool) -> UUID:
        rooms = _registry.load("room", "blocks")
        if name is not None:
            id: UUID = rooms.save(self, name, rooms.open_store(), overwrite=overwrite)
        else:
            described, block = rooms.identify(self)
            rooms.register(described, block, rooms.open_store())
            id = block.id
        self.identified(id, name=name)
        return id

    def _unless_by_path(self, cls: type[FileSystem], name: str) -> Any:
        """The method `name`, but that of `cls` where it would only call what calls this."""
        own = getattr(type(self), name)
        return partial(getattr(cls, name) if own is vars(FileSystem)[name] else own, self)

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
