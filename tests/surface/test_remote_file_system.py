"""Files below an URL, on fsspec's file system in memory."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock
from uuid import uuid4

import fsspec
import pytest

from upshot import flow, task
from upshot.exceptions import MissingExtra, StorageUnavailable
from upshot.filesystems import RemoteFileSystem


@pytest.fixture
def base() -> Iterator[str]:
    yield f"memory://{uuid4().hex}"
    fsspec.filesystem("memory").store.clear()


@pytest.fixture
def remote(base: str) -> RemoteFileSystem:
    return RemoteFileSystem(basepath=base)


def tree(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


def files(folder: Path) -> list[str]:
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )


def test_a_base_path_needs_a_scheme() -> None:
    with pytest.raises(ValueError, match="must start with a scheme"):
        RemoteFileSystem(basepath="foo")


@pytest.mark.parametrize("basepath", ["memory://", "s3:///key", "file:///tmp"])
def test_a_base_path_needs_a_location_after_the_scheme(basepath: str) -> None:
    with pytest.raises(ValueError, match="must include a location after the scheme"):
        RemoteFileSystem(basepath=basepath)


@pytest.mark.parametrize("path", ["memory://other/file", "memory://other", "memory://root-2/x"])
def test_an_url_of_another_location_is_outside(path: str) -> None:
    remote = RemoteFileSystem(basepath="memory://root")
    with pytest.raises(ValueError, match="is outside of the base path"):
        remote._resolve_path(path)
    with pytest.raises(ValueError, match="is outside of the base path"):
        remote.read_path(path)


@pytest.mark.parametrize("path", ["memory://root/other", "memory://root/folder2/x", "../x"])
def test_an_url_with_another_prefix_is_outside(path: str) -> None:
    with pytest.raises(ValueError, match="is outside of the base path"):
        RemoteFileSystem(basepath="memory://root/folder")._resolve_path(path)


def test_an_url_needs_the_scheme_of_the_base_path() -> None:
    problem = "with scheme 'file' must use the same scheme as the base path 'memory'"
    with pytest.raises(ValueError, match=problem):
        RemoteFileSystem(basepath="memory://root").write_path("file://foo/test.txt", b"bytes")


def test_the_base_path_is_resolved_to_itself_with_a_slash() -> None:
    remote = RemoteFileSystem(basepath="memory://root")
    assert remote._resolve_path("memory://root") == "memory://root/"
    assert remote._resolve_path("memory://root/") == "memory://root/"


def test_paths_are_resolved_below_the_base_path() -> None:
    remote = RemoteFileSystem(basepath="memory://root/folder")
    assert remote._resolve_path("a/b") == "memory://root/folder/a/b"
    assert remote._resolve_path("memory://root/folder/a") == "memory://root/folder/a"


def test_what_was_written_is_read_by_path_and_by_url(remote: RemoteFileSystem) -> None:
    url = remote.write_path("folder/test.txt", content=b"bytes")
    assert url == f"{remote.basepath}/folder/test.txt"
    assert remote.read_path("folder/test.txt") == remote.read_path(url) == b"bytes"


def test_new_bytes_replace_old_ones(remote: RemoteFileSystem) -> None:
    remote.write_path("file", b"old and longer")
    remote.write_path("file", b"new")
    assert remote.read_path("file") == b"new"


def test_many_bytes_are_written_and_read(remote: RemoteFileSystem) -> None:
    content = os.urandom(3 * 2**20)
    remote.write_path("large", content)
    assert remote.read_path("large") == content


def test_what_is_not_there_is_a_file_not_found(remote: RemoteFileSystem) -> None:
    with pytest.raises(FileNotFoundError, match="nothing under 'missing'"):
        remote.read_path("missing")


def test_the_file_system_of_fsspec_is_made_once(remote: RemoteFileSystem) -> None:
    assert remote._filesystem is None
    assert isinstance(remote.filesystem, fsspec.get_filesystem_class("memory"))
    assert remote.filesystem is remote._filesystem


def test_settings_are_those_of_the_file_system_of_fsspec(base: str) -> None:
    remote = RemoteFileSystem(basepath=base, settings={"use_listings_cache": False})
    assert remote.settings == {"use_listings_cache": False}
    assert remote.filesystem.storage_options == {"use_listings_cache": False}


def test_a_directory_is_put_and_its_files_are_counted(
    remote: RemoteFileSystem, tmp_path: Path
) -> None:
    tree(tmp_path, "a.txt", "sub/b.txt", ".hidden")
    assert remote.put_directory(str(tmp_path)) == 3
    assert remote.read_path("sub/b.txt") == b"sub/b.txt"
    assert remote.read_path(".hidden") == b".hidden"


def test_a_directory_is_put_from_here_to_a_path(
    remote: RemoteFileSystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tree(tmp_path, "a.txt"))
    assert remote.put_directory(to_path="there") == 1
    assert remote.read_path("there/a.txt") == b"a.txt"


def test_a_directory_is_put_without_what_a_file_of_patterns_names(
    remote: RemoteFileSystem, tmp_path: Path
) -> None:
    source = tree(tmp_path / "source", "a.py", "a.pyc", "cache/b", ".hidden", ".prefectignore")
    (source / ".prefectignore").write_text("*.pyc\ncache/\n")
    number = remote.put_directory(str(source), ignore_file=str(source / ".prefectignore"))
    assert number == 3
    for kept in ("a.py", ".hidden", ".prefectignore"):
        assert remote.size(kept)
    for left_out in ("a.pyc", "cache/b"):
        assert remote.size(left_out) is None


def test_a_directory_is_got_with_its_contents(
    remote: RemoteFileSystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote.write_path("a.txt", b"a")
    remote.write_path("sub/b.txt", b"b")
    remote.get_directory(local_path=str(tmp_path / "all"))
    assert files(tmp_path / "all") == ["a.txt", "sub/b.txt"]
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    remote.get_directory(from_path="sub")
    assert files(tmp_path / "here") == ["b.txt"]


@pytest.mark.parametrize("from_path", [None, "", "memory://root", "memory://root/"])
def test_fsspec_is_given_a_path_that_ends_in_a_slash(from_path: str | None) -> None:
    remote = RemoteFileSystem(basepath="memory://root")
    remote._filesystem = MagicMock()
    remote.get_directory(from_path=from_path, local_path="/local")
    remote._filesystem.get.assert_called_once_with("memory://root/", "/local", recursive=True)


def test_getting_a_directory_that_is_not_there_fails(
    remote: RemoteFileSystem, tmp_path: Path
) -> None:
    with pytest.raises(FileNotFoundError):
        remote.get_directory("nowhere", str(tmp_path))


def test_async_callers_await_what_sync_ones_are_given(base: str, tmp_path: Path) -> None:
    async def main() -> Any:
        remote = RemoteFileSystem(basepath=base)
        await remote.write_path("file", b"bytes")
        await remote.get_directory(local_path=str(tmp_path))
        assert await remote.put_directory(str(tmp_path), "copy") == 1
        return await remote.read_path("copy/file")

    assert asyncio.run(main()) == b"bytes"


def test_what_the_file_system_says_is_an_error_and_no_miss(remote: RemoteFileSystem) -> None:
    refusing = MagicMock()
    refusing.cat_file.side_effect = PermissionError("Access Denied")
    refusing.pipe_file.side_effect = TimeoutError("no answer")
    refusing.info.side_effect = PermissionError("Access Denied")
    remote._filesystem = refusing
    with pytest.raises(StorageUnavailable, match=r"could not read 'file': .*Access Denied"):
        remote.read_path("file")
    with pytest.raises(StorageUnavailable, match=r"could not write 'file': .*no answer"):
        remote.write_path("file", b"bytes")
    with pytest.raises(StorageUnavailable, match="Access Denied"):
        remote.size("file")


def test_what_cannot_be_written_to_is_no_miss(remote: RemoteFileSystem) -> None:
    remote._filesystem = MagicMock()
    remote._filesystem.pipe_file.side_effect = FileNotFoundError("no such bucket")
    with pytest.raises(StorageUnavailable, match="no such bucket"):
        remote.write_path("file", b"bytes")


def test_a_scheme_that_nobody_knows_is_named() -> None:
    with pytest.raises(StorageUnavailable, match="nonsense"):
        RemoteFileSystem(basepath="nonsense://there").read_path("file")


def test_a_missing_package_is_named_with_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.delitem(sys.modules["fsspec.registry"]._registry, "s3", raising=False)
    with pytest.raises(MissingExtra) as caught:
        RemoteFileSystem(basepath="s3://bucket").read_path("file")
    assert str(caught.value) == "s3:// needs s3fs: pip install 'upshot[s3]'"
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_settings_are_shown_nowhere(base: str) -> None:
    remote = RemoteFileSystem(basepath=base, settings={"secret": "hunter2"})
    assert "hunter2" not in repr(remote) + str(remote)


@pytest.mark.parametrize("settings", [{}, {"secret": "hunter2"}])
def test_a_description_keeps_its_connections(base: str, settings: dict[str, Any]) -> None:
    remote = RemoteFileSystem(basepath=base, settings={**settings, "skip_instance_cache": True})
    described = remote.described()
    assert "hunter2" not in repr(described)
    assert described.filesystem is remote.described().filesystem


@task(persist_result=True)
def double(number: int) -> list[int]:
    return [number, number]


@pytest.mark.usefixtures("upshot_home")
def test_results_are_persisted_there(remote: RemoteFileSystem) -> None:
    @flow(result_storage=remote)
    def keep() -> Any:
        return double(3, return_state=True)

    state = keep()
    assert state.data.uri == f"{remote.basepath}/{state.data.storage_key}"
    again = type(state.data).model_validate_json(state.data.json())
    assert again.get() == [3, 3]


def _write_in_a_fork(remote: RemoteFileSystem, told: Any) -> None:
    before = remote._filesystem
    told.put(remote.filesystem is not None and remote._process == os.getpid())
    told.put(before is not None)


@pytest.mark.skipif(sys.platform == "win32", reason="platform: Windows does not fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_makes_a_file_system_of_its_own(remote: RemoteFileSystem) -> None:
    assert remote.filesystem
    context = multiprocessing.get_context("fork")
    told = context.Queue()
    child = context.Process(target=_write_in_a_fork, args=(remote, told))
    child.start()
    assert told.get(timeout=30)
    assert told.get(timeout=30)
    child.join()
