"""kill -9 at every line and at random instants: what was told is there, the store is whole."""

from __future__ import annotations

import random
import sqlite3
import stat
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from uuid import UUID

import pytest

from tests.faults.harness import Nursery
from upshot.records import StateType
from upshot.runstore.sqlite import SQLiteRunStore
from upshot.testing._runs import new_flow_run, new_task_run

SCENARIOS = Path(__file__).with_name("runstore_scenarios.py")


# what is traced of a migration: what SQLite does in one transaction has no line in between
MIGRATION = ["upshot.runstore.migrations", str(SCENARIOS.with_name("runstore_revisions"))]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: what kill -9 leaves does not depend on the disk."""
    shared = Path("/dev/shm")
    if not shared.is_dir():
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=shared) as folder:
        yield Path(folder)


def check(folder: Path, told: list[str]) -> None:
    """All that was told is in the store, and the store is whole, or there is none yet."""
    path = folder / "home" / "runs.db"
    if not path.exists():
        assert told == []
        return
    with SQLiteRunStore(path) as store:
        for uid, _, key in (line.partition(" ") for line in told):
            run = store.task_run(UUID(uid))
            assert run is not None
            assert run.state_type is StateType.COMPLETED
            assert run.flow_run is not None
            if key:
                entry = store.cached(key)
                assert entry is not None
                assert entry.document == uid
    assert_whole(path)


def assert_whole(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        assert connection.execute("PRAGMA journal_mode").fetchall() == [("wal",)]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_store_killed_at_any_line_holds_all_that_was_told(folder: Path) -> None:
    tries = 0
    with Nursery(SCENARIOS, "commits", traced=["upshot.runstore"]) as nursery:
        for tried, outcome in nursery.killed_at_every_line(folder):
            check(tried, outcome.told)
            tries += 1

    assert len(outcome.told) == 2
    assert tries > 300


def test_a_store_killed_at_random_instants_holds_all_that_was_told(tmp_path: Path) -> None:
    dice = random.Random(7)
    told: list[str] = []
    with Nursery(SCENARIOS, "commits_without_end") as nursery:
        for _ in range(40):
            outcome = nursery.run(tmp_path, kill_after=dice.randint(1, 60))
            assert outcome.killed
            told += [line.partition(" ")[0] for line in outcome.told]
            check(tmp_path, told[-5:])

    check(tmp_path, told)
    assert len(told) > 500


def test_a_migration_killed_at_any_line_has_happened_or_not(folder: Path) -> None:
    tries = 0
    with Nursery(SCENARIOS, "migrates", traced=MIGRATION) as nursery:
        while True:
            tries += 1
            path = folder / str(tries) / "home" / "runs.db"
            fill(path)
            outcome = nursery.run(path.parent.parent, kill_at=tries)
            assert version_and_columns(path) in {("0001", False, False), ("0002", True, True)}
            assert_whole(path)
            if not outcome.killed:
                break

    assert outcome.told == ["migrated"]
    assert version_and_columns(path)[0] == "0002"
    assert tries > 30


def fill(path: Path) -> None:
    with SQLiteRunStore(path) as store:
        flow_run = new_flow_run()
        store.record(flow_run)
        for index in range(3):
            store.record(new_task_run(flow_run, index))


def version_and_columns(path: Path) -> tuple[str, bool, bool]:
    with closing(sqlite3.connect(path)) as connection:
        version = connection.execute("SELECT version_num FROM alembic_version").fetchone()[0]
        columns = [row[1] for row in connection.execute("PRAGMA table_info(task_run)")]
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master")]
        runs = connection.execute("SELECT count(*) FROM task_run").fetchone()[0]
        assert runs == 3
        return version, "colour" in columns, "palette" in tables
