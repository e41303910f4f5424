"""Flows and tasks called in forked and spawned processes, and how programs end that call some."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import pytest

from tests.faults.test_runstore_kill import assert_whole
from upshot.documents import BaseResult
from upshot.records import FlowRun, StateType, TaskRun
from upshot.runstore import open_store
from upshot.testing import isolated

PROGRAMS = Path(__file__).with_name("calls_processes.py")


def run(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a program with a home; a warning is an error there too."""
    return subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        env=os.environ | {"UPSHOT_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )


def completed(home: Path, told: str) -> list[FlowRun | TaskRun]:
    """The runs that were told, each of which has its row and its value."""
    found: list[FlowRun | TaskRun] = []
    with isolated(home):
        store = open_store()
        for uid in map(UUID, told.split()):
            one = store.task_run(uid) or store.flow_run(uid)
            assert one is not None
            assert one.state_type is StateType.COMPLETED
            if one.result is not None:
                assert len(BaseResult.model_validate_json(one.result).fetch()) == 1
            found.append(one)
    assert_whole(home / "runs.db")
    return found


@pytest.mark.parametrize(
    ("program", "told"),
    [
        ("fork_outside", 2 * 3 * 7),
        ("fork_inside", 5 + 2),
        ("fork_in_a_loop", 6 + 4),
        ("processes fork", 4 * 7),
        ("processes spawn", 4 * 7),
        ("processes forkserver", 4 * 7),
        ("pool fork", 5 * 7),
        ("pool spawn", 5 * 7),
        ("executor fork", 5 * 7),
        ("executor spawn", 5 * 7),
    ],
)
def test_what_the_processes_of_a_program_called_is_there_when_they_have_ended(
    tmp_path: Path, program: str, told: int
) -> None:
    ended = run(tmp_path, str(PROGRAMS), *program.split())

    assert (ended.returncode, ended.stderr) == (0, "")
    runs = completed(tmp_path, ended.stdout)
    assert len({one.uid for one in runs}) == told
    task_runs = [one for one in runs if isinstance(one, TaskRun) and one.task_name != "unkept"]
    assert all(one.result for one in task_runs)


def test_a_child_that_is_forked_in_a_flow_records_its_tasks_in_that_flow(tmp_path: Path) -> None:
    ended = run(tmp_path, str(PROGRAMS), "fork_inside")

    runs = completed(tmp_path, ended.stdout)
    (around,) = [one for one in runs if isinstance(one, FlowRun)]
    assert {one.flow_run_id for one in runs if isinstance(one, TaskRun)} == {around.id}
