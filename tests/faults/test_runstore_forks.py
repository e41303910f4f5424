"""Forks, multiprocessing and the end of the interpreter lose nothing and hang nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import pytest

from tests.faults.harness import Nursery
from tests.faults.test_runstore_kill import assert_whole
from upshot.records import StateType
from upshot.runstore.sqlite import SQLiteRunStore

HERE = Path(__file__).parent
SCENARIOS = HERE / "runstore_scenarios.py"


def program(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a program on a store in `home`; a warning is an error there too."""
    return subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        env=os.environ | {"UPSHOT_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


def test_after_a_fork_both_sides_write_and_neither_writes_the_others_queue(tmp_path: Path) -> None:
    with Nursery(SCENARIOS, "forks") as nursery:
        told = nursery.run(tmp_path).told[0]

    with SQLiteRunStore(tmp_path / "home" / "runs.db") as store:
        assert sorted(run.call_index for run in store.task_runs(UUID(told))) == [0, 1, 2]
        flow_run = store.flow_run(UUID(told))
        assert flow_run is not None
        assert flow_run.state_type is StateType.COMPLETED
        assert len(store.flow_runs()) == 1


def test_a_process_whose_threads_write_forks_without_deadlock_or_loss(tmp_path: Path) -> None:
    with Nursery(SCENARIOS, "forks_among_threads") as nursery:
        told = nursery.run(tmp_path).told

    with SQLiteRunStore(tmp_path / "home" / "runs.db") as store:
        (flow_run,) = store.flow_runs()
        assert {run.uid.hex() for run in store.task_runs(flow_run.id)} == set(told)
    assert_whole(tmp_path / "home" / "runs.db")


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_children_of_multiprocessing_write_what_they_queued(tmp_path: Path, method: str) -> None:
    ended = program(tmp_path, str(HERE / "runstore_multiprocessing.py"), method)

    assert (ended.returncode, ended.stderr) == (0, "")
    with SQLiteRunStore(tmp_path / "runs.db") as store:
        runs = store.task_runs(UUID(ended.stdout.strip()))
        assert sorted(run.call_index for run in runs) == [0, 1, 2, 3]


RECORD = """
import sys, threading, os
from upshot.runstore import open_store
from upshot.testing._runs import new_flow_run
run = new_flow_run()
open_store().record(run)
print(run.uid.hex(), flush=True)
"""


@pytest.mark.parametrize(
    "end", ["", "sys.exit(0)", "raise SystemExit(0)", "threading.Thread(target=list).start()"]
)
def test_what_is_queued_when_the_interpreter_ends_is_written(tmp_path: Path, end: str) -> None:
    ended = program(tmp_path, "-c", RECORD + end)

    assert (ended.returncode, ended.stderr) == (0, "")
    with SQLiteRunStore(tmp_path / "runs.db") as store:
        assert store.flow_run(UUID(ended.stdout.strip())) is not None
    assert sorted(file.name for file in tmp_path.iterdir()) == ["runs.db"]


def test_a_run_recorded_after_upshot_said_goodbye_is_written(tmp_path: Path) -> None:
    early = """
import atexit
def late():
    for _ in range(3):
        run = new_flow_run()
        open_store().record(run)
        print(run.uid.hex())
atexit.register(late)
"""
    ended = program(tmp_path, "-c", early + RECORD)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert len(ended.stdout.split()) == 4
    with SQLiteRunStore(tmp_path / "runs.db") as store:
        for uid in ended.stdout.split():
            assert store.flow_run(UUID(uid)) is not None


def test_a_queue_that_cannot_be_written_at_the_end_is_told_and_does_not_hang(
    tmp_path: Path,
) -> None:
    (tmp_path / "runs.db").write_bytes(b"this is a letter, not a database" * 200)

    ended = program(tmp_path, "-c", RECORD)

    assert "RunStoreUnavailable" in ended.stderr
    assert "not a SQLite database" in ended.stderr
