"""Making a new run store: whole in a temporary file, then put in place."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from upshot.exceptions import RunStoreUnavailable
from upshot.runstore import _sql_sqlite as sql

# bytes of a page, the smallest that holds a few runs: a commit writes each page that it changes, of
# the table and of its indexes, as a whole
PAGE = 2048


def create(path: Path, durability: str) -> None:
    """Make an empty run store at `path`, unless one is there by now.

    Of several processes one wins, and none sees half a store.

    Raises:
        RunStoreUnavailable: if the file system has no hard links, which that needs.
        OSError, sqlite3.Error: if it cannot be written.
    """
    made_folder = make_private_folder(path.parent)
    draft = path.with_name(f".{path.name}.{os.getpid()}-{os.urandom(4).hex()}")
    try:
        os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        os.chmod(draft, 0o600)  # SQLite gives the mode of this file to those that it puts beside it
        _fill(draft, durability)
        _put_in_place(draft, path)
    finally:
        for suffix in ("", "-journal", "-wal", "-shm"):
            draft.with_name(draft.name + suffix).unlink(missing_ok=True)
    if durability == "full":
        _sync_folder(path.parent)
        if made_folder:
            _sync_folder(path.parent.parent)


def make_private_folder(folder: Path) -> bool:
    """Make a folder that only its owner may enter; False if it is there, which it then stays."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        return False
    os.chmod(folder, 0o700)
    return True


def _fill(draft: Path, durability: str) -> None:
    # WAL comes last: until then all that is written is in the file itself, and errors are raised
    connection = sqlite3.connect(draft, isolation_level=None)
    try:
        connection.execute(f"PRAGMA synchronous={synchronous(durability)}")
        connection.execute(f"PRAGMA page_size={PAGE}")
        connection.execute("BEGIN IMMEDIATE")
        for statement in sql.DDL:
            connection.execute(statement)
        connection.execute(sql.SET_VERSION, (sql.VERSION,))
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode=WAL").fetchone()
    finally:
        connection.close()


def _put_in_place(draft: Path, path: Path) -> None:
    try:
        os.link(draft, path)
    except FileExistsError:
        return
    except OSError as error:
        problem = f"its file system refuses hard links ({error.strerror})"
        raise RunStoreUnavailable(str(path), "be created", problem) from error


def synchronous(durability: str) -> str:
    """What `PRAGMA synchronous` says for a durability."""
    return "FULL" if durability == "full" else "NORMAL"


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
