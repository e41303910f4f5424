"""References: where a blob is found, and where it is not looked for."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from upshot import blocks
from upshot.documents import PersistedResult
from upshot.exceptions import (
    BlobMissing,
    BlobReplaced,
    InvalidStorageKey,
    MissingResult,
    UnknownStorage,
    UnreadableResult,
    UntrustedReference,
)
from upshot.filesystems import FileSystem, LocalFileSystem, MemoryFileSystem
from upshot.results import ResultFactory, place_of, read_reference
from upshot.runstore import open_store
from upshot.runstore.memory import MemoryRunStore
from upshot.serializers import PickleSerializer
from upshot.settings import get_current_settings

pytestmark = pytest.mark.usefixtures("upshot_home")


def written(
    value: Any, storage: FileSystem, key: str = "key", **change: Any
) -> PersistedResult[Any]:
    """A reference to a value in a storage that no store knows of, as if from another machine."""
    factory = ResultFactory(
        persist_result=True,
        cache_result_in_memory=False,
        serializer=PickleSerializer(),
        storage_block=storage,
        storage_block_id=None,
        storage_key_fn=lambda: key,
    )
    document = factory.create(value, at=datetime.now(UTC), store=MemoryRunStore())
    return PersistedResult.parse_obj({**document.dict(), **change})


def recorded(storage: FileSystem) -> UUID:
    _, block = blocks.identify(storage)
    open_store().save_block(block)
    return block.id


def test_a_reference_is_found_by_the_identity_of_its_storage(tmp_path: Path) -> None:
    storage = LocalFileSystem(basepath=str(tmp_path))
    reference = written([1], storage, uri=None)
    with pytest.raises(UnknownStorage, match=str(reference.storage_block_id)):
        read_reference(reference)
    recorded(storage)
    assert place_of(reference) == (storage, "key")
    assert read_reference(reference) == [1]


def test_the_identity_wins_over_the_place(tmp_path: Path) -> None:
    here, there = (LocalFileSystem(basepath=str(tmp_path / name)) for name in ("a", "b"))
    recorded(here)
    recorded(there)
    reference = written("here", here)
    misled = reference.copy(update={"uri": there.uri("key")})
    written("there", there)
    assert read_reference(misled) == "here"


def test_a_reference_without_a_known_identity_is_found_by_its_place(tmp_path: Path) -> None:
    reference = written("value", LocalFileSystem(basepath=str(tmp_path / "inner")))
    with pytest.raises(UntrustedReference):
        read_reference(reference)
    recorded(LocalFileSystem(basepath=str(tmp_path)))
    assert place_of(reference) == (LocalFileSystem(basepath=str(tmp_path)), "inner/key")
    assert read_reference(reference) == "value"


def test_what_lies_in_the_configured_storage_is_found() -> None:
    folder = get_current_settings().local_storage_path
    reference = written("value", LocalFileSystem(basepath=str(folder)))
    assert open_store().blocks() == []
    assert read_reference(reference) == "value"


def test_trust_opens_any_folder_and_nothing_of_the_web(
    tmp_path: Path,
) -> None:
    reference = written("value", LocalFileSystem(basepath=str(tmp_path)))
    with pytest.raises(UntrustedReference, match=r"say get\(trust=True\)"):
        reference.get()
    assert reference.get(trust=True) == "value"
    web = ("https://example.org/key", "s3://", "s3:///key", "s3://bucket", "memory://name/key")
    for uri in (None, "", "file:key", "file://host/key", "file:///", "/a/key", *web):
        with pytest.raises(UnknownStorage) as caught:
            read_reference(reference.copy(update={"uri": uri}), trust=True)
        assert "'key'" in str(caught.value)


@pytest.mark.parametrize("escape", ["..", "%2e%2e", "%2E%2E/x/..", "storage/../.."])
def test_no_place_leads_out_of_the_configured_storage(escape: str, tmp_path: Path) -> None:
    folder = get_current_settings().local_storage_path
    outside = written("value", LocalFileSystem(basepath=str(folder.parent)), "secret")
    uri = f"file://{folder}/{escape}/secret"
    with pytest.raises(UntrustedReference):
        read_reference(outside.copy(update={"uri": uri}))


@pytest.mark.parametrize("key", ["../secret", "/etc/passwd", "", "a\0b", "."])
def test_no_key_leads_out_of_a_known_storage(key: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("{}")
    storage = LocalFileSystem(basepath=str(tmp_path / "inner"))
    recorded(storage)
    reference = written("value", storage).copy(update={"storage_key": key})
    with pytest.raises(InvalidStorageKey):
        read_reference(reference)


def test_what_is_gone_replaced_or_damaged_is_said_by_its_own_type(tmp_path: Path) -> None:
    storage = LocalFileSystem(basepath=str(tmp_path))
    recorded(storage)
    reference, file = written("value", storage), tmp_path / "key"
    content = file.read_bytes()
    file.unlink()
    with pytest.raises(BlobMissing, match="expired or was deleted"):
        read_reference(reference)
    written("another value", storage)
    with pytest.raises(BlobReplaced, match="holds another value"):
        read_reference(reference)
    file.write_bytes(content[: len(content) // 2])
    with pytest.raises(UnreadableResult, match="restore the file"):
        read_reference(reference)
    file.write_bytes(content)
    assert read_reference(reference) == "value"


def test_a_missing_result_is_caught_as_one(tmp_path: Path) -> None:
    reference = written("value", MemoryFileSystem(name="test_references"))
    MemoryFileSystem(name="test_references").clear()
    recorded(MemoryFileSystem(name="test_references"))
    for missing in (reference, reference.copy(update={"storage_block_id": UUID(int=9)})):
        with pytest.raises(MissingResult):
            missing.get()


def test_an_old_reference_without_digest_and_size_is_read(tmp_path: Path) -> None:
    storage = LocalFileSystem(basepath=str(tmp_path))
    recorded(storage)
    reference = written("value", storage)
    text = (
        f'{{"type":"reference","serializer_type":"pickle","storage_key":"key",'
        f'"storage_block_id":"{reference.storage_block_id}"}}'
    )
    assert PersistedResult.parse_raw(text).get() == "value"
