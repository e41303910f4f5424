"""Files in a folder: reading, writing, and copying whole folders there and back."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from upshot import flow
from upshot.filesystems import LocalFileSystem


def tree(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


def files(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return tmp_path / "base"


@pytest.fixture
def working(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "working"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize("kind", [str, Path])
def test_the_base_path_is_text_or_a_path(base: Path, kind: type) -> None:
    LocalFileSystem(basepath=kind(base)).write_path("file", b"bytes")
    assert (base / "file").read_bytes() == b"bytes"


def test_a_tilde_is_the_home_folder_when_the_storage_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = LocalFileSystem(basepath="~/files")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert storage.write_path("file", b"bytes") == str(tmp_path / "files" / "file")


def test_writing_makes_the_folders_above_and_gives_the_full_path_as_text(base: Path) -> None:
    path = LocalFileSystem(basepath=base).write_path("a/b/file.txt", content=b"bytes")
    assert path == str(base / "a" / "b" / "file.txt")
    assert type(path) is str
    assert Path(path).read_bytes() == b"bytes"


def test_what_was_written_is_read(base: Path) -> None:
    storage = LocalFileSystem(basepath=str(base))
    storage.write_path("folder/file", b"bytes")
    assert storage.read_path("folder/file") == b"bytes"
    assert storage.read_path(str(base / "folder" / "file")) == b"bytes"
    assert storage.read_path(base / "folder" / "file") == b"bytes"


def test_reading_a_folder_fails(base: Path) -> None:
    (base / "folder").mkdir(parents=True)
    with pytest.raises(ValueError, match="is not a file"):
        LocalFileSystem(basepath=base).read_path("folder")


def test_reading_what_is_not_there_fails(base: Path) -> None:
    with pytest.raises(FileNotFoundError):
        LocalFileSystem(basepath=base).read_path("nothing")


@pytest.mark.parametrize("path", ["../file", "a/../../file", "/file"])
def test_a_path_outside_of_the_base_path_fails(base: Path, path: str) -> None:
    storage = LocalFileSystem(basepath=base)
    problem = r"Provided path .* is outside of the base path"
    with pytest.raises(ValueError, match=problem):
        storage.write_path(path, b"bytes")
    with pytest.raises(ValueError, match=problem):
        storage.read_path(path)
    with pytest.raises(ValueError, match=problem):
        storage._resolve_path(path)
    with pytest.raises(ValueError, match=problem):
        storage.get_directory(path, str(base))
    with pytest.raises(ValueError, match=problem):
        storage.put_directory(str(base), path)


def test_a_path_is_resolved_to_one_below_the_base_path(base: Path) -> None:
    storage = LocalFileSystem(basepath=base)
    assert storage._resolve_path("a/b") == base / "a" / "b"
    assert storage._resolve_path(str(base / "a")) == base / "a"
    assert storage._resolve_path(base) == storage._resolve_path(".") == base


def test_getting_a_directory_copies_the_contents_of_the_base_path_here(
    base: Path, working: Path
) -> None:
    tree(base, "a.txt", "sub/b.txt", ".hidden")
    LocalFileSystem(basepath=base).get_directory()
    assert files(working) == files(base)


def test_getting_a_directory_copies_from_one_path_to_another(base: Path, tmp_path: Path) -> None:
    tree(base, "a.txt", "sub/b.txt", "sub/deeper/c.txt")
    target = tree(tmp_path / "target", "b.txt", "mine.txt")
    (target / "b.txt").write_text("old")
    LocalFileSystem(basepath=base).get_directory(from_path="sub", local_path=target)
    assert files(target) == {
        "b.txt": "sub/b.txt",
        "deeper/c.txt": "sub/deeper/c.txt",
        "mine.txt": "mine.txt",
    }


def test_empty_text_is_no_path(base: Path, working: Path) -> None:
    storage = LocalFileSystem(basepath=base)
    tree(base, "a.txt")
    storage.get_directory(from_path="", local_path="")
    assert files(working) == {"a.txt": "a.txt"}
    tree(working, "b.txt")
    storage.put_directory(local_path="", to_path="")
    assert files(base) == {"a.txt": "a.txt", "b.txt": "b.txt"}


def test_copying_a_directory_onto_itself_does_nothing(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree(base, "a.txt", "sub/b.txt")
    monkeypatch.chdir(base)
    storage = LocalFileSystem(basepath=base)
    storage.get_directory()
    storage.put_directory()
    storage.get_directory(from_path="sub", local_path=base / "sub")
    assert files(base) == {"a.txt": "a.txt", "sub/b.txt": "sub/b.txt"}


def test_a_directory_is_copied_into_one_inside_of_it_once(base: Path) -> None:
    tree(base, "a.txt")
    LocalFileSystem(basepath=base).get_directory(local_path=base / "copy")
    assert files(base) == {"a.txt": "a.txt", "copy/a.txt": "a.txt"}


def test_getting_a_directory_that_is_not_there_fails(base: Path, working: Path) -> None:
    with pytest.raises(FileNotFoundError):
        LocalFileSystem(basepath=base).get_directory("nowhere")


def test_putting_a_directory_copies_what_is_here_to_the_base_path(
    base: Path, working: Path
) -> None:
    tree(working, "a.txt", "sub/b.txt")
    LocalFileSystem(basepath=base).put_directory()
    assert files(base) == files(working)


def test_putting_a_directory_copies_to_a_path_and_keeps_what_files_may_do(
    base: Path, tmp_path: Path
) -> None:
    source = tree(tmp_path / "source", "run.sh")
    (source / "run.sh").chmod(0o755)
    LocalFileSystem(basepath=base).put_directory(local_path=str(source), to_path="x/y")
    assert files(base) == {"x/y/run.sh": "run.sh"}
    assert os.access(base / "x/y/run.sh", os.X_OK)


def test_putting_a_directory_leaves_out_what_a_file_of_patterns_says(
    base: Path, tmp_path: Path
) -> None:
    source = tree(
        tmp_path / "source",
        *("a.py", "a.pyc", "keep.pyc", "cache/b", "sub/cache/c", "sub/d.log", "e.log", ".hidden"),
    )
    patterns = tmp_path / "patterns"
    patterns.write_text("# comment\n*.pyc\n!keep.pyc\ncache/\n/e.log\n")
    LocalFileSystem(basepath=base).put_directory(local_path=str(source), ignore_file=str(patterns))
    assert sorted(files(base)) == [".hidden", "a.py", "keep.pyc", "sub/d.log"]


def test_links_in_circles_are_copied_once(base: Path, working: Path) -> None:
    tree(base, "sub/a.txt")
    (base / "sub" / "up").symlink_to(base)
    LocalFileSystem(basepath=base).get_directory()
    assert files(working) == {"sub/a.txt": "sub/a.txt"}


def test_async_callers_await_what_sync_ones_are_given(base: Path, working: Path) -> None:
    storage = LocalFileSystem(basepath=base)

    async def main() -> bytes:
        assert await storage.write_path("file", b"bytes") == str(base / "file")
        await storage.get_directory()
        await storage.put_directory(to_path="copy")
        return await storage.read_path("copy/file")

    assert asyncio.run(main()) == b"bytes"
    assert asyncio.run(storage.read_path.aio("file")) == b"bytes"


@pytest.mark.usefixtures("upshot_home")
def test_a_sync_flow_that_async_code_calls_is_given_what_it_asks_for(base: Path) -> None:
    storage = LocalFileSystem(basepath=base)

    @flow
    def keep() -> bytes:
        storage.write_path("file", b"bytes")
        return storage.read_path("file")

    async def main() -> bytes:
        return keep()

    assert asyncio.run(main()) == b"bytes"


@pytest.mark.parametrize("is_async", [False, True])
def test_what_a_subclass_changes_of_reading_and_writing_holds_for_results(
    is_async: bool, base: Path
) -> None:
    calls: list[str] = []

    class Noting(LocalFileSystem):
        def write_path(self, path: Any, content: bytes) -> Any:
            calls.append("write")
            return super().write_path(path, content[::-1])

        def read_path(self, path: Any) -> Any:
            calls.append("read")
            return super().read_path(path)[::-1]

    class AsyncNoting(LocalFileSystem):
        async def write_path(self, path: Any, content: bytes) -> Any:  # type: ignore[override]
            calls.append("write")
            return await LocalFileSystem.write_path.aio(self, path, content[::-1])

        async def read_path(self, path: Any) -> Any:  # type: ignore[override]
            calls.append("read")
            return (await LocalFileSystem.read_path.aio(self, path))[::-1]

    kind = AsyncNoting if is_async else Noting

    @flow(
        persist_result=True, cache_result_in_memory=False, result_storage=kind(basepath=str(base))
    )
    def value() -> list[int]:
        return [1, 2]

    state = value(return_state=True)
    assert calls == ["write"]
    assert state.result() == [1, 2]
    assert calls == ["write", "read"]
    assert (base / state.data.storage_key).read_bytes().startswith(b"}")


def test_a_subclass_that_is_defined_in_a_function_is_loaded(base: Path) -> None:
    class Mine(LocalFileSystem):
        pass

    Mine(basepath=base).save("mine")
    assert Mine.load("mine") == Mine(basepath=base)
