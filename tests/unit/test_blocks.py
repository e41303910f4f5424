"""Storages in the run store: equal ones are one, and are found again by what they are."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path
from uuid import UUID

import pytest

from upshot import blocks
from upshot.exceptions import UnknownPlugin
from upshot.filesystems import FileSystem, LocalFileSystem, MemoryFileSystem
from upshot.records import Block, FlowRun
from upshot.runstore.memory import MemoryRunStore
from upshot.runstore.sqlite import SQLiteRunStore
from upshot.settings import temporary_settings


class CountingStore(MemoryRunStore):
    """Counts what is asked of it."""

    def __init__(self) -> None:
        super().__init__()
        self.saved: list[Block] = []
        self.asked: list[UUID] = []

    def save_block(self, block: Block) -> None:
        self.saved.append(block)
        super().save_block(block)

    def block(self, id: UUID) -> Block | None:
        self.asked.append(id)
        return super().block(id)


class Shouting(MemoryFileSystem):
    """A storage of a program's own, made from one of ours."""

    loudness: int = 1


class OwnStorage(FileSystem):
    place: str

    def read_path(self, path: str) -> bytes:
        raise FileNotFoundError(path)

    def write_path(self, path: str, content: bytes) -> None: ...


@pytest.fixture
def store() -> CountingStore:
    return CountingStore()


def identity(storage: FileSystem) -> UUID:
    return blocks.identify(storage)[1].id


def test_equal_storages_have_one_identity_in_every_process() -> None:
    assert identity(MemoryFileSystem(name="a")) == UUID("c5015edb-6163-5599-bd5b-bd8f978d2568")
    assert identity(MemoryFileSystem(name="a")) == identity(MemoryFileSystem(name="a"))
    assert identity(MemoryFileSystem(name="b")) != identity(MemoryFileSystem(name="a"))
    assert identity(LocalFileSystem(basepath="/a")) != identity(MemoryFileSystem(name="/a"))


def test_a_local_folder_is_the_same_however_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, upshot_home: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    same = ["a", "./a", "x/../a", "~/a", str(tmp_path / "a"), f"{tmp_path}//a/"]
    assert len({identity(LocalFileSystem(basepath=path)) for path in same}) == 1
    default = LocalFileSystem()
    named = LocalFileSystem(basepath=str(upshot_home / "storage"))
    assert identity(default) == identity(named)
    with temporary_settings({"UPSHOT_LOCAL_STORAGE_PATH": tmp_path}):
        assert identity(default) == identity(LocalFileSystem(basepath=str(tmp_path)))


def test_a_storage_is_identified_as_it_is_here_and_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    storage, _ = blocks.identify(LocalFileSystem(basepath="a"))
    monkeypatch.chdir("/")
    assert storage == LocalFileSystem(basepath=str(tmp_path / "a"))


def test_a_subclass_is_another_storage_than_what_it_is_made_from(store: CountingStore) -> None:
    storage, block = blocks.identify(Shouting(name="a", loudness=3))
    assert block.type == f"{__name__}:Shouting"
    assert block.id != identity(MemoryFileSystem(name="a"))
    store.save_block(block)
    assert blocks.find(block.id, store) == storage == Shouting(name="a", loudness=3)


def test_a_storage_is_written_once_for_each_store(store: CountingStore) -> None:
    storage, block = blocks.identify(MemoryFileSystem(name="a"))
    other = CountingStore()
    for _ in range(3):
        blocks.register(storage, block, store)
        blocks.register(storage, block, other)
    assert [len(s.saved) for s in (store, other)] == [1, 1]


def test_a_storage_that_could_not_be_written_is_tried_again(store: CountingStore) -> None:
    class Failing(CountingStore):
        def save_block(self, block: Block) -> None:
            super().save_block(block)
            if len(self.saved) == 1:
                raise OSError("disk full")

    failing = Failing()
    storage, block = blocks.identify(MemoryFileSystem(name="a"))
    with pytest.raises(OSError, match="disk full"):
        blocks.register(storage, block, failing)
    blocks.register(storage, block, failing)
    assert len(failing.saved) == 2


