import asyncio
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from upshot.filesystems import FileSystem, LocalFileSystem, MemoryFileSystem
from upshot.settings import temporary_settings
from upshot.testing import StorageContract


class TestLocalFileSystem(StorageContract):
    @pytest.fixture
    def storage(self, tmp_path: Path) -> FileSystem:
        return LocalFileSystem(basepath=tmp_path / "not" / "there yet")


class TestDurableLocalFileSystem(StorageContract):
    @pytest.fixture
    def storage(self, tmp_path: Path) -> Iterator[FileSystem]:
        with temporary_settings({"UPSHOT_DURABILITY": "full"}):
            yield LocalFileSystem(basepath=tmp_path / "not" / "there yet")


class TestLocalFileSystemOfTheSettings(StorageContract):
    @pytest.fixture
    def storage(self, tmp_path: Path) -> Iterator[FileSystem]:
        with temporary_settings({"UPSHOT_HOME": tmp_path}):
            yield LocalFileSystem()


class TestMemoryFileSystem(StorageContract):
    @pytest.fixture
    def storage(self) -> Iterator[FileSystem]:
        storage = MemoryFileSystem(name=uuid4().hex)
        yield storage
        storage.clear()


class _Shelf(FileSystem):
    """A storage that has the two methods which it must have, and no more."""

    name: str

    def read_path(self, path: str) -> bytes:
        return MemoryFileSystem(name=self.name)._read(path)

    def write_path(self, path: str, content: bytes) -> None:
        with MemoryFileSystem(name=self.name).writing(path) as file:
            file.write(content)


class _AsyncShelf(_Shelf):
    async def read_path(self, path: str) -> bytes:
        return super().read_path(path)

    async def write_path(self, path: str, content: bytes) -> None:
        super().write_path(path, content)


class TestStorageWithPathsAlone(StorageContract):
    @pytest.fixture(params=[_Shelf, _AsyncShelf])
    def storage(self, request: pytest.FixtureRequest) -> Iterator[FileSystem]:
        name = uuid4().hex
        yield request.param(name=name)
        MemoryFileSystem(name=name).clear()


async def _use_where_a_loop_runs(shelf: type[FileSystem]) -> None:
    storage = shelf(name=uuid4().hex)
    storage.write("key", [b"bytes"])
    with storage.open("key") as file:
        assert file.read() == b"bytes"


@pytest.mark.parametrize("shelf", [_Shelf, _AsyncShelf])
def test_a_storage_is_used_the_same_where_a_loop_runs(shelf: type[FileSystem]) -> None:
    asyncio.run(_use_where_a_loop_runs(shelf))
