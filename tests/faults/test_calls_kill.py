"""kill -9 in the middle of whole calls: what was told can be read, and nothing is half there."""

from __future__ import annotations

import os
import random
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

import pytest

from tests.faults.calls_kill import FIXED
from tests.faults.harness import Nursery
from tests.faults.test_runstore_kill import assert_whole
from upshot import flow, task
from upshot._blob import read_blob
from upshot.documents import BaseResult, PersistedResult
from upshot.exceptions import BlobMissing, BlobReplaced
from upshot.filesystems import LocalFileSystem
from upshot.records import StateType
from upshot.runstore import RunStore, open_store
from upshot.testing import isolated

SCENARIOS = Path(__file__).with_name("calls_kill.py")
WRITE_PATH = [
    f"upshot.{room}"
    for room in ("results", "blocks", "_blob", "filesystems", "serializers", "runstore", "_engine")
]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: nothing here depends on what reaches a disk."""
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else tmp_path) as folder:
        yield Path(folder)


class Aftermath:
    """What the reader finds who comes after killed processes."""

    def __init__(self, folder: Path) -> None:
        self.home, self._elsewhere = folder / "home", folder / "elsewhere"
        self.told = 0
        self._seen: set[Path] = set()

    def look(self, told: list[str]) -> None:
        """All of `told` can be read; what is new among the blobs is whole."""
        self.told += len(told)
        with isolated(self.home) as settings:
            store = open_store(settings)
            for uid, _, key in (line.partition(" ") for line in told):
                assert_readable(uid, store)
                entry = store.cached(key) if key else None
                if entry is not None:
                    assert_sealed(BaseResult.model_validate_json(entry.document).fetch(), uid)
                assert bool(entry) == bool(key)
            self._look_at_blobs(settings.local_storage_path)
        self._look_at_blobs(self._elsewhere)

    def look_at_all(self) -> None:
        """Every completed row has its blob, the store is whole, and the next run works."""
        with isolated(self.home) as settings:
            assert another(3) == [3]
            store = open_store(settings)
            with closing(sqlite3.connect(self.home / "runs.db")) as connection:
                rows = connection.execute(
                    "SELECT uid FROM task_run WHERE state_type = 3 AND child_uid IS NULL"
                    " UNION ALL SELECT uid FROM flow_run WHERE state_type = 3"
                ).fetchall()
            for (uid,) in rows:
                assert_readable(uid.hex(), store)
            self._seen.clear()
            self._look_at_blobs(settings.local_storage_path)
        self._look_at_blobs(self._elsewhere)
        assert_whole(self.home / "runs.db")
        names = {path.name for path in self.home.iterdir() if not path.name.startswith(".")}
        assert names == {"runs.db", "storage"}
        assert len(rows) >= self.told / 2  # a hit is told as well

    def _look_at_blobs(self, folder: Path) -> None:
        storage = LocalFileSystem(basepath=folder)
        for path in sorted(folder.rglob("*")):
            hidden = path.name.startswith(".upshot-")
            if path.is_file() and not hidden and path not in self._seen:
                value = read_blob(storage, path.relative_to(folder).as_posix())
                assert value == [3] or sealed(value)
                if path.name != Path(FIXED).name:
                    self._seen.add(path)


@flow(persist_result=True)
def another(x: int) -> list[int]:
    return kept(x)


@task(persist_result=True)
def kept(x: int) -> list[int]:
    return [x]


def sealed(value: Any) -> bool:
    return set(value) == {"run", "data"} and set(value["data"].split(value["run"])) == {""}


def assert_sealed(value: Any, uid: str) -> None:
    assert value["run"] == uid
    assert sealed(value)


def assert_readable(uid: str, store: RunStore) -> None:
    """The run is recorded as completed, and its reference gives its value."""
    run = store.task_run(UUID(uid)) or store.flow_run(UUID(uid))
    assert run is not None
    assert run.state_type is StateType.COMPLETED
    assert run.result is not None
    reference = BaseResult.model_validate_json(run.result)
    assert isinstance(reference, PersistedResult)
    try:
        value = reference.fetch()
    except BlobReplaced:
        assert reference.storage_key == FIXED
    else:
        if run.state_name != "Cached" and value != [3]:
            assert_sealed(value, uid)


# together all lines; the ordinary suite has every seventh
every_seventh_from = pytest.mark.parametrize(
    "start", [1, *(pytest.param(start, marks=pytest.mark.slow) for start in range(2, 8))]
)


@pytest.mark.timeout(300)  # some thousand processes
@pytest.mark.parametrize(("scenario", "calls"), [("sync_calls", 7), ("async_calls", 5)])
@every_seventh_from
def test_calls_killed_at_any_line_leave_all_that_was_told_and_nothing_half(
    folder: Path, scenario: str, calls: int, start: int
) -> None:
    aftermath = Aftermath(folder)
    with Nursery(SCENARIOS, scenario, WRITE_PATH) as nursery:
        nursery.run(folder)
        for number in range(start, 20_000, 7):
            outcome = nursery.run(folder, kill_at=number)
            aftermath.look(outcome.told)
            if not outcome.killed:
                break

    aftermath.look_at_all()
    assert len(outcome.told) == calls
    assert number > 1_000


@every_seventh_from
def test_the_first_call_in_a_home_killed_at_any_line_leaves_it_usable(
    folder: Path, start: int
) -> None:
    with Nursery(SCENARIOS, "first_call", WRITE_PATH) as nursery:
        for number in range(start, 5_000, 7):
            home = folder / str(number)
            outcome = nursery.run(home, kill_at=number)
            aftermath = Aftermath(home)
            aftermath.look(outcome.told)
            aftermath.look_at_all()
            if not outcome.killed:
                break

    assert len(outcome.told) == 1
    assert number > 400


def test_calls_killed_at_random_instants_leave_all_that_was_told_and_nothing_half(
    folder: Path,
) -> None:
    dice = random.Random(14)
    aftermath, enough = Aftermath(folder), threading.Event()
    reads: list[bool] = []

    def keep_reading() -> None:
        storage = LocalFileSystem(basepath=aftermath.home / "storage")
        while not enough.is_set():
            try:
                reads.append(sealed(read_blob(storage, FIXED)))
            except BlobMissing:
                assert not reads

    reader = threading.Thread(target=keep_reading)
    reader.start()
    try:
        with Nursery(SCENARIOS, "calls_without_end") as nursery:
            for _ in range(40):
                outcome = nursery.run(folder, kill_after=dice.randint(1, 60))
                assert outcome.killed
                aftermath.look(outcome.told)
    finally:
        enough.set()
        reader.join()

    aftermath.look_at_all()
    assert aftermath.told > 500
    assert len(reads) > 100
    assert all(reads)
