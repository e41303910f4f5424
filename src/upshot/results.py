"""Results: from a value to its document, and from a document back to the value.

This module is all that another process needs to read a reference:
`PersistedResult.model_validate_json(text).get()`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, TypeVar
from uuid import UUID, uuid4

from upshot import _registry, blocks
from upshot._blob import read_blob, write_blob
from upshot._bridge import compatible
from upshot._keys import Runtime, check_template, format_key
from upshot.documents import (
    LITERALS,
    BaseResult,
    LiteralResult,
    PersistedResult,
    ResultDocument,
    UnknownResult,
    UnpersistedResult,
)
from upshot.exceptions import (
    BlobMissing,
    BlobReplaced,
    DroppedFromMemory,
    InvalidSettings,
    MissingResult,
    NotPersisted,
    UnknownPlugin,
    UnknownStorage,
    UnreadableResult,
    UntrustedReference,
)
from upshot.filesystems import FileSystem
from upshot.records import Block, moment
from upshot.runstore import RunStore, open_store
from upshot.serializers import Serializer
from upshot.settings import Settings, get_current_settings

T = TypeVar("T")


def DEFAULT_STORAGE_KEY_FN() -> str:
    """A new key that nothing else has."""
    return uuid4().hex


class ResultOptions(Protocol):
    """What a flow or a task says about its results; None where it says nothing."""

    persist_result: bool | None
    result_storage: FileSystem | str | None
    result_serializer: Serializer | str | None
    result_storage_key: str | None
    cache_result_in_memory: bool


@dataclass(frozen=True, kw_only=True)
class ResultFactory:
    """Makes documents of the values that a run returns.

    Attributes:
        persist_result: whether values are written to the storage.
        cache_result_in_memory: whether they are also kept in memory.
        serializer: how values become text.
        storage_block: where blobs go.
        storage_block_id: that storage's identity in the run store; None without persistence.
        storage_key_fn: gives each blob its key, unless `storage_key` does.
        storage_key: a template of the blobs' keys, or None.
    """

    persist_result: bool
    cache_result_in_memory: bool
    serializer: Serializer
    storage_block: FileSystem
    storage_block_id: UUID | None
    storage_key_fn: Callable[[], str] = DEFAULT_STORAGE_KEY_FN
    storage_key: str | None = None
    _place: tuple[FileSystem, Block] | None = field(default=None, compare=False, repr=False)

    def create(
        self, value: T, *, at: datetime, store: RunStore, runtime: Runtime | None = None
    ) -> ResultDocument[T]:
        """The document of a value, which is in its storage by then if it is to be there; blocks.

        Raises:
            UnserializableValue: if the serializer cannot take the value.
            StorageError: if the storage refuses it, or the key is none.
        """
        document: ResultDocument[T]
        if not self.persist_result:
            document = UnpersistedResult()
        elif type(value) in LITERALS:
            return LiteralResult(value=value)
        else:
            document = self._write(value, at, store, runtime)
        if self.cache_result_in_memory or (value is None and not self.persist_result):
            document.hold(value)
        else:
            document.drop()
        return document

    def storage(self) -> FileSystem:
        """The storage as it was when the factory was made, which is where blobs go."""
        return self._place[0] if self._place else self.storage_block

    def register(self, store: RunStore, *, recorded: bool = False) -> None:
        """Record the storage, for calls of `create` in another process, where it is `recorded`."""
        if self.persist_result and self._place:
            blocks.register(*self._place, store, recorded=recorded)

    def _create_result(self, obj: Any) -> ResultDocument[Any]:
        """The document of a value; an awaitable of it where the caller is async."""
        return self.create(obj, at=moment(time.time()), store=open_store())

    create_result = compatible(_create_result)

    def _write(
        self, value: T, at: datetime, store: RunStore, runtime: Runtime | None
    ) -> PersistedResult[T]:
        storage, block = self._place or blocks.identify(self.storage_block)
        blocks.register(storage, block, store)
        if self.storage_key is None:
            key = self.storage_key_fn()
        else:
            key = format_key(self.storage_key, runtime or Runtime({}))
        written = write_blob(storage, key, self.serializer, value, created=at)
        return PersistedResult(
            serializer_type=self.serializer.type,
            storage_block_id=block.id,
            storage_key=key,
            uri=storage.uri(key),
            size=written.size,
            digest=written.digest,
        )


def infer_factory(
    options: ResultOptions,
    *,
    parent: ResultFactory | None,
    settings: Settings,
    needs_persistence: bool,
) -> ResultFactory:
    """The factory of a run.

    Args:
        options: what the flow or task says itself, which always wins.
        parent: the factory of the flow around it, whose storage and serializer it takes.
        settings: what holds where neither says anything.
        needs_persistence: whether a feature in use (caching, retries of the flow around it)
            reads results back.
    """
    storage = _first_given(options.result_storage, parent and parent.storage())
    serializer = _first_given(options.result_serializer, parent and parent.serializer)
    persist = options.persist_result
    if persist is None:
        dropped = not options.cache_result_in_memory
        persist = needs_persistence or dropped or settings.results_persist_by_default
    storage = _storage(storage, settings)
    # as it is here and now: neither a later working directory nor a later setting moves it
    place = blocks.identify(storage)
    return ResultFactory(
        persist_result=persist,
        cache_result_in_memory=options.cache_result_in_memory,
        serializer=_serializer(serializer, settings),
        storage_block=storage,
        storage_block_id=place[1].id if persist else None,
        storage_key=options.result_storage_key,
        _place=place,
    )


def _first_given(*choices: Any) -> Any:
    return next((choice for choice in choices if choice is not None), None)


def _storage(choice: FileSystem | str | None, settings: Settings) -> FileSystem:
    if isinstance(choice, FileSystem):
        return choice
    if choice is not None:
        return blocks.made(choice)
    return blocks.default_storage(settings)


def _serializer(choice: Serializer | str | None, settings: Settings) -> Serializer:
    if isinstance(choice, Serializer):
        return choice
    try:
        name = choice or settings.results_default_serializer
        made: Serializer = _registry.load("serializer", name)()
    except UnknownPlugin as error:
        if choice is not None:
            raise
        raise InvalidSettings("UPSHOT_RESULTS_DEFAULT_SERIALIZER", str(error)) from None
    return made


def read_reference(reference: PersistedResult[Any], *, trust: bool = False) -> Any:
    """The value behind a reference; blocks.

    Raises:
        MissingResult: a subclass of it that names the cause.
    """
    storage, key = place_of(reference, trust=trust)
    return read_blob(storage, key, digest=reference.digest, size=reference.size)


def place_of(reference: PersistedResult[Any], *, trust: bool = False) -> tuple[FileSystem, str]:
    """The storage that holds a reference's blob, and its key there.

    It is found by the storage's identity in the run store, else by the `uri` in a storage that is
    configured or recorded.

    Raises:
        UntrustedReference: if it is in none of these and `trust` is not given.
        UnknownStorage: if its storage is not known here, and it has no `uri` that can be opened.
    """
    store, key, uri = open_store(), reference.storage_key, reference.uri
    storage = blocks.find(reference.storage_block_id, store)
    if storage is not None:
        return storage, key
    if uri is None:
        raise UnknownStorage(key, blocks.name_of(reference.storage_block_id, store))
    configured = blocks.default_storage(get_current_settings())
    if (inside := configured.key_of(uri)) is not None:
        return configured, inside
    if (found := blocks.find_by_uri(uri, store)) is not None:
        return found
    if not trust:
        raise UntrustedReference(key, uri)
    folder: FileSystem = _registry.load("storage", "local-file-system")(basepath="/")
    if (inside := folder.key_of(uri)) is None:
        raise UnknownStorage(key, uri)
    return folder, inside


__all__ = [
    "DEFAULT_STORAGE_KEY_FN",
    "BaseResult",
    "BlobMissing",
    "BlobReplaced",
    "DroppedFromMemory",
    "LiteralResult",
    "MissingResult",
    "NotPersisted",
    "PersistedResult",
    "ResultFactory",
    "Runtime",
    "UnknownResult",
    "UnknownStorage",
    "UnpersistedResult",
    "UnreadableResult",
    "UntrustedReference",
    "check_template",
    "infer_factory",
    "place_of",
    "read_reference",
]