def test_a_recorded_storage_is_made_again_once(store: CountingStore) -> None:
    _, block = blocks.identify(LocalFileSystem(basepath="/a"))
    store.save_block(block)
    found = blocks.find(block.id, store)
    assert found == LocalFileSystem(basepath="/a")
    assert blocks.find(block.id, store) is found
    assert len(store.asked) == 1


def test_a_storage_that_nobody_recorded_is_asked_for_each_time(store: CountingStore) -> None:
    storage, block = blocks.identify(MemoryFileSystem(name="late"))
    assert blocks.find(block.id, store) is None
    store.save_block(block)
    assert blocks.find(block.id, store) == storage


@pytest.mark.parametrize(
    ("type", "fields"),
    [
        ("no-such-storage", "{}"),
        ("no_such_module:Storage", "{}"),
        (f"{__name__}:NoSuchClass", "{}"),
        (f"{__name__}:OwnStorage", "{}"),  # `place` is missing
        (f"{__name__}:OwnStorage", '{"place": "a", "more": 1}'),
        ("memory", "no json"),
        ("builtins:dict", "{}"),
        ("builtins:len", "{}"),
        ("upshot.filesystems:FileSystem", "{}"),
        (":", "{}"),
        ("..:x", "{}"),
        ("", "{}"),
    ],
)
def test_a_storage_that_cannot_be_made_here_is_not_found(
    type: str, fields: str, store: CountingStore
) -> None:
    block = Block(id=UUID(int=1), type=type, fields=fields)
    store.save_block(block)
    assert blocks.find(block.id, store) is None
    assert blocks.find_by_uri("file:///a/b", store) is None


@pytest.mark.parametrize("source", ["1 / 0", "def (", "import no_such_module", "class S: ..."])
def test_a_module_that_does_not_load_hides_its_storage_alone(
    source: str, store: CountingStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "module_with_trouble.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    store.save_block(Block(id=UUID(int=1), type="module_with_trouble:S", fields="{}"))
    storage, block = blocks.identify(LocalFileSystem(basepath="/a"))
    store.save_block(block)
    assert blocks.find(UUID(int=1), store) is None
    assert blocks.find_by_uri("file:///a/key", store) == (storage, "key")


def test_a_place_is_found_in_the_storage_that_it_is_in(store: CountingStore) -> None:
    for path in ("/a/b", "/c"):
        store.save_block(blocks.identify(LocalFileSystem(basepath=path))[1])
    store.save_block(blocks.identify(MemoryFileSystem())[1])
    assert blocks.find_by_uri("file:///a/b/k%20ey/x", store) == (
        LocalFileSystem(basepath="/a/b"),
        "k ey/x",
    )
    for elsewhere in ("file:///a/key", "file:///a/bc/key", "file:///a/b/../key", "file:///a/b",
                      "s3://a/b/key", "/a/b/key", "", "file:///a/b/%2e%2e/key"):  # fmt: skip
        assert blocks.find_by_uri(elsewhere, store) is None, elsewhere


def test_nothing_holds_a_store_that_is_gone() -> None:
    store = CountingStore()
    storage, block = blocks.identify(MemoryFileSystem(name="a"))
    blocks.register(storage, block, store)
    gone = weakref.ref(store)
    del store
    gc.collect()
    assert gone() is None


def test_the_class_of_a_storage_has_a_name_or_a_place() -> None:
    assert blocks.storage_class("memory") is MemoryFileSystem
    assert blocks.storage_class(f"{__name__}:Shouting") is Shouting
    for name in ("", "nothing", "nothing:Nothing", "builtins:dict", f"{__name__}:Nothing"):
        with pytest.raises(UnknownPlugin, match=r"known are: .*local-file-system, memory"):
            blocks.storage_class(name)


def test_a_store_whose_file_was_deleted_has_the_storages_again(tmp_path: Path) -> None:
    storage, block = blocks.identify(LocalFileSystem(basepath=tmp_path))
    with SQLiteRunStore(tmp_path / "runs.db") as store:
        blocks.register(storage, block, store)
        for path in tmp_path.glob("runs.db*"):
            path.unlink()
        blocks.register(storage, block, store)
        store.commit(FlowRun(name="a", flow_name="a"))
        assert [found.id for found in store.blocks()] == [block.id]
    with SQLiteRunStore(tmp_path / "runs.db") as other:
        assert blocks.find(block.id, other) == storage
