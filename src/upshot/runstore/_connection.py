"""Opening a run store's file, and saying what is wrong with it."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from upshot import _registry
from upshot.exceptions import RunStoreError, RunStoreTooNew, RunStoreUnavailable
from upshot.runstore import _sql_sqlite as sql
from upshot.runstore._batch import RunWriter
from upshot.runstore._creation import create, synchronous

# pages of the log (16 MB) after which a commit moves them to the file and waits for the disk;
# small commits change the same pages again and again, and each of these is moved once
LOG_PAGES = 8_000
PATIENCE = 60.0  # seconds that locks of other processes are waited for
_PROBLEMS = {
    sqlite3.SQLITE_BUSY: f"other processes kept it locked for {PATIENCE:.0f} s",
    sqlite3.SQLITE_CANTOPEN: "its file cannot be opened",
    sqlite3.SQLITE_CORRUPT: "its file is damaged",
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_IOERR: "the disk refuses",
    sqlite3.SQLITE_NOTADB: "its file is not a SQLite database",
    sqlite3.SQLITE_READONLY: "it is read-only",
}


class Schema(NamedTuple):
    """The schema that a store must have, and where further migrations to it lie."""

    version: str = sql.VERSION
    migrations: tuple[Path, ...] = ()


def unavailable(path: Path, operation: str, error: BaseException) -> RunStoreError:
    """What to raise for an error below, of whatever type; ours stay as they are."""
    if isinstance(error, RunStoreError):
        return error
    known = _PROBLEMS.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
    if isinstance(error, OSError):
        problem = error.strerror or str(error)
    elif isinstance(error, sqlite3.Error):
        problem = f"{known} ({error})" if known else str(error)
    else:
        problem = f"{type(error).__name__}: {error}"
    return RunStoreUnavailable(str(path), operation, problem)


class Connection:
    """A connection to a store's file, which is made or migrated if need be.

    Raises:
        RunStoreTooNew: if its schema is of a later version.
        RunStoreUnavailable, sqlite3.Error, OSError: if it cannot be opened.
    """

    def __init__(
        self, path: Path, durability: str, schema: Schema, *, reading: bool = False
    ) -> None:
        if not path.exists():
            create(path, durability)
        self._path, self._name = path, str(path)
        self._raw = _connect(path)
        self.cursor = self._raw.cursor()
        self.runs = RunWriter(self.cursor)
        try:
            self._check(schema)
            if self._pragma("journal_mode") != "wal":  # someone copied it with another tool
                self._pragma("journal_mode=WAL")
            self._pragma(f"synchronous={synchronous(durability)}")
            self._pragma(f"wal_autocheckpoint={LOG_PAGES}")
            self._pragma("foreign_keys=ON")
            self._pragma(f"query_only={reading:d}")
            self.file = self._identity()
        except BaseException:
            self.close()
            raise

    def is_current(self) -> bool:
        """Whether its file is still the one at the store's path."""
        try:
            return self._identity() == self.file
        except OSError:
            return False

    def close(self) -> None:
        """Let go of the file."""
        self.cursor.close()  # or it would keep the file open for as long as a traceback knows it
        self._raw.close()

    def _check(self, schema: Schema) -> None:
        found = _version(self._raw, self._path)
        if found > schema.version:
            raise RunStoreTooNew(str(self._path), found, schema.version)
        if found < schema.version:
            try:
                _registry.load("room", "migrations").upgrade(self._path, schema.migrations)
            except Exception as error:
                raise unavailable(self._path, f"be migrated from {found}", error) from error

    def _identity(self) -> tuple[int, int]:
        found = os.stat(self._name)
        return found.st_dev, found.st_ino

    def _pragma(self, pragma: str) -> object:
        row = self._raw.execute(f"PRAGMA {pragma}").fetchone()
        return row[0] if row else None


class Side:
    """A connection that is opened when it is needed, and the lock that its users hold."""

    def __init__(self, open: Callable[[], Connection]) -> None:
        self._open = open
        self._connection: Connection | None = None
        self._of_parent: list[Connection] = []
        self._held = False
        self.replaced = False  # the file was another one when it was last looked at
        self.lock = threading.Lock()

    def opened(self) -> Connection:
        """The connection to the file that is at the store's path now."""
        if self._connection is not None and not self._connection.is_current():
            self.replaced = True  # a new file may be given the number that the old one had
            self.close()
        if self._connection is None:
            self._connection = self._open()
        return self._connection

    def close(self) -> None:
        """Let go of the file until it is needed again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def hold(self, patience: float) -> bool:
        """Take the lock for the time of a fork, unless it takes longer than `patience` seconds."""
        self._held = self.lock.acquire(timeout=patience)
        return self._held

    def let_go(self) -> None:
        """Release what `hold` took."""
        if self._held:
            self._held = False
            self.lock.release()

    def start_over(self) -> None:
        """In a forked child: a lock of its own, and a parent's connection is never touched."""
        if self._connection is not None:
            self._of_parent.append(self._connection)
        self._connection, self._held, self.lock = None, False, threading.Lock()


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",  # a file that is not there must not be made empty
        timeout=PATIENCE,
        isolation_level=None,
        check_same_thread=False,
        uri=True,
    )


def _version(connection: sqlite3.Connection, path: Path) -> str:
    try:
        row = connection.execute(sql.GET_VERSION).fetchone()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_ERROR:
            raise
        row = None  # no such table
    if row is None:
        raise RunStoreUnavailable(str(path), "be opened", "its file is not a run store")
    return str(row[0])
