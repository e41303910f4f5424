"""Each listing is a range of one index: SQLite says so itself, whatever it knows of the rows."""

from __future__ import annotations

import itertools
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from uuid import UUID

import pytest

from upshot.records import FlowRun, StateType, TaskRun
from upshot.runstore import (
    Condition,
    RunFilter,
    RunQuery,
    _listing_sqlite,
    _query_sqlite,
    _sql_sqlite,
)
from upshot.runstore._listing import first_id, made_at
from upshot.runstore._reader import RunReader
from upshot.runstore.sqlite import SQLiteRunStore

FILTERS = [
    RunFilter(flow_name=name, state_type=state, since=since, before=before)
    for name, state, since, before in itertools.product(
        (None, "report"),
        (None, StateType.FAILED),
        (None, 1_700_000_000.0),
        (None, UUID(int=2**127)),
    )
]


@pytest.fixture(params=["without figures", "with figures"])
def cursor(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[sqlite3.Cursor]:
    """A store with some hundred runs; with or without what ANALYZE finds out about them."""
    path = tmp_path / "runs.db"
    with SQLiteRunStore(path) as store:
        for index in range(300):
            flow_run = FlowRun(name=f"r-{index}", flow_name="report" if index % 3 else "clean")
            flow_run.enter(StateType.FAILED if index % 5 else StateType.COMPLETED, "End", 1.0)
            store.record(flow_run)
            task_run = TaskRun(name="t", task_name="t", task_key="t", flow_run=flow_run)
            store.record(task_run)
    with closing(sqlite3.connect(path)) as connection:
        if request.param == "with figures":
            connection.execute("ANALYZE")
        yield connection.cursor()


def plans(cursor: sqlite3.Cursor, work: object) -> list[str]:
    """How SQLite goes about the statements that some work executes."""
    executed: list[tuple[str, tuple[object, ...]]] = []

    class Recorder(RunReader):
        def flow_runs(self, statement: str, key: tuple[object, ...]) -> list[FlowRun]:
            executed.append((statement, key))
            return super().flow_runs(statement, key)

        def task_runs(self, statement: str, key: tuple[object, ...]) -> list[TaskRun]:
            executed.append((statement, key))
            return super().task_runs(statement, key)

    work(Recorder(cursor))  # type: ignore[operator]
    return [
        " | ".join(row[3] for row in cursor.execute(f"EXPLAIN QUERY PLAN {statement}", key))
        for statement, key in executed
    ]


@pytest.mark.parametrize("filter", FILTERS, ids=str)
def test_each_filter_is_a_range_of_one_index(cursor: sqlite3.Cursor, filter: RunFilter) -> None:
    (plan,) = plans(cursor, lambda reader: _listing_sqlite.flow_runs(filter, 50, reader))
    columns = [
        *(["flow_name=?"] if filter.flow_name else []),
        *(["state_type=?"] if filter.state_type else []),
        "uid>?",
        "uid<?",
    ]

    assert re.fullmatch(
        rf"SEARCH flow_run USING INDEX \w+ \({' AND '.join(map(re.escape, columns))}\)", plan
    )


def test_other_listings_scan_and_sort_nothing(cursor: sqlite3.Cursor) -> None:
    one, other = UUID(int=1), UUID(int=2**128 - 1)
    found = [
        *plans(cursor, lambda reader: _listing_sqlite.task_runs(one, other, 50, reader)),
        *plans(cursor, lambda reader: _listing_sqlite.between(one, other, 5, reader)),
        *plans(cursor, lambda reader: _listing_sqlite.search("x", 1e9, 5, reader)),
        " | ".join(r[3] for r in cursor.execute(f"EXPLAIN QUERY PLAN {_sql_sqlite.NEWEST_RUNS}")),
    ]

    assert len(found) == 6
    for plan in found:
        assert "SEARCH" in plan
        assert "SCAN" not in plan
        assert "TEMP B-TREE" not in plan


@pytest.mark.parametrize("at", [0.0, 1.5, 1_700_000_000.0, 1_700_000_000.123, 2_000_000_000.999])
def test_the_first_id_of_a_time_is_that_of_a_run_made_then(at: float) -> None:
    run = FlowRun(name="r", flow_name="r", uid=first_id(at))

    assert made_at(run) == at
    assert first_id(at + 0.0004) == first_id(at + 0.001)
    assert first_id(at) <= FlowRun(name="r", flow_name="r", uid=first_id(at)[:6] + bytes(10)).uid


@pytest.mark.parametrize(("at", "first"), [(-5.0, bytes(16)), (1e300, b"\xff" * 6 + bytes(10))])
def test_a_time_that_no_run_can_have_gives_the_nearest_id(at: float, first: bytes) -> None:
    assert first_id(at) == first


def test_what_is_asked_of_few_runs_reads_no_others(cursor: sqlite3.Cursor) -> None:
    ids = [UUID(int=2**127 + number).bytes for number in range(3)]
    few = Condition("uid", "any", ids)
    found = [
        *plans(cursor, partial(_query_sqlite.flow_runs, RunQuery(where=(few,)))),
        *plans(cursor, partial(_query_sqlite.task_runs, RunQuery(where=(few,)))),
        *plans(cursor, partial(_query_sqlite.task_runs, RunQuery(related=(few,)))),
        *plans(
            cursor,
            partial(_query_sqlite.task_runs, RunQuery(where=(Condition("flow_run", "any", ids),))),
        ),
        *plans(
            cursor,
            partial(_query_sqlite.flow_runs, RunQuery(where=(Condition("parent", "any", ids),))),
        ),
    ]

    assert len(found) == 5
    for plan in found:
        assert "SCAN" not in plan


def test_the_newest_runs_are_read_without_sorting_all(cursor: sqlite3.Cursor) -> None:
    for work in (_query_sqlite.flow_runs, _query_sqlite.task_runs):
        (plan,) = plans(cursor, partial(work, RunQuery()))
        assert "TEMP B-TREE" not in plan
