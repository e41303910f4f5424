"""`upshot runs`: lists and trees."""

from __future__ import annotations

import contextlib
import io
import re
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli_runs import (
    a_flow_run,
    a_subflow,
    a_task_run,
    columns,
    refused,
    upshot,
)
from upshot.cli import main
from upshot.cli._walk import PAGE
from upshot.records import FlowRun, StateType, TaskRun
from upshot.runstore import Page, open_store
from upshot.testing import isolated

__all__ = ["columns"]  # a fixture
ANSI = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture(autouse=True)
def own_home() -> Iterator[None]:
    with isolated():
        yield


def test_an_empty_store_lists_no_runs() -> None:
    ran = upshot("runs", "ls")

    assert (ran.code, ran.out, ran.err) == (0, "", "no runs\n")
    assert upshot("runs", "ls", "--json").json() == {"flow_runs": [], "next": None}


def test_flow_runs_are_listed_newest_first() -> None:
    older, newer = a_flow_run(ago=90), a_flow_run("clean", ago=30, state=StateType.FAILED)
    head, first, second = upshot("runs", "ls").lines()

    assert head == ["ID", "NAME", "STATE", "STARTED", "TOOK"]
    assert first[:3] == [str(newer.id)[:18], newer.name, "Failed"]
    assert second[:3] == [str(older.id)[:18], older.name, "Completed"]
    assert second[-2:] == ["1.5", "s"]


def test_a_listed_run_has_this_shape_in_json() -> None:
    run = a_flow_run(ago=10)
    (told,) = upshot("runs", "ls", "--json").json()["flow_runs"]
    last = run.history[-1]

    assert told.pop("start_time").endswith("+00:00")
    assert told.pop("end_time") == told["state"]["timestamp"]
    assert told.pop("duration") == pytest.approx(1.5)
    assert told == {
        "kind": "flow run",
        "id": str(run.id),
        "name": run.name,
        "flow_name": "report",
        "flow_version": None,
        "parent_task_run_id": None,
        "owner": "here:42",
        "tags": [],
        "state": {
            "type": "COMPLETED",
            "name": last.name,
            "timestamp": told["state"]["timestamp"],
            "message": None,
        },
        "attempts": 1,
        "result": None,
    }


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ([], ["clean-10", "report-20", "clean-7300", "report-90000"]),
        (["--flow", "clean"], ["clean-10", "clean-7300"]),
        (["--state", "FAILED"], ["report-20", "clean-7300"]),
        (["--since", "1h"], ["clean-10", "report-20"]),
        (["--flow", "clean", "--state", "failed"], ["clean-7300"]),
        (["--flow", "clean", "--since", "1d"], ["clean-10", "clean-7300"]),
        (["--state", "failed", "--since", "1h"], ["report-20"]),
        (["--flow", "report", "--state", "completed", "--since", "1h"], []),
        (["--flow", "nothing"], []),
        (["--limit", "1"], ["clean-10"]),
    ],
    ids=" ".join,
)
def test_filters_leave_the_runs_that_they_name(filters: list[str], expected: list[str]) -> None:
    made = {}
    for flow, ago, state in (
        ("report", 90_000, StateType.COMPLETED),
        ("clean", 7_300, StateType.FAILED),
        ("report", 20, StateType.FAILED),
        ("clean", 10, StateType.COMPLETED),
    ):
        made[str(a_flow_run(flow, ago=ago, state=state).id)] = f"{flow}-{ago}"

    listed = upshot("runs", "ls", "--json", *filters).json()["flow_runs"]
    assert [made[run["id"]] for run in listed] == expected


def test_the_next_page_begins_before_the_last_run_of_the_one_before() -> None:
    ids = [str(a_flow_run(ago=ago).id) for ago in range(1, 8)]
    found: list[str] = []
    more: list[str] = []
    while True:
        page = upshot("runs", "ls", "--limit", "3", "--json", *more).json()
        found += [run["id"] for run in page["flow_runs"]]
        if page["next"] is None:
            break
        more = ["--before", page["next"]]

    assert found == ids
    assert f"there are more: --before {ids[2][:18]}" in upshot("runs", "ls", "--limit", "3").err


