"""Limits, kept in the store's file for all processes that share it."""

from __future__ import annotations

import logging
import sqlite3
import time
from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar
from uuid import UUID, uuid4

from upshot.exceptions import RunStoreError
from upshot.runstore import _rows
from upshot.runstore import _sql_sqlite as sql
from upshot.runstore._connection import Side, unavailable
from upshot.runstore._limits import Limit, Taken
from upshot.runstore._owner import has_died, owner
from upshot.runstore.base import RunStore

T = TypeVar("T")
_log = logging.getLogger("upshot.runstore")


class LimitsInSQLite(RunStore):
    """The part of `SQLiteRunStore` that keeps limits."""

    path: Path
    _writing: Side

    def __init__(self) -> None:
        self._unwritten: set[UUID] = set()  # runs that gave back slots, which must yet be written

    def put_limit(self, tag: str, most: int) -> Limit:
        """Give a tag a limit, or another one."""

        def put(cursor: sqlite3.Cursor) -> Limit:
            row = (uuid4().bytes, _rows.key_text(tag), most, time.time())
            cursor.execute(sql.PUT_LIMIT, row)
            return _find(cursor, [tag])[0]

        return self._change(put)

    def limit(self, tag: str) -> Limit | None:
        """The limit of a tag."""
        found = self._read(lambda cursor: _find(cursor, [tag]))
        return found[0] if found else None

    def limits(self) -> list[Limit]:
        """All limits, sorted by tag."""
        rows = self._read(lambda cursor: cursor.execute(sql.READ_LIMITS).fetchall())
        found = [self.limit(_rows.key_of(row[1])) for row in rows]
        return sorted(filter(None, found), key=lambda limit: limit.tag)

    def remove_limit(self, tag: str) -> bool:
        """Take a tag's limit away."""

        def remove(cursor: sqlite3.Cursor) -> bool:
            cursor.execute(sql.FREE_SLOTS_OF_TAG, (_rows.key_text(tag),))
            return cursor.execute(sql.DELETE_LIMIT, (_rows.key_text(tag),)).rowcount > 0

        return self._change(remove)

    def reset_limit(self, tag: str) -> bool:
        """Take back all slots of a tag."""

        def reset(cursor: sqlite3.Cursor) -> bool:
            cursor.execute(sql.FREE_SLOTS_OF_TAG, (_rows.key_text(tag),))
            return bool(_find(cursor, [tag]))

        return self._change(reset)

    def take_slots(self, run: UUID, tags: Sequence[str]) -> Taken:
        """Take a slot of each tag that has a limit; where none has one, nothing is written."""
        if not self._read(lambda cursor: any(_row_of(cursor, tag) for tag in tags)):
            return Taken()
        return self._change(lambda cursor: _take(cursor, run, tags))

    def free_slots(self, run: UUID) -> None:
        """Give back all slots of a run."""
        self._unwritten.add(run)
        try:
            self._change(lambda cursor: None)
        except RunStoreError as problem:
            _log.warning("slots of a run could not be given back, and will be later: %s", problem)

    def _change(self, change: Callable[[sqlite3.Cursor], T]) -> T:
        """What `change` comes to, in a transaction; what is yet to be given back is, before it."""
        with self._writing.lock:
            try:
                cursor = self._writing.opened().cursor
                return self._transact(cursor, change)
            except (sqlite3.Error, OSError) as error:
                self._writing.close()
                raise unavailable(self.path, "be written", error) from error

    def _transact(self, cursor: sqlite3.Cursor, change: Callable[[sqlite3.Cursor], T]) -> T:
        try:
            cursor.execute("BEGIN IMMEDIATE")
            given_back = list(self._unwritten)
            for run in given_back:
                cursor.execute(sql.FREE_SLOTS, (run.bytes,))
            done = change(cursor)
            cursor.execute("COMMIT")
        except BaseException:
            if cursor.connection.in_transaction:
                cursor.execute("ROLLBACK")
            raise
        self._unwritten.difference_update(given_back)
        return done

    @abstractmethod
    def _read(self, work: Callable[[sqlite3.Cursor], T]) -> T:
        """What `work` reads."""

    def _forget_slots(self) -> None:
        """In a forked child: what is yet to be given back is the parent's to do."""
        self._unwritten = set()


def _take(cursor: sqlite3.Cursor, run: UUID, tags: Sequence[str]) -> Taken:
    limits = _find(cursor, tags)
    for limit in limits:
        if _is_full(limit, run) and _strike_dead(cursor, limit.tag):
            (limit,) = _find(cursor, [limit.tag])
        if _is_full(limit, run):
            return Taken(full=limit)
    for limit in limits:
        cursor.execute(sql.TAKE_SLOT, (_rows.key_text(limit.tag), run.bytes, owner()))
    return Taken(tuple(limit.tag for limit in limits))


def _is_full(limit: Limit, run: UUID) -> bool:
    return len(set(limit.runs) - {run}) >= limit.most


def _strike_dead(cursor: sqlite3.Cursor, tag: str) -> bool:
    """Free the slots of processes that have ended; whether there were any."""
    rows = cursor.execute(sql.READ_SLOTS, (_rows.key_text(tag),)).fetchall()
    dead = [one for one in {row[1] for row in rows} if has_died(one)]
    for one in dead:
        cursor.execute(sql.FREE_SLOTS_OF_OWNER, (one,))
    return bool(dead)


def _find(cursor: sqlite3.Cursor, tags: Iterable[str]) -> list[Limit]:
    """The limits that these tags have, with who has their slots."""
    found = []
    for tag in tags:
        row = _row_of(cursor, tag)
        if row is not None:
            slots = cursor.execute(sql.READ_SLOTS, (_rows.key_text(tag),)).fetchall()
            uid, _, most, created = row
            runs = tuple(UUID(bytes=slot[0]) for slot in slots)
            found.append(Limit(tag=tag, most=most, id=UUID(bytes=uid), created=created, runs=runs))
    return found


def _row_of(cursor: sqlite3.Cursor, tag: str) -> _rows.Row | None:
    row: _rows.Row | None = cursor.execute(sql.READ_LIMIT, (_rows.key_text(tag),)).fetchone()
    return row
