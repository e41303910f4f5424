"""Storages that were saved under names, and the keys of their secrets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import UUID

from pydantic import ValidationError

from upshot.blocks._fields import restored, rotated
from upshot.blocks._keys import add_key, drop_old_keys, keys_of_setting, rotating
from upshot.blocks._recorded import identify, kind_of, known_storages, storage_class
from upshot.exceptions import BlockExists, InvalidOption, UnknownBlock, UnknownPlugin
from upshot.filesystems import FileSystem
from upshot.filesystems._names import check_name, slug_of
from upshot.records import Block, new_id
from upshot.runstore import RunStore, open_store
from upshot.settings import Settings


def save(storage: FileSystem, name: str, store: RunStore, *, overwrite: bool = False) -> UUID:
    """Keep a storage under a name, by which programs can then load it; gives its identity.

    Args:
        storage: the storage.
        name: lower-case letters, digits and dashes.
        store: the run store.
        overwrite: take the place of the storage of its type that has the name, and its identity.

    Raises:
        BlockExists: if another storage of its type has the name.
        InvalidOptionValue: if it is no name.
        InvalidOption: if a field of the storage cannot be recorded.
        UnusableKey: if it has secrets, and the key for them cannot be read or made.
    """
    check_name(name)
    described, found = identify(storage)
    while True:
        there = _exactly(found.type, name, store)
        if there is not None and not overwrite:
            raise BlockExists(found.type, name)
        id = UUID(bytes=new_id()) if there is None else there.id
        block = replace(found, id=id, name=name)
        try:
            if there is None:
                store.save_block(block)
            elif not store.change_block(there, block):
                continue  # another process was faster
        except ValueError as error:
            if not overwrite:
                raise BlockExists(found.type, name) from error
            continue
        known_storages(store)[block.id] = described
        return block.id


def load(kind: str, name: str, store: RunStore) -> FileSystem:
    """The storage that was saved under a name.

    Args:
        kind: its type: a name in the table of storages, `module:Class`, or for such a class its
            own name in small letters.
        name: its name.
        store: the run store.

    Raises:
        UnknownBlock: if no storage of that type has the name.
        UnknownPlugin: if its class is not here.
        UnreadableBlock: if its secrets were encrypted with a key that is not here.
        UnusableKey: if the key cannot be read.
        InvalidOption: if storages of several classes are meant.
    """
    block = saved(kind, name, store)
    if block is None:
        raise UnknownBlock(kind, name) from _unknown(kind)
    storage = restored(storage_class(block.type), block)
    known_storages(store)[block.id] = storage
    return storage


def load_of(cls: type[FileSystem], name: str, store: RunStore) -> FileSystem:
    """As `load`, of a class; the name may have its type before it."""
    kind, slash, alone = name.rpartition("/")
    storage = load(kind if slash else kind_of(cls), alone, store)
    if not isinstance(storage, cls):
        raise UnknownBlock(cls.get_block_type_slug(), name)
    return storage


def saved(kind: str, name: str, store: RunStore) -> Block | None:
    """What the store has of a saved storage; None if there is none.

    Raises:
        InvalidOption: if storages of several classes are meant.
    """
    found = [block for block in store.blocks() if block.name == name]
    exact = [block for block in found if block.type == kind]
    meant = exact or [block for block in found if slug_of(block.type) == kind]
    if len(meant) > 1:
        types = " and ".join(sorted(block.type for block in meant))
        problem = f"{kind}/{name} may be of {types}; say the whole type"
        raise InvalidOption("result_storage", problem)
    return meant[0] if meant else None


def remove(block: Block, store: RunStore) -> bool:
    """Forget a recorded storage; False if it has changed meanwhile. No blob is touched."""
    known_storages(store).pop(block.id, None)
    return store.drop_block(block)


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


@dataclass(frozen=True)
class Rotation:
    """What a rotation of keys did.

    Attributes:
        rotated: the storages whose secrets are encrypted with the newest key now.
        lost: those that no key here decrypts; they are as they were.
    """

    rotated: tuple[Block, ...]
    lost: tuple[Block, ...]


def rotate(store: RunStore, settings: Settings, *, forget: bool = False) -> Rotation:
    """Encrypt the secrets of all storages with a new key: the first in `UPSHOT_SECRET_KEY`, or
    else one that is made now.

    Args:
        store: the run store.
        settings: those in force.
        forget: drop the older keys from the key file afterwards. What a program that runs
            meanwhile records with one of them is lost then.

    Raises:
        UnusableKey: if the file cannot be read or changed, or another process is changing it.
    """
    done: dict[bool, list[Block]] = {True: [], False: []}
    with rotating(settings):
        if not keys_of_setting(settings):
            add_key(settings)
        for block in store.blocks():
            if block.secrets is not None:
                done[_rotate_one(block, store)].append(block)
        if forget:
            drop_old_keys(settings)
    return Rotation(tuple(done[True]), tuple(done[False]))


def _rotate_one(block: Block, store: RunStore) -> bool:
    now: Block | None = block
    while now is not None and now.secrets is not None:
        secrets = rotated(now.secrets)
        if secrets is None:
            return False
        if store.change_block(now, replace(now, secrets=secrets)):
            return True
        now = store.block(now.id)  # it was saved anew, or removed
    return True


def _unknown(kind: str) -> UnknownPlugin | None:
    """What is wrong with a type, if it is the type that is."""
    try:
        storage_class(kind)
    except UnknownPlugin as error:
        return error
    return None


def _exactly(kind: str, name: str, store: RunStore) -> Block | None:
    return next((b for b in store.blocks() if (b.type, b.name) == (kind, name)), None)


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