def test_a_run_that_goes_on_takes_until_now() -> None:
    a_flow_run(state=StateType.RUNNING, ago=7300)

    assert upshot("runs", "ls").lines()[1][-4:-2] == ["2", "h"]
    assert upshot("runs", "ls", "--json").json()["flow_runs"][0]["duration"] is None


def test_a_run_without_any_state_is_listed() -> None:
    open_store().record(FlowRun(name="bare", flow_name="bare"))

    assert upshot("runs", "ls").lines()[1][1:] == ["bare", "–", "–", "–"]
    assert upshot("runs", "ls", "--json").json()["flow_runs"][0]["state"] is None


def test_a_name_with_escape_sequences_changes_no_terminal() -> None:
    run = FlowRun(name="a\x1b[2Jb\nc", flow_name="x")
    open_store().record(run)

    assert upshot("runs", "ls").lines()[1][1] == r"a\x1b[2Jb\nc"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["ls", "--state", "faild"], 2, "did you mean 'failed'?"),
        (["ls", "--since", "noon"], 2, "'noon' is no time"),
        (["ls", "--before", "0193a5b2"], 1, "no run has an id that begins with '0193a5b2'"),
        (["show", "report"], 2, "'report' is no run's id"),
        (["show", "0193a5b2-c7d1-7abc"], 1, "no run has an id that begins with"),
    ],
)
def test_what_is_not_there_is_refused(arguments: list[str], code: int, said: str) -> None:
    refused(upshot("runs", *arguments), code, said)


def test_an_id_that_fits_several_runs_is_refused_naming_them() -> None:
    runs = [a_flow_run(ago=30 + n / 1000) for n in range(2)]
    task_run = a_task_run(runs[0])

    refused(upshot("runs", "show", str(runs[0].id)[:6]), 2, *(str(run.id) for run in runs))
    assert upshot("runs", "show", str(task_run.id)[:18]).code == 0


@pytest.fixture
def report() -> FlowRun:
    """A run with tasks, a retry, a failure, and a subflow with a task of its own."""
    run = a_flow_run(took=20)
    first = a_task_run(run, "load-0")
    stand_in, subflow = a_subflow(run)
    a_task_run(subflow, "wash-0", attempts=3, after=(first,))
    a_task_run(subflow, "wash-1")
    a_task_run(run, "sum-0", state=StateType.FAILED, message="no\nnumbers", after=(stand_in, first))
    open_store().flush()
    return run


def test_a_run_is_shown_with_the_tree_of_all_that_it_called(report: FlowRun) -> None:
    ran = upshot("runs", "show", str(report.id))
    facts, tree = ran.out.partition("├── ")[0], "├── " + ran.out.partition("├── ")[2]
    lines = [
        re.sub(r"\d\d:\d\d:\d\d  [0-9a-f-]{18}", "TIME ID", line) for line in tree.splitlines()
    ]
    (subflow,) = [run for run in open_store().flow_runs() if run.flow_name == "clean"]

    assert ran.code == 0
    assert f"flow run    {report.name}\n" in facts
    assert 'parameters  {"n":3,"label":"größe"}\n' in facts
    assert lines == [
        "├── load-0  Completed  250 ms  TIME ID",
        f"├── clean-0  Completed  1.5 s  TIME ID  flow run {subflow.name}",
        "│   ├── wash-0  Completed  250 ms  3 attempts  TIME ID  after load-0",
        "│   └── wash-1  Completed  250 ms  TIME ID",
        r"└── sum-0  Failed  250 ms  TIME ID  after clean-0, load-0  no\nnumbers",
    ]


