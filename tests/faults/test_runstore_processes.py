"""Many processes on one store: starting on it, writing to it, migrating it."""

from __future__ import annotations

import stat
from pathlib import Path

from tests.faults.harness import Nursery
from tests.faults.test_runstore_kill import assert_whole, fill, version_and_columns
from upshot.records import StateType
from upshot.runstore.sqlite import SQLiteRunStore

SCENARIOS = Path(__file__).with_name("runstore_scenarios.py")


def test_fifty_times_eight_processes_start_on_a_store_that_is_not_there(tmp_path: Path) -> None:
    with Nursery(SCENARIOS, "opens") as nursery:
        for round in range(50):
            folder = tmp_path / str(round)
            outcomes = nursery.run_together(folder, 8)

            with SQLiteRunStore(folder / "home" / "runs.db") as store:
                found = store.flow_runs()
                assert {run.uid.hex() for run in found} == {o.told[0] for o in outcomes}
                for run in found:
                    assert [str(task.call_index) for task in store.task_runs(run.id)] == [run.name]
            assert [file.name for file in (folder / "home").iterdir()] == ["runs.db"]
            assert stat.S_IMODE((folder / "home").stat().st_mode) == 0o700


def test_eight_processes_write_ten_thousand_runs_together(tmp_path: Path) -> None:
    with Nursery(SCENARIOS, "writes_many") as nursery:
        outcomes = nursery.run_together(tmp_path, 8)

    with SQLiteRunStore(tmp_path / "home" / "runs.db") as store:
        flow_runs = store.flow_runs()
        assert {run.uid.hex() for run in flow_runs} == {o.told[0] for o in outcomes}
        for run in flow_runs:
            task_runs = store.task_runs(run.id)
            assert [task.call_index for task in task_runs] == list(range(1_249))
            assert {one.state_type for one in (run, *task_runs)} == {StateType.COMPLETED}
            assert all(store.cached(f"{run.name}/{index}") for index in range(0, 1_249, 10))
    assert_whole(tmp_path / "home" / "runs.db")


def test_of_processes_that_find_an_older_store_one_migrates_it(tmp_path: Path) -> None:
    with Nursery(SCENARIOS, "migrates") as nursery:
        for round in range(10):
            path = tmp_path / str(round) / "home" / "runs.db"
            fill(path)
            outcomes = nursery.run_together(path.parent.parent, 2)

            assert [outcome.told for outcome in outcomes] == [["migrated"], ["migrated"]]
            assert version_and_columns(path) == ("0002", True, True)
            assert_whole(path)
