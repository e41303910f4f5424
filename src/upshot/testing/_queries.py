"""What every run store must do when it is asked for runs, as tests."""

from __future__ import annotations

from uuid import uuid4

import pytest

from upshot._steps import packed
from upshot.records import FlowRun, StateType, TaskRun
from upshot.runstore import Condition, RunQuery, RunStore
from upshot.testing._runs import AT

FAILED, COMPLETED = StateType.FAILED, StateType.COMPLETED


def _made(kind: type[FlowRun] | type[TaskRun], second: int, name: str, **fields: object) -> FlowRun:
    uid = int((AT + second) * 1000).to_bytes(6, "big") + uuid4().bytes[6:]
    run: FlowRun = kind(name=name, uid=uid, **fields)  # type: ignore[assignment, arg-type]
    run.enter(StateType.PENDING, "Pending", AT + second)
    return run


def _is(what: str, how: str, value: object) -> RunQuery:
    return RunQuery(where=(Condition(what, how, value),))  # type: ignore[arg-type]


class QueryContract:
    """A part of `RunStoreContract`."""

    @pytest.fixture
    def asked(self, store: RunStore) -> RunStore:
        """A store with four flow runs, `a` to `d`, and task runs of two of them.

        `a` waits, `b` runs, `c` has failed and `d` completed; all but `a` have begun. `c` is a run
        within `b`.
        """
        runs = {
            name: _made(FlowRun, second, name, flow_name=flow, flow_version=version, tags=tags)
            for second, (name, flow, version, tags) in enumerate(
                [
                    ("a", "report", None, ()),
                    ("B_%", "report", "1", ("eu",)),
                    ("c", "clean", "2", ("eu", "größe")),
                    ("bd", "Report all", "1", (",", "x")),
                ]
            )
        }
        a, b, c, d = runs.values()
        scheduled = packed(StateType.SCHEDULED, "Scheduled", AT, None, AT + 99)
        a.states = (scheduled, *a.states[1:])
        for second, run in enumerate((b, c, d), 10):
            run.enter(StateType.RUNNING, "Running", AT + second)
        c.enter(FAILED, "Broken", AT + 20)
        d.enter(COMPLETED, "Completed", AT + 19)
        tasks: dict[str, TaskRun] = {}
        for second, (name, owner) in enumerate([("t", b), ("u", b), ("v", d), ("w", None)], 30):
            task = _made(TaskRun, second, name, task_name="t", task_key="t", flow_run=owner)
            tasks[name] = task  # type: ignore[assignment]
        c.parent = tasks["u"]
        tasks["u"].child_uid, tasks["u"].own_key, tasks["v"].tags = c.uid, "its own", ("slow",)
        tasks["v"].enter(COMPLETED, "Completed", AT + 40)
        for each in (*runs.values(), *tasks.values()):
            store.record(each)
        return store

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            (RunQuery(), "bd c B_% a"),
            (RunQuery(limit=0), ""),
            (RunQuery(limit=2), "bd c"),
            (RunQuery(limit=2, offset=1), "c B_%"),
            (RunQuery(offset=9), ""),
            (RunQuery(descending=False), "a B_% c bd"),
            (RunQuery(order="name", descending=False), "B_% a bd c"),
            (RunQuery(order="start_time"), "bd c B_% a"),
            (RunQuery(order="start_time", descending=False), "B_% c bd a"),
            (RunQuery(order="end_time"), "c bd B_% a"),
            (RunQuery(order="expected_start_time"), "a bd c B_%"),
            (_is("name", "any", ["c", "a", "none"]), "c a"),
            (_is("name", "any", []), ""),
            (_is("name", "like", "b"), "bd B_%"),
            (_is("name", "like", "_%"), "B_%"),
            (_is("flow_name", "any", ["report"]), "B_% a"),
            (_is("flow_name", "like", "REPORT"), "bd B_% a"),
            (_is("flow_version", "any", ["1"]), "bd B_%"),
            (_is("state_type", "any", [FAILED, COMPLETED]), "bd c"),
            (_is("state_type", "not any", [FAILED, COMPLETED]), "B_% a"),
            (_is("state_name", "any", ["Broken"]), "c"),
            (_is("state_name", "not any", ["Broken"]), "bd B_% a"),
            (_is("tags", "all", ["eu"]), "c B_%"),
            (_is("tags", "all", ["größe", "eu"]), "c"),
            (_is("tags", "all", [","]), "bd"),
            (_is("tags", "all", ["e"]), ""),
            (_is("tags", "null", True), "a"),
            (_is("tags", "null", False), "bd c B_%"),
            (_is("start_time", "from", AT + 11), "bd c"),
            (_is("start_time", "until", AT + 11), "c B_%"),
            (_is("start_time", "null", True), "a"),
            (_is("expected_start_time", "from", AT + 3), "bd a"),
            (_is("parent", "null", False), "c"),
            (_is("parent", "null", True), "bd B_% a"),
            (RunQuery(related=()), "bd B_%"),
            (RunQuery(related=(Condition("state_type", "any", [COMPLETED]),)), "bd"),
        ],
    )
    def test_flow_runs_are_found_by_what_is_known_of_them(
        self, asked: RunStore, query: RunQuery, expected: str
    ) -> None:
        assert " ".join(run.name for run in asked.find_flow_runs(query)) == expected

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            (RunQuery(), "w v u t"),
            (RunQuery(order="end_time"), "v w u t"),
            (_is("child", "null", False), "u"),
            (_is("tags", "all", ["slow"]), "v"),
            (_is("state_type", "any", [StateType.PENDING]), "w u t"),
            (RunQuery(related=()), "v u t"),
            (RunQuery(related=(Condition("flow_name", "any", ["report"]),)), "u t"),
            (RunQuery(related=(Condition("name", "any", ["bd"]),), limit=1), "v"),
            (
                RunQuery(
                    where=(Condition("name", "any", ["t", "v"]),),
                    related=(Condition("state_type", "any", [StateType.RUNNING]),),
                ),
                "t",
            ),
        ],
    )
    def test_task_runs_are_found_by_what_is_known_of_them_and_of_their_flow_runs(
        self, asked: RunStore, query: RunQuery, expected: str
    ) -> None:
        assert " ".join(run.name for run in asked.find_task_runs(query)) == expected

    def test_runs_are_found_by_ids_their_own_and_those_of_others(self, asked: RunStore) -> None:
        (b,) = asked.find_flow_runs(_is("name", "any", ["B_%"]))
        tasks = asked.find_task_runs(_is("flow_run", "any", [b.uid]))
        (child,) = asked.find_flow_runs(_is("parent", "any", [task.uid for task in tasks]))

        assert [task.name for task in tasks] == ["u", "t"]
        assert [task.dynamic_key for task in tasks] == ["its own", "0"]
        assert child.name == "c"
        assert [r.uid for r in asked.find_flow_runs(_is("uid", "any", [child.uid]))] == [child.uid]
        assert asked.find_task_runs(_is("uid", "any", [child.uid])) == []

    def test_a_run_says_when_it_was_to_start(self, asked: RunStore) -> None:
        a, b = asked.find_flow_runs(_is("flow_name", "any", ["report"]))[::-1]

        assert a.expected == AT + 99
        assert b.expected == AT + 1

    def test_the_names_of_flows_that_have_runs_are_known(self, asked: RunStore) -> None:
        assert asked.flow_names() == ["Report all", "clean", "report"]
