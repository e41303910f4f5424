"""`python -m benchmarks.scale`, with few runs: nothing is measured here."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks import scale
from upshot.runstore import open_store
from upshot.settings import UPSHOT_HOME, temporary_settings


@pytest.fixture(autouse=True)
def own_home(upshot_home: Path) -> None:
    """None of these touches another one."""


def test_it_prints_a_line_for_each_kind_of_call_and_for_each_tree(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    sizes = ["--runs=20", "--tasks=150", "--rounds=1", "--calls=10", f"--folder={tmp_path}"]
    monkeypatch.setattr(sys, "argv", ["scale", *sizes])

    scale.main()

    first, *lines = [line for line in capsys.readouterr().out.splitlines() if line]
    cells = {line.split("|")[1].strip(): line.split("|")[2:-1] for line in lines}
    assert first.startswith("20 task runs, ")
    assert set(cells) >= {*scale.KINDS, "1 tasks", "150 tasks", "1 tasks --json"}
    assert int(cells["150 tasks --json"][0]) - int(cells["1 tasks --json"][0]) == 149
    assert all(len(row) in (4, 6) for row in cells.values())


def test_a_store_is_filled_with_runs_that_are_there_and_that_calls_find(tmp_path: Path) -> None:
    with temporary_settings({UPSHOT_HOME: tmp_path / "full"}):
        scale.fill(1_500)
        store = open_store()
        of_flows = [store.task_runs(run.id) for run in store.flow_runs()]
        entry = store.cached("key 1499")

    assert sorted(map(len, of_flows)) == [1, 500, 1_000]
    assert {run.state_name for runs in of_flows for run in runs} == {"Completed"}
    assert entry is not None
    assert entry.task_run in {run.uid for run in of_flows[0]}
