"""Storages in the run store: kept when a result first needs them, found again by identity.

A storage that nobody saved under a name has an identity that follows from what it is, so that
equal storages share one row, in every process.
"""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID, uuid5
from weakref import WeakKeyDictionary

from pydantic import BaseModel, SecretBytes, SecretStr, ValidationError
from pydantic_core import PydanticSerializationError

from upshot import _registry
from upshot.exceptions import BlockExists, InvalidOption, UnknownBlock, UnknownPlugin
from upshot.filesystems import FileSystem
from upshot.records import Block, new_id
from upshot.runstore import RunStore, open_store
from upshot.settings import Settings

_NAMESPACE = UUID("0d9c6f6e-8f1c-5d0b-9c5e-6a1f3b0f7a55")

_known: WeakKeyDictionary[RunStore, dict[UUID, FileSystem]] = WeakKeyDictionary()


def identify(storage: FileSystem) -> tuple[FileSystem, Block]:
    """A storage as it is here and now, and what the run store keeps of it.

    Equal storages have the same id. The first is what to write to, also if the working directory
    or a setting changes before that.
    """
    described = storage.described()
    cls = type(described)
    # its own name only: a subclass of a storage is another storage
    kind = vars(cls).get("slug") or f"{cls.__module__}:{cls.__qualname__}"
    fields = _recordable(described)
    id = storage.saved_id() or uuid5(_NAMESPACE, f"{kind}\n{fields}")
    return described, Block(id=id, type=kind, fields=fields)


def _recordable(storage: FileSystem) -> str:
    """A storage's fields as JSON.

    Raises:
        InvalidOption: if one cannot be recorded, or must not be: a secret would stand there.
    """
    for name, value in storage:
        if _holds_secret(value):
            what = f"{type(storage).__name__} has the secret field {name!r}"
            problem = f"{what}, which cannot be recorded yet; read it from the environment"
            raise InvalidOption("result_storage", problem)
    try:
        return storage.model_dump_json()
    except PydanticSerializationError as error:
        problem = f"the fields of {type(storage).__name__} cannot be recorded: {error}"
        raise InvalidOption("result_storage", problem) from error


def _holds_secret(value: object) -> bool:
    if isinstance(value, dict):
        return any(map(_holds_secret, value.values()))
    if isinstance(value, list | tuple | set | frozenset):
        return any(map(_holds_secret, value))
    if isinstance(value, BaseModel):
        return any(_holds_secret(item) for _, item in value)
    return isinstance(value, SecretBytes | SecretStr)


def made(name: str) -> FileSystem:
    """The saved storage `type/name`, or one of a type with all fields left at their defaults.

    Raises:
        UnknownPlugin: if there is no such storage.
        InvalidOption: if it needs to be told more.
        UnknownBlock: if `type/name` was given, and none was saved so.
    """
    kind, slash, saved = name.partition("/")
    if slash:
        return load(kind, saved, open_store())
    try:
        return storage_class(name)()
    except ValidationError as error:
        missing = ", ".join(str(item["loc"][0]) for item in error.errors() if item["loc"])
        problem = f"{name!r} needs more than its name ({missing}); give an instance"
        raise InvalidOption("result_storage", problem) from error


def save(storage: FileSystem, name: str, store: RunStore) -> UUID:
    """Keep a storage under a name, by which programs can then load it; gives its identity.

    Raises:
        BlockExists: if another storage of its type has the name.
        InvalidOption: if the name is none, or a field of the storage cannot be recorded.
    """
    if not name or "/" in name:
        raise InvalidOption("name", f"a storage is saved under a name without `/`; got {name!r}")
    described, found = identify(storage)
    block = replace(found, id=UUID(bytes=new_id()), name=name)
    if _named(block.type, name, store) is not None:
        raise BlockExists(block.type, name)
    try:
        store.save_block(block)
    except ValueError as error:
        raise BlockExists(block.type, name) from error
    _known.setdefault(store, {})[block.id] = described
    return block.id


def load(kind: str, name: str, store: RunStore) -> FileSystem:
    """The storage that was saved under a name.

    Raises:
        UnknownPlugin: if there is no such type of storages.
        UnknownBlock: if no storage of that type has the name.
    """
    storage_class(kind)
    block = _named(kind, name, store)
    storage = None if block is None else _restore(block)
    if block is None or storage is None:
        raise UnknownBlock(kind, name)
    storage.identified(block.id, saved=True)
    return storage


def _named(kind: str, name: str, store: RunStore) -> Block | None:
    return next(
        (block for block in store.blocks() if (block.type, block.name) == (kind, name)), None
    )


def register(storage: FileSystem, block: Block, store: RunStore, *, recorded: bool = False) -> None:
    """Make sure that `store` has the storage, before the first reference to it is written.

    Where it is `recorded`, by another process, nothing is written.
    """
    known = _known.setdefault(store, {})
    if block.id not in known:
        if not recorded:
            store.save_block(block)
        known[block.id] = storage


def find(id: UUID, store: RunStore) -> FileSystem | None:
    """The storage with this identity; None if the store has none that can be made here."""
    known = _known.setdefault(store, {})
    if id not in known:
        block = store.block(id)
        storage = None if block is None else _restore(block)
        if storage is None:
            return None
        known[id] = storage
    return known[id]


def name_of(id: UUID, store: RunStore) -> str:
    """What messages call a storage that cannot be had here."""
    block = store.block(id)
    return f"storage {id}" if block is None else f"storage {id} of type {block.type!r}"


def find_by_uri(uri: str, store: RunStore) -> tuple[FileSystem, str] | None:
    """The recorded storage that this place is in, and its key there; None if there is none."""
    for block in store.blocks():
        storage = find(block.id, store)
        key = storage.key_of(uri) if storage is not None else None
        if storage is not None and key is not None:
            return storage, key
    return None


def _restore(block: Block) -> FileSystem | None:
    try:
        cls = storage_class(block.type)
        return cls.model_validate_json(block.fields)
    except Exception:
        # its class is not here, or its module does not load; whoever asks names its identity
        return None


def storage_class(name: str) -> type[FileSystem]:
    """The class of a storage, by its name in the table or as `module:Class`.

    Raises:
        UnknownPlugin: if there is no such storage.
    """
    try:
        if ":" in name:
            found = _registry.import_path(name.replace(":", "."))
        else:
            found = _registry.load("storage", name)
    except ImportError as error:
        raise UnknownPlugin("storage", name, _registry.names("storage")) from error
    if not isinstance(found, type) or not issubclass(found, FileSystem):
        raise UnknownPlugin("storage", name, _registry.names("storage"))
    return found


def default_storage(settings: Settings) -> FileSystem:
    """Where results go that have no other storage: the one, or the folder, that the settings name.

    Raises:
        UnknownBlock: if no storage was saved under the name in the settings.
    """
    if settings.default_result_storage_block is not None:
        kind, _, name = settings.default_result_storage_block.partition("/")
        return load(kind, name, open_store(settings))
    storage = storage_class("local-file-system")
    return storage.model_validate({"basepath": str(settings.local_storage_path)})