def test_a_shown_run_has_this_shape_in_json(report: FlowRun) -> None:
    told = upshot("runs", "show", str(report.id), "--json").json()

    assert list(told) == ["run", "runs", "more"]
    assert told["more"] is False
    assert told["run"]["parameters"] == {"n": 3, "label": "größe"}
    assert [state["name"] for state in told["run"]["states"]] == ["Running", "Completed"]
    assert told["run"]["failure"] is None
    assert [(run["kind"], run["name"].partition("-")[0], run["depth"]) for run in told["runs"]] == [
        ("task run", "load", 1),
        ("task run", "clean", 1),
        ("flow run", "clean", 1),
        ("task run", "wash", 2),
        ("task run", "wash", 2),
        ("task run", "sum", 1),
    ]
    load, stand_in, subflow, wash, _, total = told["runs"]
    assert stand_in["child_flow_run_id"] == subflow["id"]
    assert subflow["parent_task_run_id"] == stand_in["id"]
    assert wash["flow_run_id"] == subflow["id"]
    assert wash["inputs"] == {"x": [load["id"]]}
    assert (wash["attempts"], total["state"]["message"]) == (3, "no\nnumbers")
    assert set(load) == {
        *("attempts", "cache_key", "call_index", "child_flow_run_id", "depth", "duration"),
        *("end_time", "flow_run_id", "id", "inputs", "kind", "name", "result", "start_time"),
        *("state", "tags", "task_key", "task_name", "task_version"),
    }


def test_a_task_run_that_stands_for_a_subflow_is_shown_with_its_tree(report: FlowRun) -> None:
    (stand_in,) = [run for run in open_store().task_runs(report.id) if run.child_uid]
    ran = upshot("runs", "show", str(stand_in.id))

    assert f"called by  {report.name}" in ran.out
    assert re.findall(r"wash-\d", ran.out) == ["wash-0", "wash-1"]
    told = upshot("runs", "show", str(stand_in.id), "--json").json()
    assert [run["kind"] for run in told["runs"]] == ["flow run", "task run", "task run"]


def test_a_task_run_that_called_nothing_is_shown_alone() -> None:
    run = a_task_run(None, "alone-0", message="because", state=StateType.FAILED)
    run.cache_key, run.task_version = "the key", "7"
    open_store().record(run)
    ran = upshot("runs", "show", str(run.id))

    assert ran.out.splitlines()[0] == "task run   alone-0"
    for line in ("cache key  the key", "task       alone (version 7)", "message    because"):
        assert line in ran.out
    assert upshot("runs", "show", str(run.id), "--json").json()["runs"] == []


def test_a_failed_run_is_shown_with_its_traceback() -> None:
    run = a_task_run(None, "bad-0", state=StateType.FAILED, message="no")
    run.failure = '{"exception_type":"ValueError","traceback":"Traceback:\\n  \\u001b[1mno"}'
    open_store().record(run)

    assert upshot("runs", "show", str(run.id)).out.splitlines()[-2:] == [
        "traceback  Traceback:",
        r"             \x1b[1mno",
    ]
    told = upshot("runs", "show", str(run.id), "--json").json()["run"]
    assert told["failure"]["exception_type"] == "ValueError"


def test_a_tree_ends_at_the_limit_and_says_so(report: FlowRun) -> None:
    ran = upshot("runs", "show", str(report.id), "--limit", "2")

    assert "clean-0" in ran.out
    assert "wash-0" not in ran.out
    assert ran.err == "there are more than 2: --limit 0 shows all\n"
    told = upshot("runs", "show", str(report.id), "--limit", "5", "--json").json()
    assert told["more"] is False
    told = upshot("runs", "show", str(report.id), "--limit", "4", "--json").json()
    assert told["more"] is True
    assert len(told["runs"]) == 5  # the subflow is no task run of its own


