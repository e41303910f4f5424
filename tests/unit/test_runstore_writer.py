"""The writer thread of the SQLite store: when it writes, what it does when it cannot."""

from __future__ import annotations

import contextlib
import gc
import os
import random
import signal
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from upshot.exceptions import RunStoreUnavailable
from upshot.runstore import _writer
from upshot.runstore._writer import Writer
from upshot.runstore.sqlite import SQLiteRunStore
from upshot.testing._runs import new_flow_run, new_task_run


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "runs.db"


@pytest.fixture
def store(path: Path) -> Iterator[SQLiteRunStore]:
    with SQLiteRunStore(path) as store:
        yield store


def rows(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return sum(
            connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("flow_run", "task_run")
        )


def test_the_writer_writes_by_itself_within_a_moment(path: Path, store: SQLiteRunStore) -> None:
    wrote = threading.Event()
    write = store._writer._write

    def tell() -> None:
        write()
        wrote.set()

    store._writer._write = tell
    store.record(new_flow_run())

    assert wrote.wait(30)
    assert rows(path) == 1


def test_the_writer_does_not_wait_when_a_batch_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_writer, "BATCH_SECONDS", 3_600)
    wrote = threading.Event()
    writer = Writer(wrote.set, wrote.set)
    for index in range(_writer.BATCH_ROWS):
        assert not wrote.is_set()
        writer.add(new_task_run(None, index))

    assert wrote.wait(30)
    writer.stop()


def test_an_idle_writer_waits_without_polling(store: SQLiteRunStore) -> None:
    store.record(new_flow_run())
    store.flush()
    thread = store._writer._thread
    assert thread is not None
    assert thread.daemon
    writer, woken = store._writer, []
    wait = writer._wake.wait
    writer._wake.wait = lambda timeout=None: woken.append(timeout) or wait(timeout)  # type: ignore[method-assign,func-returns-value]
    store.record(new_flow_run())
    store.flush()

    assert set(woken) <= {None}


def test_a_store_that_was_closed_has_no_thread_and_no_open_file(store: SQLiteRunStore) -> None:
    store.record(new_flow_run())
    store.close()

    assert "upshot-run-store" not in {thread.name for thread in threading.enumerate()}
    folder = Path("/proc/self/fd")
    if folder.exists():
        opened = {os.readlink(link) for link in folder.iterdir() if link.exists()}
        assert not any(name.startswith(str(store.path)) for name in opened)


def test_a_store_is_backlogged_when_much_is_queued(
    store: SQLiteRunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_writer, "MOST_QUEUED", 5)
    store.blocks()
    with store._writing.lock:
        for index in range(5):
            assert not store.backlogged
            store.record(new_task_run(None, index))
        assert store.backlogged
    store.flush()

    assert not store.backlogged


def test_a_broken_store_keeps_what_is_queued_up_to_a_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_writer, "MOST_QUEUED", 5)
    path = tmp_path / "runs.db"
    path.write_text("no database " * 100)
    store = SQLiteRunStore(path)
    store._writer.error = RunStoreUnavailable(str(path), "be written", "it is not there")
    runs = [new_task_run(None, index) for index in range(20)]
    for run in runs:
        with pytest.raises(RunStoreUnavailable, match=r"not a SQLite database|not there"):
            store.record(run)
    assert len(store._writer) == 5

    path.unlink()
    store.close()
    assert rows(path) == 5


class Alarm(BaseException):
    """What a signal handler raises, wherever the main thread stands."""


def ring(*arguments: object) -> None:
    raise Alarm


def test_exceptions_of_signal_handlers_lose_no_run_and_leave_no_lock_held(
    path: Path, store: SQLiteRunStore
) -> None:
    dice, runs = random.Random(5), []
    store.commit(new_flow_run("first"))
    before = signal.signal(signal.SIGALRM, ring)
    gc.disable()  # what is raised in a callback of its own would reach nobody
    try:
        for index in range(400):
            run = new_task_run(None, index)
            store.record(run)
            runs.append(run)
            with contextlib.suppress(Alarm):
                try:
                    signal.setitimer(signal.ITIMER_REAL, dice.uniform(1e-6, 4e-4))
                    while True:
                        store.commit(new_flow_run(str(index)))
                finally:
                    signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        gc.enable()
        signal.signal(signal.SIGALRM, before)
    store.flush()

    assert {run.id for run in runs if store.task_run(run.id) is None} == set()
    assert rows(path) == 400 + len(store.flow_runs(limit=1_000_000))


def test_the_writer_tries_again_what_it_could_not_write_without_being_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_writer, "BATCH_SECONDS", 0.0)
    monkeypatch.setattr(_writer, "RETRY_SECONDS", 0.01)
    problems = [RunStoreUnavailable("here", "write", "disk full")] * 3
    wrote = threading.Event()

    def write() -> None:
        if problems:
            raise problems.pop()
        writer.take({})
        wrote.set()

    writer = Writer(write, lambda: None)
    writer.add(new_flow_run())
    assert wrote.wait(30)
    writer.stop()
    assert writer.error is None
