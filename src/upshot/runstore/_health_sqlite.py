"""Looking at a run store's file without changing it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from upshot.exceptions import RunStoreError
from upshot.runstore import _sql_sqlite as sql
from upshot.runstore._connection import Schema, unavailable
from upshot.runstore._health import Health

SECONDS = 5.0  # that a lock of another process is waited for


def examine(path: Path, schema: Schema) -> Health:
    """What the file at `path` says of itself; it is neither made nor migrated."""
    closed = not path.with_name(f"{path.name}-wal").exists()
    found = _examine(path, schema, unlocked=closed)
    if closed and found.problem is not None:  # someone may have begun to write meanwhile
        found = _examine(path, schema, unlocked=False)
    return found


def _examine(path: Path, schema: Schema, *, unlocked: bool) -> Health:
    found = Health(path=path, supported=schema.version)
    try:
        found = replace(found, size=path.stat().st_size)
        with closing(_connect(path, unlocked)) as connection:
            return _examined(connection, found)
    except FileNotFoundError:
        return found
    except (sqlite3.Error, OSError, RunStoreError) as error:
        problem = unavailable(path, "be read", error)
        return replace(found, problem=getattr(problem, "problem", str(problem)))


def _connect(path: Path, unlocked: bool) -> sqlite3.Connection:
    """A connection that cannot write; without locks, it leaves no files beside the store's."""
    uri = f"{path.absolute().as_uri()}?mode=ro&immutable={unlocked:d}"
    return sqlite3.connect(uri, timeout=SECONDS, isolation_level=None, uri=True)


def _examined(connection: sqlite3.Connection, found: Health) -> Health:
    tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
    row = connection.execute(sql.GET_VERSION).fetchone() if "alembic_version" in tables else None
    if row is None:
        return replace(found, problem="its file is not a run store")
    found = replace(found, version=str(row[0]))
    damage = [str(row[0]) for row in connection.execute("PRAGMA quick_check(3)")]
    if damage != ["ok"]:
        return replace(found, problem=f"its file is damaged: {'; '.join(damage)}")
    if found.version != found.supported:  # its tables may be others
        return found
    newest = [row[0][:6] for row in connection.execute(sql.NEWEST_RUNS) if row[0] is not None]
    at = int.from_bytes(max(newest), "big") / 1000 if newest else None
    return replace(found, newest=at)