def test_only_some_of_many_inputs_are_named() -> None:
    run = a_flow_run()
    parts = tuple(a_task_run(run, f"part-{n}") for n in range(9))
    a_task_run(run, "sum-0", after=parts)
    line = upshot("runs", "show", str(run.id)).out.splitlines()[-1]

    assert line.endswith("after part-0, part-1, part-2, part-3, part-4, 4 more")


def test_an_output_without_lines_has_a_tree_of_plain_letters(
    report: FlowRun, capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("upshot.cli._tree.can_show", lambda letters: False)
    main(["runs", "show", str(report.id)])
    lines = capsysbinary.readouterr().out.decode().splitlines()

    assert [line[:8] for line in lines[-5:]] == [
        "|-- load",
        "|-- clea",
        "|   |-- ",
        "|   `-- ",
        "`-- sum-",
    ]


@pytest.mark.parametrize("columns", [40, 80, 200], indirect=True)
def test_lists_and_trees_fit_the_terminal(columns: int, report: FlowRun) -> None:
    a_flow_run("a-flow-with-a-rather-long-name-that-goes-on-and-on")
    for command in (["ls"], ["show", str(report.id)]):
        text = ANSI.sub("", upshot("runs", *command, terminal=True).out)
        assert max(len(line.rstrip()) for line in text.splitlines()) <= columns
        assert str(report.id)[:18] in text


@pytest.mark.parametrize("columns", [40], indirect=True)
def test_nothing_is_cut_off_where_there_is_no_terminal(columns: int) -> None:
    run = a_flow_run("f" * 300)
    a_task_run(run, "t" * 300, message="m" * 300, state=StateType.FAILED)

    assert run.name in upshot("runs", "ls").out
    shown = upshot("runs", "show", str(run.id)).out
    assert "t" * 300 in shown
    assert "m" * 300 in shown


@pytest.mark.parametrize("columns", [120], indirect=True)
def test_states_have_colours_on_a_terminal_alone(
    columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_flow_run(state=StateType.FAILED)

    assert "\x1b[31mFailed" in upshot("runs", "ls", terminal=True).out
    assert "\x1b" not in upshot("runs", "ls").out
    assert "\x1b" not in upshot("runs", "ls", "--json", terminal=True).out
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[31m" not in upshot("runs", "ls", terminal=True).out


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_what_was_read_of_a_tree_is_written_before_more_is_read(
    options: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, store = a_flow_run(), open_store()
    for index in range(5 * PAGE):
        store.record(TaskRun(name=f"t-{index}", task_name="t", task_key="t", flow_run=run))
    out, read, held = io.StringIO(), 0, []
    listed = type(store).list_task_runs

    def watched(*args: Any, **kwargs: Any) -> Page[TaskRun]:
        nonlocal read
        held.append(read - len(re.findall(r"\bt-\d+\b", out.getvalue())))
        page: Page[TaskRun] = listed(*args, **kwargs)
        read += len(page.runs)
        return page

    monkeypatch.setattr(type(store), "list_task_runs", watched)
    with contextlib.redirect_stdout(out):
        assert main(["runs", "show", str(run.id), "--limit", "0", *options]) == 0

    assert read == 5 * PAGE
    assert held == [0] * 5


@pytest.mark.slow
def test_a_tree_of_many_runs_is_never_in_memory_as_a_whole(tmp_path: Path) -> None:
    run, store = a_flow_run(), open_store()
    for index in range(20_000):
        store.record(TaskRun(name=f"t-{index}", task_name="t", task_key="t", flow_run=run))
        if store.backlogged:
            store.flush()
    upshot("runs", "show", str(run.id), "--limit", "1", "--json")
    peaks = []
    for limit in ("1000", "0"):
        with open(tmp_path / "out", "w") as out, contextlib.redirect_stdout(out):
            tracemalloc.start()
            assert main(["runs", "show", str(run.id), "--json", "--limit", limit]) == 0
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()

    assert peaks[1] < peaks[0] * 1.5
