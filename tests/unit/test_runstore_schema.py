"""The schema, its generated SQL and its migrations say the same; versions are kept apart."""

from __future__ import annotations

import pickle
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import fields
from pathlib import Path

import pytest

from tests.faults.runstore_scenarios import LaterRunStore
from upshot.exceptions import RunStoreTooNew, RunStoreUnavailable
from upshot.records import FlowRun, StateType, TaskRun
from upshot.runstore import _rows, _sql_sqlite, generate, migrations, schema
from upshot.runstore._creation import create
from upshot.runstore.sqlite import SQLiteRunStore
from upshot.testing._runs import complete, new_flow_run, new_task_run


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "runs.db"


def query(path: Path, statement: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(statement).fetchall()


def shape(path: Path) -> dict[str, str]:
    found = query(path, "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
    return {str(name): re.sub(r"\s+", " ", str(statement)) for name, statement in found}


def test_the_generated_sql_is_up_to_date() -> None:
    assert generate.TARGET.read_text("utf-8") == generate.source()


def test_migrating_from_nothing_gives_the_schema_of_a_new_store(tmp_path: Path) -> None:
    (tmp_path / "migrated").touch()
    migrations.upgrade(tmp_path / "migrated")
    create(tmp_path / "created", "normal")

    assert shape(tmp_path / "migrated") == shape(tmp_path / "created")
    version = query(tmp_path / "migrated", "SELECT * FROM alembic_version")
    assert version == query(tmp_path / "created", "SELECT * FROM alembic_version")
    assert version == [(schema.VERSION,)]


def test_the_newest_revision_is_the_version_of_the_schema_and_names_sort() -> None:
    names = sorted(path.name for path in (migrations.HERE / "versions").glob("*.py"))

    assert names[-1].startswith(f"{schema.VERSION}_")
    assert all(re.match(r"\d{4}_[a-z_]+\.py$", name) for name in names)


def test_each_column_holds_what_its_name_says(path: Path) -> None:
    flow_run, parent = new_flow_run(), new_task_run(None)
    flow_run.parent, flow_run.failure = parent, "{}"
    complete(flow_run)
    run = new_task_run(flow_run, 4)
    run.cache_key, run.child_uid, run.failure = "ck", flow_run.uid, "[]"
    complete(run)
    with SQLiteRunStore(path) as store:
        for one in (parent, flow_run, run):
            store.record(one)
    for table, record, row_of_parent in (("flow_run", flow_run, 1), ("task_run", run, 1)):
        with closing(sqlite3.connect(path)) as connection:
            connection.row_factory = sqlite3.Row
            row = dict(connection.execute(f"SELECT * FROM {table} ORDER BY id DESC").fetchone())
        for name in {field.name for field in fields(record)} & set(row) - {"tags", "states"}:
            assert row[name] == getattr(record, name), name
        assert row["id"] == record.row
        assert row["state_type"] == _rows.CODES[StateType.COMPLETED.value]
        assert row["state_name"] == "Completed"
        assert row[{"flow_run": "parent_task_run_id", "task_run": "flow_run_id"}[table]] == (
            row_of_parent
        )


def test_states_and_tags_can_be_asked_for_in_sql(path: Path) -> None:
    run = new_flow_run()
    run.enter(StateType.FAILED, "Failed", 2.5, "why")
    with SQLiteRunStore(path) as store:
        store.record(run)

    asked = "SELECT json_extract(states, '$[2]'), json_extract(tags, '$[1]') FROM flow_run"
    assert query(path, asked) == [('[4,"Failed",2.5,"why"]', "größe")]


def test_every_state_has_a_number_of_its_own_that_never_changes() -> None:
    assert _rows.CODES == {
        "PENDING": 0,
        "SCHEDULED": 1,
        "RUNNING": 2,
        "COMPLETED": 3,
        "FAILED": 4,
        "CANCELLED": 5,
        "CRASHED": 6,
        "PAUSED": 7,
        "CANCELLING": 8,
    }
    assert set(_rows.CODES) == {state.value for state in StateType}


def test_what_a_later_patch_release_may_write_is_read(path: Path) -> None:
    run = new_flow_run()
    with SQLiteRunStore(path) as store:
        store.record(run)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("""UPDATE flow_run SET states = '[[99,"Odd",1.5,"why",{"more":1}]]'""")
        connection.execute("ALTER TABLE flow_run ADD COLUMN colour TEXT")
    with SQLiteRunStore(path) as store:
        found = store.flow_run(run.id)

    assert found is not None
    assert (found.state_name, found.message, found.end_time) == ("Odd", "why", None)


@pytest.mark.parametrize(
    ("table", "statement"),
    [
        ("ix_task_run_flow_run_id", _sql_sqlite.READ_TASK_RUNS),
        ("sqlite_autoindex_flow_run_1", _sql_sqlite.FIND_FLOW_RUN),
        ("sqlite_autoindex_cache_entry_1", _sql_sqlite.READ_CACHE_ENTRY),
        (
            "ix_task_run_state_type",
            "SELECT id FROM task_run WHERE state_type = ? AND state_type <> 3 ORDER BY id DESC",
        ),
        ("ix_flow_run_state_type", _sql_sqlite.PAGE_BY_STATE),
        ("ix_flow_run_flow_name", _sql_sqlite.PAGE_BY_FLOW),
        ("sqlite_autoindex_flow_run_1", _sql_sqlite.PAGE_OF_FLOW_RUNS),
    ],
)
def test_a_listing_uses_an_index_and_sorts_nothing(path: Path, table: str, statement: str) -> None:
    create(path, "normal")
    plan = query(path, "EXPLAIN QUERY PLAN " + re.sub(r"\?", "9", statement))
    text = " ".join(str(row[3]) for row in plan)

    assert table in text
    assert "TEMP B-TREE" not in text
    assert "SCAN" not in text


def test_a_store_of_a_later_schema_is_refused_naming_both_versions(path: Path) -> None:
    with LaterRunStore(path) as store:
        store.blocks()
    store = SQLiteRunStore(path)

    with pytest.raises(RunStoreTooNew) as caught:
        store.commit(new_flow_run())

    error = pickle.loads(pickle.dumps(caught.value))
    assert (error.store, error.found, error.supported) == (str(path), "0002", "0001")
    assert "0002" in str(error)
    assert "0001" in str(error)
    with pytest.raises(RunStoreTooNew):
        store.blocks()


def test_an_older_store_is_migrated_when_it_is_opened_and_keeps_its_runs(path: Path) -> None:
    run = new_task_run(None, 1)
    with SQLiteRunStore(path) as store:
        store.record(run)
    with LaterRunStore(path) as store:
        found = store.task_run(run.id)

    assert found is not None
    assert query(path, "SELECT colour FROM task_run") == [("blue",)]
    assert query(path, "SELECT version_num FROM alembic_version") == [("0002",)]
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_version_that_no_revision_leads_from_is_a_clear_error(path: Path) -> None:
    create(path, "normal")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '0000'")

    with pytest.raises(RunStoreUnavailable, match=r"be migrated from 0000"):
        SQLiteRunStore(path).blocks()


def test_a_current_store_is_made_and_used_without_sqlalchemy_and_alembic(path: Path) -> None:
    script = f"""
import sys, pathlib
from upshot.runstore.sqlite import SQLiteRunStore
from upshot.records import FlowRun
with SQLiteRunStore(pathlib.Path({str(path)!r})) as store:
    run = FlowRun(name="a", flow_name="a")
    store.commit(run)
    assert store.flow_run(run.id)
heavy = {{"sqlalchemy", "alembic", "mako", "multiprocessing"}} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-W", "error", "-c", script], check=True)


def test_the_records_have_no_field_that_the_store_does_not_keep() -> None:
    kept = {*schema.flow_run.c.keys(), *schema.task_run.c.keys()}
    renamed = {"parent", "flow_run", "_known_id", "row", "queued", "entry", "parameters_json"}
    renamed |= {"began", "ended"}

    for record in (FlowRun, TaskRun):
        assert {field.name for field in fields(record)} - renamed <= kept
