"""Results: from a value to its document, and from a document back to the value.

This module is all that another process needs to read a reference:
`PersistedResult.model_validate_json(text).get()`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

from upshot import _registry, blocks
from upshot._blob import PersistedResultBlob
from upshot._bridge import compatible
from upshot._ids import new_name
from upshot._keys import Runtime, check_template, format_key
from upshot._references import place_of, read_reference, write_reference
from upshot._result_options import (
    Copied,
    ResultOptions,
    Said,
    first_given,
    serializer_of,
    storage_of,
)
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
    MissingResult,
    NotPersisted,
    UnknownStorage,
    UnreadableResult,
    UntrustedReference,
    UpstreamFailed,
)
from upshot.filesystems import FileSystem
from upshot.records import Block
from upshot.runstore import RunStore, open_store
from upshot.serializers import Serializer
from upshot.settings import Settings, get_current_settings

T = TypeVar("T")


def DEFAULT_STORAGE_KEY_FN() -> str:
    """A new key that nothing else has."""
    return new_name()


@dataclass(frozen=True, kw_only=True)
class ResultFactory(Copied):
    """Makes documents of the values that a run returns.

    Attributes:
        persist_result: whether values are written to the storage.
        cache_result_in_memory: whether they are also kept in memory.
        serializer: how values become text.
        storage_block: where blobs go.
        storage_block_id: that storage's identity in the run store; None if nothing is written and
            it was not saved under a name.
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
    _here: FileSystem | None = field(default=None, compare=False, repr=False)
    _block: Block | None = field(default=None, compare=False, repr=False)

    def create(
        self,
        value: T,
        *,
        at: datetime | None = None,
        store: RunStore,
        runtime: Runtime | None = None,
    ) -> ResultDocument[T]:
        """The document of a value, which is in its storage by then if it is to be there; blocks.

        Raises:
            UnserializableValue: if the serializer cannot take the value.
            StorageError: if the storage refuses it, or the key is none.
        """
        if isinstance(value, BaseResult):
            return value  # type: ignore[return-value]
        persist = self.persist_result
        if persist and type(value) in LITERALS:
            return LiteralResult(value=value)
        document: ResultDocument[T] = (
            self._write(value, at, store, runtime) if persist else UnpersistedResult.new()
        )
        keep = self.cache_result_in_memory or (value is None and not persist)
        return document.remember(value, keep=keep)

    @property
    def only_keeps(self) -> bool:
        """Whether values are kept in memory and nowhere else."""
        return self.cache_result_in_memory and not self.persist_result

    def storage(self) -> FileSystem:
        """The storage as it was when the factory was made, which is where blobs go."""
        return self.storage_block if self._here is None else self._here

    def register(self, store: RunStore, *, recorded: bool = False) -> None:
        """Record the storage, for calls of `create` in another process, where it is `recorded`."""
        if self.persist_result and self._block is not None:
            blocks.register(self.storage(), self._block, store, recorded=recorded)

    def create_now(self, obj: T) -> ResultDocument[T]:
        """As `create`, at this moment and for the current run store."""
        return self.create(obj, store=open_store())

    @compatible
    def create_result(self, obj: Any) -> Any:
        """The result of a value, which is in its storage by then if it is to be there.

        Raises:
            UnserializableValue: if the serializer cannot take the value.
            StorageError: if the storage refuses it, or the key is none.
        """
        return self.create_now(obj)

    @compatible(on_class=True)
    def default_factory(cls: Any, client: Any = None, **overrides: Any) -> Any:
        """The factory of a run that says nothing of its results and is in no flow.

        Args:
            client: not needed; programs written for Prefect pass it.
            overrides: what it says all the same: `persist_result`, `result_storage`,
                `result_serializer`, `cache_result_in_memory`, `storage_key_fn`; the names of the
                fields do as well.

        Raises:
            TypeError: if there is no such option.
        """
        return _default_factory(overrides)

    @compatible(on_class=True)
    def from_flow(cls: Any, flow: Any, client: Any = None) -> Any:
        """The factory of a call of `flow` here: in a flow run, of a subflow."""
        return _of_decorated(flow)

    @compatible(on_class=True)
    def from_task(cls: Any, task: Any, client: Any = None) -> Any:
        """The factory of a call of `task` here."""
        return _of_decorated(task)

    def _write(
        self, value: T, at: datetime | None, store: RunStore, runtime: Runtime | None
    ) -> PersistedResult[T]:
        key_fn = self.storage_key_fn
        if self.storage_key is not None:
            key_fn = partial(format_key, self.storage_key, runtime or Runtime({}))
        return write_reference(
            value,
            self.storage(),
            self.serializer,
            key_fn,
            id=self.storage_block_id,
            place=None if self._block is None else (self.storage(), self._block),
            store=store,
            at=at,
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
    storage: Any = first_given(options.result_storage, parent and parent.storage())
    serializer = first_given(options.result_serializer, parent and parent.serializer)
    persist = options.persist_result
    if persist is None:
        dropped = not options.cache_result_in_memory
        persist = needs_persistence or dropped or settings.results_persist_by_default
    storage = storage_of(storage, settings)
    # as it is here and now: neither a later working directory nor a later setting moves it
    described, block = blocks.identify(storage) if persist else (storage.described(), None)
    if block is not None:
        storage.identified(block.id)
        id: UUID | None = block.id
    elif parent is not None and options.result_storage is None:
        id = parent.storage_block_id
    else:
        id = storage.saved_id()
    return ResultFactory(
        persist_result=persist,
        cache_result_in_memory=options.cache_result_in_memory,
        serializer=serializer_of(serializer, settings),
        storage_block=storage,
        storage_block_id=id,
        storage_key=options.result_storage_key,
        _here=described,
        _block=block,
    )


def _default_factory(overrides: dict[str, Any]) -> ResultFactory:
    names = {"storage_block": "result_storage", "serializer": "result_serializer"}
    said = {names.get(name, name): value for name, value in overrides.items() if value is not None}
    key_fn = said.pop("storage_key_fn", DEFAULT_STORAGE_KEY_FN)
    id = said.pop("storage_block_id", None)
    settings = get_current_settings()
    factory = infer_factory(Said(**said), parent=None, settings=settings, needs_persistence=False)
    factory.register(open_store())
    return replace(factory, storage_key_fn=key_fn, storage_block_id=id or factory.storage_block_id)


def _of_decorated(decorated: Any) -> ResultFactory:
    around = _registry.load("room", "context").FlowRunContext.get()
    factory: ResultFactory = decorated._factory(around, get_current_settings())
    factory.register(open_store())
    return factory


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
    "PersistedResultBlob",
    "ResultFactory",
    "Runtime",
    "UnknownResult",
    "UnknownStorage",
    "UnpersistedResult",
    "UnreadableResult",
    "UntrustedReference",
    "UpstreamFailed",
    "check_template",
    "infer_factory",
    "place_of",
    "read_reference",
]
