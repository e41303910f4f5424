"""Disks that are full, turn read-only or refuse, in whole calls: clear errors, nothing half."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.calls_disks import fill, remount, small_disk
from upshot import flow, task
from upshot._blob import read_blob
from upshot.exceptions import StorageUnavailable
from upshot.filesystems import LocalFileSystem
from upshot.runstore import open_store
from upshot.testing import isolated

TOO_MUCH = 700_000  # bytes, of which a megabyte has no room for two

Keep = Callable[[bytes], Any]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk") as folder:
        yield folder


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    with isolated(tmp_path / "home") as settings:
        yield settings.home


@pytest.fixture(params=["sync", "async"])
def keep_on(request: pytest.FixtureRequest) -> Callable[[Path], Keep]:
    """Makes a flow with one task, which keeps its argument on a disk under one key."""

    def on(folder: Path) -> Keep:
        def kept(value: bytes) -> bytes:
            return value

        async def akept(value: bytes) -> bytes:
            return value

        storage = LocalFileSystem(basepath=folder)
        chosen: Any = kept if request.param == "sync" else akept
        keep = task(chosen, persist_result=True, result_storage=storage, result_storage_key="k")

        @flow
        def calling(value: bytes) -> str:
            states.append(keep(value, return_state=True))
            return "went on"

        @flow
        async def acalling(value: bytes) -> str:
            states.append(await keep(value, return_state=True))
            return "went on"

        states: list[Any] = []

        def call(value: bytes) -> Any:
            if request.param == "sync":
                assert calling(value) == "went on"
            else:
                assert asyncio.run(acalling(value)) == "went on"  # type: ignore[arg-type]
            return states.pop()

        return call

    return on


def only_failed_run() -> dict[str, Any]:
    store = open_store()
    runs = [run for one in store.flow_runs() for run in store.task_runs(one.id)]
    (failed,) = [run for run in runs if run.state_name == "Failed"]
    return {"message": failed.message, "failure": failed.failure, "result": failed.result}


def test_a_storage_without_room_fails_the_task_and_keeps_what_it_had(
    disk: Path, home: Path, keep_on: Callable[[Path], Keep]
) -> None:
    keep = keep_on(disk)
    old, new = os.urandom(10), os.urandom(TOO_MUCH)
    assert keep(old).result() == old
    ballast = fill(disk, leave=TOO_MUCH // 2)

    with pytest.raises(StorageUnavailable) as caught:
        keep(new).result()
    text = str(caught.value)
    assert str(disk) in text
    assert "No space left on device" in text
    assert "make room" in text
    assert sorted(path.name for path in disk.iterdir()) == ["ballast", "k"]
    recorded = only_failed_run()
    assert "StorageUnavailable" in recorded["failure"]
    assert "No space left" in recorded["message"]
    assert recorded["result"] is None
    assert read_blob(LocalFileSystem(basepath=disk), "k") == old
    ballast.unlink()
    assert keep(new).result() == new
    assert [path.name for path in disk.iterdir()] == ["k"]


def test_a_storage_that_turns_read_only_fails_the_tasks_that_write_there(
    disk: Path, home: Path, keep_on: Callable[[Path], Keep]
) -> None:
    keep = keep_on(disk)
    before = keep(b"before")
    remount(disk, "ro")

    with pytest.raises(StorageUnavailable, match=f"{disk}.*Read-only file system"):
        keep(b"after").result()

    assert [path.name for path in disk.iterdir()] == ["k"]
    assert before.data.model_copy().fetch() == b"before"
    remount(disk, "rw")
    assert keep(b"after").result() == b"after"


def test_what_a_read_only_storage_has_is_still_served_from_the_cache(
    disk: Path, home: Path
) -> None:
    storage, calls = LocalFileSystem(basepath=disk), []

    @task(cache_key_fn=lambda context, parameters: "key", result_storage=storage)
    def cached() -> list[int]:
        calls.append(1)
        return [3]

    assert cached() == [3]
    remount(disk, "ro")
    assert cached() == [3]
    assert calls == [1]


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_storage_whose_path_is_a_file_fails_the_task(
    tmp_path: Path, home: Path, place: str, keep_on: Callable[[Path], Keep]
) -> None:
    (tmp_path / "file").write_text("not a folder")

    with pytest.raises(StorageUnavailable, match=r"file.*(Not a directory|File exists)"):
        keep_on(tmp_path / place)(b"x").result()

    assert (tmp_path / "file").read_text() == "not a folder"
