"""How files come into being, who may read them, and what is said when they do not."""

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from upshot.exceptions import InvalidStorageKey, StorageUnavailable
from upshot.filesystems import LocalFileSystem, _partial
from upshot.settings import temporary_settings


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_nothing_is_made_before_it_is_needed(storage: LocalFileSystem, root: Path) -> None:
    assert storage.size("a/b") is None
    with pytest.raises(FileNotFoundError):
        storage.read_path("a/b")
    assert storage.uri("a/b")
    assert not root.parent.exists()


def test_folders_and_files_are_for_their_owner_alone(storage: LocalFileSystem, root: Path) -> None:
    before = os.umask(0)
    try:
        storage.write_path("a/b/c", b"bytes")
    finally:
        os.umask(before)
    for folder in (root.parent, root, root / "a", root / "a" / "b"):
        assert mode(folder) == 0o700
    assert mode(root / "a" / "b" / "c") == 0o600


def test_a_folder_that_is_there_keeps_its_mode(storage: LocalFileSystem, root: Path) -> None:
    root.mkdir(parents=True)
    root.chmod(0o755)
    storage.write_path("a", b"bytes")
    assert mode(root) == 0o755


def test_the_full_path_is_given_back(storage: LocalFileSystem, root: Path) -> None:
    assert storage.write_path("a/./b", b"bytes") == str(root / "a" / "b")
    assert storage._resolve_path("a/./b") == root / "a" / "b"


async def _write_and_read(storage: LocalFileSystem) -> bytes:
    await storage.write_path("key", b"bytes")
    content = await storage.read_path("key")
    assert isinstance(content, bytes)
    return content


def test_async_callers_await_paths(storage: LocalFileSystem) -> None:
    import asyncio

    assert asyncio.run(_write_and_read(storage)) == b"bytes"


def test_the_base_path_is_kept_as_it_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    storage = LocalFileSystem(basepath="~/results")
    assert storage.basepath == "~/results"
    assert storage._resolve_path("a") == Path("/home/someone/results/a")
    assert storage.described() == LocalFileSystem(basepath="/home/someone/results")
    assert LocalFileSystem(basepath=Path("x")).basepath == "x"
    assert LocalFileSystem(basepath="x").described().basepath == f"{os.getcwd()}/x"


def test_without_a_base_path_the_settings_say_where(tmp_path: Path) -> None:
    storage = LocalFileSystem()
    assert storage.basepath is None
    with temporary_settings({"UPSHOT_LOCAL_STORAGE_PATH": tmp_path / "there"}):
        storage.write_path("a", b"bytes")
        assert storage.described().basepath == str(tmp_path / "there")
    assert (tmp_path / "there" / "a").read_bytes() == b"bytes"


def test_a_temporary_file_has_no_name_or_lies_hidden_beside_its_target(
    storage: LocalFileSystem, root: Path
) -> None:
    with storage.writing("a/key") as file:
        file.write(b"by")
        partial = list((root / "a").iterdir())
        assert len(partial) == (0 if _partial._NAMELESS else 1)
        for path in partial:
            assert path.name.startswith(".upshot-")
            assert mode(path) == 0o600
        file.write(b"tes")
    assert [path.name for path in (root / "a").iterdir()] == ["key"]


@pytest.mark.parametrize("refused", [errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL])
def test_where_a_file_system_has_no_files_without_a_name_they_are_hidden(
    refused: int, storage: LocalFileSystem, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "open", _refusing(_partial._NAMELESS or -1, refused))
    with storage.writing("a/key") as file:
        file.write(b"bytes")
        assert len(list((root / "a").iterdir())) == 1
    assert storage.read_path("a/key") == b"bytes"


def _refusing(flags: int, number: int) -> Any:
    real = os.open

    def open(path: Any, given: int, *args: Any, **options: Any) -> int:
        if given == flags:
            raise OSError(number, os.strerror(number))
        return real(path, given, *args, **options)

    return open


@pytest.mark.parametrize("durability", ["normal", "full"])
def test_where_a_file_system_has_no_links_files_take_their_places_all_the_same(
    durability: str, storage: LocalFileSystem, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any, **options: Any) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)
    with temporary_settings({"UPSHOT_DURABILITY": durability}):
        for content in (b"old", bytes(1_000_000)):
            storage.write_path("key", content)
            assert storage.read_path("key") == content
    assert mode(root / "key") == 0o600
    assert [path.name for path in root.iterdir()] == ["key"]


@pytest.mark.parametrize("call", ["open", "mkdir", "replace", "fsync"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EIO])
def test_what_the_system_refuses_is_said_and_nothing_stays_behind(
    call: str, number: int, storage: LocalFileSystem, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any, **options: Any) -> Any:
        raise OSError(number, os.strerror(number))

    storage.write_path("key", b"old")
    with monkeypatch.context() as patch, temporary_settings({"UPSHOT_DURABILITY": "full"}):
        patch.setattr(*((_partial, "_sync") if call == "fsync" else (os, call)), refuse)
        key = "new/key" if call == "mkdir" else "key"
        with pytest.raises(StorageUnavailable) as caught:
            storage.write_path(key, b"bytes")
    assert os.strerror(number) in str(caught.value)
    assert f"write {key!r}" in str(caught.value)
    assert str(root) in str(caught.value)
    assert "UPSHOT_LOCAL_STORAGE_PATH" in str(caught.value)
    assert isinstance(caught.value.__cause__, OSError)
    assert [path for path in root.rglob("*") if path.is_file()] == [root / "key"]
    assert storage.read_path("key") == b"old"


def test_a_file_in_the_place_of_a_folder_is_said(storage: LocalFileSystem, root: Path) -> None:
    storage.write_path("a", b"bytes")
    for use in (storage.read_path, storage.size, lambda key: storage.write_path(key, b"")):
        with pytest.raises(StorageUnavailable, match="Not a directory"):
            use("a/b")
    with pytest.raises(StorageUnavailable, match="Not a directory"):
        LocalFileSystem(basepath=root / "a").write_path("b", b"bytes")


def test_a_folder_is_no_file(storage: LocalFileSystem) -> None:
    storage.write_path("a/b", b"bytes")
    with pytest.raises(ValueError, match="is not a file"):
        storage.read_path("a")
    with pytest.raises(InvalidStorageKey, match="is not a file"):
        storage.write_path("a", b"bytes")
    assert storage.size("a") is None
    assert storage.read_path("a/b") == b"bytes"


FILL = """
import resource, sys
from upshot.exceptions import StorageUnavailable
from upshot.filesystems import LocalFileSystem

storage = LocalFileSystem(basepath=sys.argv[1])
storage.write_path("key", b"old")
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
with storage.writing("large") as file:
    file.write(bytes(90_000))
try:
    with storage.writing("key") as file:
        file.write(bytes(300_000))
except StorageUnavailable as error:
    print(error.problem)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="platform: no limits on files")
def test_a_disk_that_takes_no_more_is_said(storage: LocalFileSystem, root: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FILL, str(root)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == os.strerror(errno.EFBIG)
    assert sorted(path.name for path in root.iterdir()) == ["key", "large"]
    assert storage.read_path("key") == b"old"
    assert storage.size("large") == 90_000
