"""Listings by tags: the groups of the index are found without reading what is between."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from upshot.records import FlowRun, StateType
from upshot.runstore import RunFilter, _listing_tags
from upshot.runstore import _sql_sqlite as sql
from upshot.runstore.sqlite import SQLiteRunStore

FILTERS = [
    RunFilter(tags=("even",)),
    RunFilter(tags=("even", "run-4")),
    RunFilter(tags=("run-5",)),
    RunFilter(tags=("none",)),
    RunFilter(tags=("even",), flow_name="clean"),
    RunFilter(tags=("even",), state_type=StateType.FAILED),
    RunFilter(tags=("even",), flow_name="clean", state_type=StateType.COMPLETED),
]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SQLiteRunStore]:
    with SQLiteRunStore(tmp_path / "runs.db") as store:
        for number in range(60):
            tags = ("even", f"run-{number}") if number % 2 == 0 else (f"run-{number}",)
            run = FlowRun(name="r", flow_name="clean" if number % 3 else "report", tags=tags)
            run.enter(StateType.FAILED if number % 5 else StateType.COMPLETED, "End", 1.0)
            store.record(run)
        yield store


@pytest.mark.parametrize("filter", FILTERS, ids=str)
@pytest.mark.parametrize(("steps", "newest"), [(10, 5), (10, 1_000), (1, 0)])
def test_it_plays_no_part_for_what_is_found_how_many_groups_there_are(
    store: SQLiteRunStore,
    filter: RunFilter,
    steps: int,
    newest: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expected = [store.list_flow_runs(filter, limit) for limit in (1, 3, 100)]
    monkeypatch.setattr(_listing_tags, "_MOST_STEPS", steps)
    monkeypatch.setattr(_listing_tags, "_NEWEST", newest)
    found = [store.list_flow_runs(filter, limit) for limit in (1, 3, 100)]
    assert [[run.id for run in page.runs] for page in found] == [
        [run.id for run in page.runs] for page in expected
    ]
    assert [page.next for page in found] == [page.next for page in expected]


@pytest.mark.parametrize(
    ("statement", "plan"),
    [
        (sql.NEXT_TAGS, "ix_flow_run_tags (tags>?)"),
        (
            sql.NEXT_GROUP_OF_TAGS,
            "ix_flow_run_tags ((tags,flow_name,state_type,uid)>(?,?,?,?))",
        ),
        (
            sql.PAGE_OF_TAGS,
            "ix_flow_run_tags (tags=? AND flow_name=? AND state_type=? AND uid>? AND uid<?)",
        ),
        (sql.SCAN_TAGS, "ix_flow_run_tags (tags>?)"),
        (sql.ID_OF_RUN, "sqlite_autoindex_flow_run_1 (uid>? AND uid<?)"),
    ],
)
def test_a_step_is_a_search_in_an_index_that_holds_all_it_needs(
    store: SQLiteRunStore, statement: str, plan: str
) -> None:
    store.flush()
    with closing(sqlite3.connect(store.path)) as connection:
        values = ("x",) * statement.count("?")
        (row,) = connection.execute(f"EXPLAIN QUERY PLAN {statement}", values).fetchall()
    assert row[3] == f"SEARCH flow_run USING COVERING INDEX {plan}"
