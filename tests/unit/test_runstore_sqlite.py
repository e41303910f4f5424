"""What is special about the SQLite store: its files, its transactions, its numbers."""

from __future__ import annotations

import gc
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import closing
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest

from upshot.exceptions import RunStoreUnavailable
from upshot.records import CacheEntry, FlowRun, StateType, TaskRun
from upshot.runstore.sqlite import SQLiteRunStore
from upshot.testing._runs import AT, complete, facts, new_flow_run, new_task_run


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "runs.db"


@pytest.fixture
def store(path: Path) -> Iterator[SQLiteRunStore]:
    with SQLiteRunStore(path) as store:
        yield store


class Watched:
    """A store's connection, with what it executed."""

    def __init__(self, store: SQLiteRunStore) -> None:
        self.statements: list[str] = []
        store._writing.opened()._raw.set_trace_callback(self.statements.append)

    def count(self, beginning: str) -> int:
        return sum(statement.startswith(beginning) for statement in self.statements)


def rows(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return sum(
            connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("flow_run", "task_run")
        )


def test_a_store_touches_no_disk_before_it_is_used(path: Path) -> None:
    SQLiteRunStore(path).close()

    assert not path.parent.exists()


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_files_are_private_whatever_the_umask(path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        with SQLiteRunStore(path) as store:
            store.commit(new_flow_run())
            modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    finally:
        os.umask(before)

    assert modes == dict.fromkeys(("runs.db", "runs.db-wal", "runs.db-shm"), 0o600)
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_is_there_keeps_its_mode(path: Path) -> None:
    path.parent.mkdir(mode=0o755)
    path.parent.chmod(0o755)
    with SQLiteRunStore(path) as store:
        store.blocks()

    assert path.parent.stat().st_mode & 0o777 == 0o755


def test_odd_letters_in_the_path_are_no_trouble(tmp_path: Path) -> None:
    path = tmp_path / "ho me?mode=ro&x#%41ü" / "runs.db"
    with SQLiteRunStore(path) as store:
        store.commit(new_flow_run())

    assert rows(path) == 1


@pytest.mark.parametrize(("durability", "level"), [("normal", 1), ("full", 2)])
def test_durability_says_when_sqlite_syncs(path: Path, durability: str, level: int) -> None:
    with SQLiteRunStore(path, durability) as store:
        assert store._writing.opened()._pragma("synchronous") == level
        assert store._writing.opened()._pragma("journal_mode") == "wal"


def test_hundreds_of_small_commits_do_not_wait_for_the_disk(path: Path) -> None:
    log = path.with_name("runs.db-wal")
    with SQLiteRunStore(path) as store:
        store.commit(new_flow_run())
        before = path.stat()
        for index in range(600):
            store.commit(new_task_run(None, index))
        # so long as only the log grows, nothing has reached the file and been waited for
        assert log.stat().st_size > 1_000 * 4_096
        assert path.stat().st_mtime_ns == before.st_mtime_ns


def test_a_copied_store_that_lost_its_journal_mode_gets_it_back(path: Path) -> None:
    with SQLiteRunStore(path) as store:
        store.commit(new_flow_run())
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
    with SQLiteRunStore(path) as store:
        assert len(store.flow_runs()) == 1

    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_thousand_recorded_runs_are_one_transaction(store: SQLiteRunStore) -> None:
    flow_run = new_flow_run()
    store.commit(flow_run)
    watched = Watched(store)
    with store._writing.lock:  # the writer waits here, however long this thread takes
        for index in range(900):
            store.record(new_task_run(flow_run, index))
    store.flush()
    store.close()

    assert watched.count("BEGIN") == 1
    assert watched.count("INSERT INTO task_run") < 50  # statements, each of many rows
    assert len(store.task_runs(flow_run.id)) == 900
    assert [run.call_index for run in store.task_runs(flow_run.id)] == [*range(900)]


def test_a_run_recorded_many_times_before_it_is_written_is_one_row_and_one_write(
    store: SQLiteRunStore,
) -> None:
    run = new_task_run(None)
    store.commit(new_flow_run())
    watched = Watched(store)
    with store._writing.lock:
        for _ in range(50):
            store.record(run)
        complete(run)
        store.record(run)
    store.flush()

    assert watched.count("INSERT") == 1
    assert watched.count("UPDATE") == 0
    assert run.row is not None
    assert not run.queued


def test_a_commit_is_one_transaction_with_what_was_queued(store: SQLiteRunStore) -> None:
    flow_run, run = new_flow_run(), new_task_run(None)
    store.blocks()
    watched = Watched(store)
    with store._writing.lock:
        store.record(flow_run)
        store.record(run)
        store._write(run)

    assert watched.count("BEGIN") == watched.count("COMMIT") == 1


def test_queued_runs_and_their_cache_entries_are_one_transaction_of_whoever_flushes(
    store: SQLiteRunStore,
) -> None:
    runs = [new_task_run(None, index) for index in range(50)]
    store.blocks()
    watched = Watched(store)
    for run in runs:
        store.queue(run, CacheEntry(key=run.name, document="{}", created=1.0))
    store.flush()
    store.flush()

    assert watched.count("BEGIN") == watched.count("COMMIT") == 1
    assert all(store.task_run(run.id) is not None for run in runs)
    assert all(store.cached(run.name) is not None for run in runs)
    assert not any(run.queued or run.entry for run in runs)


def test_a_new_run_that_is_committed_alone_is_one_statement(store: SQLiteRunStore) -> None:
    flow_run, runs = new_flow_run(), [new_task_run(None, index) for index in range(3)]
    store.commit(flow_run)
    watched = Watched(store)
    for run in runs:
        run.flow_run = flow_run
        store.commit(run)
    assert watched.count("BEGIN") == 0
    assert watched.count("INSERT INTO task_run") == 3

    for run in runs:
        complete(run)
        store.commit(run)
    assert watched.count("INSERT INTO task_run") == watched.count("UPDATE task_run") == 3
    assert [facts(run) for run in store.task_runs(flow_run.id)] == [facts(run) for run in runs]


def test_a_cache_entry_that_could_not_be_written_is_written_with_its_run_later(
    store: SQLiteRunStore,
) -> None:
    run = new_task_run(None)
    store.commit(new_flow_run())
    store._writing.opened().cursor.execute("PRAGMA query_only=ON")
    store.queue(run, CacheEntry(key="k", document="{}", created=1.0))
    with pytest.raises(RunStoreUnavailable):
        store.flush()
    assert store.cached("k") is None

    store.flush()  # through a connection of its own

    assert store.cached("k") is not None
    assert store.task_run(run.id) is not None


def test_a_run_changed_while_it_is_written_is_written_again(
    store: SQLiteRunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = new_task_run(None)
    store.blocks()
    runs = store._writing.opened().runs
    write = runs.transact

    def meanwhile(*arguments: object) -> object:
        numbered = write(*arguments)  # type: ignore[arg-type]
        if run.state_type is StateType.RUNNING:
            complete(run)
            store.record(run)
        return numbered

    monkeypatch.setattr(runs, "transact", meanwhile)
    store.commit(run)
    assert run.queued
    found = store.task_run(run.id)

    assert found is not None
    assert found.state_type is StateType.COMPLETED


def test_a_run_keeps_its_number_and_parents_are_found_across_stores(path: Path) -> None:
    flow_run = new_flow_run()
    with SQLiteRunStore(path) as one, SQLiteRunStore(path) as other:
        one.commit(flow_run)
        there = replace(flow_run, row=None, states=flow_run.states)
        run = new_task_run(there)
        other.commit(run)
        complete(there)
        other.commit(there)

        found = one.task_run(run.id)

    assert there.row == flow_run.row == 1
    assert found is not None
    assert found.flow_run is not None
    assert facts(found.flow_run) == facts(there)
    assert rows(path) == 2


def test_a_run_whose_row_was_deleted_by_hand_comes_back_with_its_next_write(
    path: Path, store: SQLiteRunStore
) -> None:
    flow_run = new_flow_run()
    run = new_task_run(flow_run)
    store.record(flow_run)
    store.commit(run)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM task_run")
        connection.execute("DELETE FROM flow_run")
    sibling = new_task_run(flow_run, 1)
    complete(run)
    store.record(sibling)
    store.commit(run)

    assert {one.id for one in map(store.task_run, (run.id, sibling.id)) if one} == {
        run.id,
        sibling.id,
    }


def test_a_column_that_is_no_unicode_does_not_hold_up_the_others(store: SQLiteRunStore) -> None:
    flow_run = new_flow_run()
    odd, plain = new_task_run(flow_run, 0), new_task_run(flow_run, 1)
    odd.name, odd.tags = "a\udcff", ("b\udcff",)
    store.record(flow_run)
    store.record(plain)
    store.commit(odd)

    names = [run.name for run in store.task_runs(flow_run.id)]
    assert sorted(names) == ["a\\udcff", "parse-1"]


def test_a_run_with_values_of_the_wrong_type_is_a_clear_error(store: SQLiteRunStore) -> None:
    run = new_task_run(None)
    run.result = {"no": "text"}  # type: ignore[assignment]

    with pytest.raises(RunStoreUnavailable, match="not supported"):
        store.commit(run)
    store.commit(new_flow_run())


def test_finished_runs_are_not_kept_alive(store: SQLiteRunStore) -> None:
    class Marked(TaskRun):
        __slots__ = ("__weakref__",)

    run = Marked(name="a", task_name="a", task_key="a", flow_run=new_flow_run())
    gone = weakref.ref(run)
    store.record(run)
    store.flush()
    del run
    gc.collect()

    assert gone() is None


def test_an_interrupted_commit_leaves_nothing_behind(
    store: SQLiteRunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.commit(new_flow_run())
    queued = new_task_run(None)

    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    with store._writing.lock:
        store.record(queued)
        with monkeypatch.context() as patch:
            patch.setattr(store._writing.opened().runs, "_write", interrupted)
            with pytest.raises(KeyboardInterrupt):
                store._write(new_task_run(None))

    assert store.task_run(queued.id) is not None
    assert queued.row == 1


def test_a_run_that_cannot_be_packed_is_a_clear_error_and_not_the_end_of_the_writer(
    store: SQLiteRunStore,
) -> None:
    run = new_task_run(None)
    whole, run.states = run.states, (*run.states, ("no", "step"))
    store.record(run)

    with pytest.raises(RunStoreUnavailable, match=r"be written: \w+Error: "):
        store.flush()
    run.states = whole
    assert store.task_run(run.id) is not None


def test_two_connections_that_write_at_once_wait_for_each_other(path: Path) -> None:
    with SQLiteRunStore(path) as store:
        store.blocks()
        begun, done = threading.Event(), threading.Event()

        def hold() -> None:
            with closing(sqlite3.connect(path, isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                begun.set()
                done.wait(0.3)
                other.execute("COMMIT")

        thread = threading.Thread(target=hold)
        thread.start()
        begun.wait()
        at = time.monotonic()
        store.commit(new_flow_run())
        done.set()
        thread.join()

    assert time.monotonic() - at > 0.05
    assert rows(path) == 1


def test_a_deep_chain_of_subflows_is_read(store: SQLiteRunStore) -> None:
    run: FlowRun = new_flow_run("0")
    store.record(run)
    for depth in range(1, 30):
        stand_in = new_task_run(run)
        run = new_flow_run(str(depth), parent=stand_in)
        store.record(stand_in)
        store.record(run)

    found, depth = store.flow_run(run.id), 0
    while found is not None and found.parent is not None:
        found, depth = found.parent.flow_run, depth + 1
    assert depth == 29


def test_a_history_in_the_middle_of_a_change_is_written_whole(store: SQLiteRunStore) -> None:
    run = new_task_run(None)
    complete(run)
    run.ended = None  # `enter` sets it after the state
    store.commit(run)

    found = store.task_run(run.id)
    assert found is not None
    assert found.ended == AT + 2
    assert deepcopy(found.history) == run.history
