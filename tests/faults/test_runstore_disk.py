"""Disks that are full, turn read-only or refuse: clear errors, no hanging, nothing lost."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.faults.test_runstore_kill import assert_whole
from upshot.exceptions import RunStoreUnavailable
from upshot.records import CacheEntry
from upshot.runstore import _creation
from upshot.runstore.sqlite import SQLiteRunStore
from upshot.testing._runs import complete, new_flow_run, new_task_run


def mounted(folder: Path, *command: str) -> None:
    """Mount a file system on `folder`, or skip the test where the platform does not let us."""
    folder.mkdir()
    tried = subprocess.run(["mount", *command, str(folder)], capture_output=True, text=True)
    if tried.returncode:
        pytest.skip(f"platform: mounting is refused ({tried.stderr.strip()})")


def unmount(folder: Path) -> None:
    """A file that a closed store still has open makes the test fail, and is no burden later."""
    tried = subprocess.run(["umount", str(folder)])
    if tried.returncode:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
    assert tried.returncode == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of one megabyte."""
    if shutil.which("mount") is None or os.geteuid() != 0:
        pytest.skip("platform: mounting a file system needs root")
    folder = tmp_path / "disk"
    mounted(folder, "-t", "tmpfs", "-o", "size=1m", "tmpfs")
    yield folder
    unmount(folder)


@pytest.fixture
def abortable_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system that can be made read-only while files on it are open."""
    if os.geteuid() != 0 or not all(map(shutil.which, ("mount", "mkfs.ext4"))):
        pytest.skip("platform: mounting a file system needs root and mkfs.ext4")
    image, folder = tmp_path / "image", tmp_path / "disk"
    with image.open("wb") as file:
        file.truncate(8 << 20)
    subprocess.run(["mkfs.ext4", "-q", str(image)], check=True)
    mounted(folder, "-o", "loop", str(image))
    yield folder
    unmount(folder)


def fill(disk: Path, leave: int) -> Path:
    """Use up the room on a disk but for about `leave` bytes."""
    room = os.statvfs(disk)
    ballast = disk / "ballast"
    ballast.write_bytes(bytes(max(0, room.f_bavail * room.f_bsize - leave)))
    return ballast


def test_a_disk_that_fills_up_is_a_clear_error_and_with_room_nothing_is_lost(
    small_disk: Path,
) -> None:
    path = small_disk / "home" / "runs.db"
    flow_run = new_flow_run()
    with SQLiteRunStore(path) as store:
        store.commit(flow_run)
        ballast = fill(small_disk, leave=200_000)
        recorded = 0
        with pytest.raises(RunStoreUnavailable, match="full"):  # noqa: PT012
            while recorded < 20_000:
                store.record(new_task_run(flow_run, recorded))
                recorded += 1
                if recorded % 500 == 0:
                    store.flush()
        with pytest.raises(RunStoreUnavailable, match=r"runs\.db could not be written: the disk"):
            store.record(new_task_run(flow_run, recorded))
        with pytest.raises(RunStoreUnavailable, match="full"):
            store.flush()
        refused = new_task_run(flow_run, -1)
        with pytest.raises(RunStoreUnavailable, match="full"):
            store.commit(refused)

        ballast.unlink()
        store.flush()
        recorded += 1
        store.record(new_task_run(flow_run, recorded))
        found = [run.call_index for run in store.task_runs(flow_run.id)]

    assert found == list(range(recorded + 1))
    assert_whole(path)


def test_closing_a_store_on_a_full_disk_says_so_and_does_not_hang(small_disk: Path) -> None:
    path = small_disk / "home" / "runs.db"
    store = SQLiteRunStore(path)
    flow_run = new_flow_run()
    store.commit(flow_run)
    ballast = fill(small_disk, leave=0)
    run = new_task_run(flow_run)
    run.result = "x" * 500_000
    store.record(run)

    with pytest.raises(RunStoreUnavailable, match="full"):
        store.close()

    ballast.unlink()
    assert store.task_run(run.id) is not None
    store.close()


def test_a_store_cannot_be_made_on_a_full_disk_and_leaves_nothing_there(small_disk: Path) -> None:
    path = small_disk / "home" / "runs.db"
    path.parent.mkdir()
    ballast = fill(small_disk, leave=8_192)

    with pytest.raises(RunStoreUnavailable, match="full"):
        SQLiteRunStore(path).blocks()
    assert list(path.parent.iterdir()) == []

    ballast.unlink()
    with SQLiteRunStore(path) as store:
        assert store.blocks() == []


def test_a_store_that_turns_read_only_in_the_middle_is_a_clear_error(abortable_disk: Path) -> None:
    path = abortable_disk / "home" / "runs.db"
    store = SQLiteRunStore(path, "full")
    flow_run, run = new_flow_run(), new_task_run(None)
    store.commit(flow_run)
    subprocess.run(["mount", "-o", "remount,abort", str(abortable_disk)], check=True)

    for _ in range(2):
        with pytest.raises(RunStoreUnavailable, match=r"runs\.db could not be"):
            store.commit(run, CacheEntry(key="k", document="{}", created=1.0))
    store.record(new_task_run(flow_run))
    with pytest.raises(RunStoreUnavailable):
        store.task_runs(flow_run.id)
    with pytest.raises(RunStoreUnavailable):
        store.close()


def test_what_could_not_be_written_is_written_once_the_store_is_writable(tmp_path: Path) -> None:
    path = tmp_path / "home" / "runs.db"
    flow_run = new_flow_run()
    with SQLiteRunStore(path) as store:
        store.commit(flow_run)
        store._writing.opened().cursor.execute("PRAGMA query_only=ON")
        store.record(new_task_run(flow_run))
        with pytest.raises(RunStoreUnavailable, match="read-only"):
            store.flush()
        store.flush()  # by a connection of its own, opened anew

        assert len(store.task_runs(flow_run.id)) == 1


def test_a_file_that_is_no_database_is_a_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    path.write_bytes(b"Dear reader, " * 500)
    store = SQLiteRunStore(path)

    with pytest.raises(RunStoreUnavailable, match="not a SQLite database"):
        store.commit(new_flow_run())
    with pytest.raises(RunStoreUnavailable, match="not a SQLite database"):
        store.flow_runs()
    assert path.read_bytes() == b"Dear reader, " * 500


@pytest.mark.parametrize("tables", ["", "CREATE TABLE mine (id INTEGER)"])
def test_a_database_that_is_no_run_store_is_left_alone(tmp_path: Path, tables: str) -> None:
    path = tmp_path / "runs.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(tables)
    path.touch()
    before = path.read_bytes()

    with pytest.raises(RunStoreUnavailable, match="is not a run store"):
        SQLiteRunStore(path).blocks()
    assert path.read_bytes() == before


def test_a_damaged_store_is_a_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    with SQLiteRunStore(path) as store:
        flow_run = new_flow_run()
        store.record(flow_run)
        for index in range(500):
            store.record(new_task_run(flow_run, index))
    damaged = bytearray(path.read_bytes())
    damaged[8_192:] = bytes(len(damaged) - 8_192)
    path.write_bytes(damaged)

    store = SQLiteRunStore(path)
    with pytest.raises(RunStoreUnavailable, match="damaged"):
        store.task_runs(flow_run.id)
    with pytest.raises(RunStoreUnavailable, match="damaged"):
        store.commit(new_task_run(flow_run))


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")

    with pytest.raises(RunStoreUnavailable, match=r"Not a directory|File exists"):
        SQLiteRunStore(tmp_path / "file" / "runs.db").blocks()


def test_a_file_system_without_hard_links_is_a_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*paths: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(_creation.os, "link", refuse)

    with pytest.raises(RunStoreUnavailable, match="hard links"):
        SQLiteRunStore(tmp_path / "home" / "runs.db").blocks()
    assert list((tmp_path / "home").iterdir()) == []


def test_a_store_whose_file_is_removed_or_replaced_goes_on_in_a_new_one(tmp_path: Path) -> None:
    path = tmp_path / "home" / "runs.db"
    flow_run, run = new_flow_run(), new_task_run(None)
    run.flow_run = flow_run
    with SQLiteRunStore(path) as store:
        store.commit(flow_run)
        store.commit(new_task_run(flow_run))
        shutil.rmtree(path.parent)
        complete(flow_run)
        store.record(run)
        store.commit(flow_run)

        found = store.task_runs(flow_run.id)

    assert [one.id for one in found] == [run.id]
    assert_whole(path)


@pytest.mark.parametrize(("durability", "synced"), [("normal", False), ("full", True)])
def test_with_full_durability_a_commit_is_on_the_disk_when_it_returns(
    tmp_path: Path, durability: str, synced: bool
) -> None:
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("platform: strace is not here")
    script = """
