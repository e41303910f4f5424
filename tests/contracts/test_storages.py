import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar
from uuid import uuid4

import pytest

from upshot import blocks
from upshot.filesystems import (
    GCS,
    S3,
    Azure,
    FileSystem,
    LocalFileSystem,
    MemoryFileSystem,
    RemoteFileSystem,
)
from upshot.settings import temporary_settings
from upshot.testing import StorageContract, storages


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


class TestRemoteFileSystem(StorageContract):
    @pytest.fixture
    def storage(self) -> Iterator[FileSystem]:
        storage = RemoteFileSystem(basepath=f"memory://{uuid4().hex}/folder")
        yield storage
        storage.filesystem.store.clear()


SHARED = {"skip_instance_cache": False}  # one client for all tests, to save time
MOTO_TAKES = [key for key in storages.KEYS if "\n" not in key]  # its routes end with the line


class TestS3(StorageContract):
    @pytest.fixture(autouse=True)
    def keys_that_moto_takes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(storages, "KEYS", MOTO_TAKES)

    @pytest.mark.parametrize("key", MOTO_TAKES)
    def test_a_key_is_taken_literally(self, storage: FileSystem, key: str) -> None:
        super().test_a_key_is_taken_literally(storage, key)

    @pytest.fixture
    def storage(self, s3_server: str) -> FileSystem:
        bucket = uuid4().hex
        keys = {"aws_access_key_id": "name", "aws_secret_access_key": "key"}
        storage = S3(
            bucket_path=f"{bucket}/folder", **keys, settings={"endpoint_url": s3_server, **SHARED}
        )
        storage.filesystem.filesystem.mkdir(bucket)
        return storage


# what the libraries of Google and Azure send they send as bytes
AS_BYTES = pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")


@AS_BYTES
class TestGCS(StorageContract):
    @pytest.fixture
    def storage(self, gcs_server: str) -> FileSystem:
        bucket = uuid4().hex
        storage = GCS(
            bucket_path=f"{bucket}/folder",
            project="test",
            settings={"endpoint_url": gcs_server, "token": "anon", **SHARED},
        )
        storage.filesystem.filesystem.mkdir(bucket)
        return storage


@AS_BYTES
class TestAzure(StorageContract):
    @pytest.fixture
    def storage(self, azure_server: str) -> FileSystem:
        container = uuid4().hex
        storage = Azure(
            bucket_path=f"{container}/folder",
            azure_storage_connection_string=azure_server,
            settings=SHARED,
        )
        storage.filesystem.filesystem.mkdir(container)
        return storage


_shelves: dict[str, dict[str, bytes]] = {}


class _Shelf(FileSystem):
    """A storage that has the two methods which it must have, and takes any path as it comes."""

    slug: ClassVar[str] = "test-shelf"

    name: str

    def read_path(self, path: str) -> bytes:
        try:
            return _shelves[self.name][path]
        except KeyError:
            raise FileNotFoundError(path) from None

    def write_path(self, path: str, content: bytes) -> None:
        _shelves.setdefault(self.name, {})[path] = content


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
        _shelves.pop(name, None)


async def _use_where_a_loop_runs(shelf: type[FileSystem]) -> None:
    storage = shelf(name=uuid4().hex)
    storage.write("key", [b"bytes"])
    with storage.open("key") as file:
        assert file.read() == b"bytes"


@pytest.mark.parametrize("shelf", [_Shelf, _AsyncShelf])
def test_a_storage_is_used_the_same_where_a_loop_runs(shelf: type[FileSystem]) -> None:
    asyncio.run(_use_where_a_loop_runs(shelf))


def test_a_storage_with_a_slug_is_known_by_it_as_soon_as_its_module_is_imported() -> None:
    assert blocks.storage_class("test-shelf") is _Shelf
