"""Storages in the run store: kept when a result first needs them, found again by identity."""

from __future__ import annotations

from uuid import UUID, uuid5
from weakref import WeakKeyDictionary

from upshot import _registry
from upshot.blocks._fields import digest, encrypted, recorded, restored
from upshot.exceptions import UnknownPlugin, UnreadableBlock, UnusableKey
from upshot.filesystems import FileSystem
from upshot.filesystems.base import local_classes
from upshot.records import Block
from upshot.runstore import RunStore

_NAMESPACE = UUID("0d9c6f6e-8f1c-5d0b-9c5e-6a1f3b0f7a55")

_known: WeakKeyDictionary[RunStore, dict[UUID, FileSystem]] = WeakKeyDictionary()


def identify(storage: FileSystem) -> tuple[FileSystem, Block]:
    """A storage as it is here and now, and what the run store keeps of it.

    Equal storages have the same id. The first is what to write to, also if the working directory
    or a setting changes before that.

    Raises:
        InvalidOption: if a field cannot be recorded.
        UnusableKey: if it has secrets, and the key for them cannot be read or made.
    """
    described = storage.described()
    kind = kind_of(type(described))
    fields, secret = recorded(described)
    what = f"{kind}\n{fields}"
    if secret is not None:
        what = f"{what}\n{digest(secret)}"
    id = storage.saved_id() or uuid5(_NAMESPACE, what)
    secrets = None if secret is None else encrypted(secret)
    return described, Block(id=id, type=kind, fields=fields, secrets=secrets)


def kind_of(cls: type[FileSystem]) -> str:
    """How the run store has a class: by its name in the table, or as `module:Class`."""
    # its own name only: a subclass of a storage is another storage
    return vars(cls).get("slug") or f"{cls.__module__}:{cls.__qualname__}"


def register(storage: FileSystem, block: Block, store: RunStore, *, recorded: bool = False) -> None:
    """Make sure that `store` has the storage, before the first reference to it is written.

    Where it is `recorded`, by another process, nothing is written.
    """
    known = known_storages(store)
    if block.id not in known:
        if not recorded:
            store.save_block(block)
        known[block.id] = storage


def find(id: UUID, store: RunStore) -> FileSystem | None:
    """The storage with this identity; None if the store has none that can be made here.

    Raises:
        UnreadableBlock: if its secrets were encrypted with a key that is not here.
        UnusableKey: if the key cannot be read.
    """
    known = known_storages(store)
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
        storage = readable(block, store)
        key = storage.key_of(uri) if storage is not None else None
        if storage is not None and key is not None:
            return storage, key
    return None


def readable(block: Block, store: RunStore) -> FileSystem | None:
    """A recorded storage; None if it cannot be made here, for whatever reason."""
    try:
        return find(block.id, store)
    except (UnreadableBlock, UnusableKey):
        return None


def known_storages(store: RunStore) -> dict[UUID, FileSystem]:
    """The storages of a store that this process has made, by identity."""
    return _known.setdefault(store, {})


def _restore(block: Block) -> FileSystem | None:
    try:
        return restored(storage_class(block.type), block)
    except UnusableKey:
        raise
    except UnreadableBlock:
        if block.secrets is not None:
            raise
        return None
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
            local = local_classes.get(name)
            found = local or _registry.import_path(name.replace(":", "."))
        else:
            found = _registry.load("storage", name)
    except ImportError as error:
        raise UnknownPlugin("storage", name, _registry.names("storage")) from error
    if not isinstance(found, type) or not issubclass(found, FileSystem):
        raise UnknownPlugin("storage", name, _registry.names("storage"))
    return found