import os, pathlib, sys
from upshot.runstore.sqlite import SQLiteRunStore
from upshot.testing._runs import new_flow_run
store = SQLiteRunStore(pathlib.Path(sys.argv[1]), sys.argv[2])
store.blocks()
os.write(1, b"opened")
store.commit(new_flow_run())
os.write(1, b"returned")
"""
    path = tmp_path / "home" / "runs.db"
    traced = tmp_path / "calls"
    calls = "trace=pwrite64,fdatasync,fsync,write,link,linkat"
    command = [strace, "-f", "-y", "-e", calls, "-o", str(traced), sys.executable, "-c", script]
    tried = subprocess.run([*command, str(path), durability], capture_output=True, text=True)
    if "ptrace" in tried.stderr:
        pytest.skip(f"platform: tracing is refused ({tried.stderr.strip()})")

    made, rest = traced.read_text().split('"opened"')
    commit, _ = rest.split('"returned"')
    steps = [line.split(None, 1)[1] for line in commit.splitlines()[1:-1]]
    on_wal = [step.partition("(")[0] for step in steps if "runs.db-wal>" in step]
    assert "pwrite64" in on_wal
    assert (on_wal[-1] == "fdatasync") is synced
    linked = made.rindex("link(")
    assert made.rindex("fdatasync(", 0, linked) > made.rindex("pwrite64(", 0, linked)
    assert ("fsync(" in made[linked:]) is synced
