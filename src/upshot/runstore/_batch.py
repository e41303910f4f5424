"""Writing many records in one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from functools import cache
from itertools import chain
from typing import NamedTuple, TypeVar

from upshot.records import CacheEntry, FlowRun, Run, TaskRun
from upshot.runstore import _rows
from upshot.runstore import _sql_sqlite as sql
from upshot.runstore._rows import Row

MOST_KNOWN = 10_000

R = TypeVar("R", bound=Run)
Numbered = list[tuple[R, int]]


class StaleNumber(Exception):
    """A run's `row` is not its number in this store, or its row is gone."""


# what writing carefully may cure
CURABLE = (StaleNumber, UnicodeError, sqlite3.IntegrityError)


class _Table(NamedTuple):
    insert: str
    update: str
    find: str
    last: str


FLOW_RUNS = _Table(sql.INSERT_FLOW_RUN, sql.UPDATE_FLOW_RUN, sql.FIND_FLOW_RUN, sql.LAST_FLOW_RUN)
TASK_RUNS = _Table(sql.INSERT_TASK_RUN, sql.UPDATE_TASK_RUN, sql.FIND_TASK_RUN, sql.LAST_TASK_RUN)


class RunWriter:
    """Writes runs through one cursor.

    It remembers the numbers of flow runs, which their task runs point to.
    """

    def __init__(self, cursor: sqlite3.Cursor) -> None:
        self._cursor = cursor
        self._known: dict[bytes, int] = {}

    def transact(self, runs: Collection[Run], entries: Sequence[CacheEntry]) -> Numbered[Run]:
        """Write runs and cache entries in one transaction; give the numbers that runs have now.

        Raises:
            sqlite3.Error: if it cannot be; nothing of it is written then.
        """
        try:
            if len(runs) == 1 and not entries:
                (run,) = runs
                if type(run) is TaskRun and run.row is None:
                    return [(run, self._insert(run))]
            return self._attempt(runs, entries, carefully=False)
        except CURABLE:
            return self._attempt(runs, entries, carefully=True)

    def _attempt(
        self, runs: Collection[Run], entries: Sequence[CacheEntry], *, carefully: bool
    ) -> Numbered[Run]:
        try:
            self._cursor.execute("BEGIN IMMEDIATE")
            numbered = self._write(runs, carefully)
            for entry in entries:
                self._cursor.execute(sql.PUT_CACHE_ENTRY, _rows.cache_row(entry))
            self._cursor.execute("COMMIT")
        except BaseException:
            # first of all: a signal's exception may come after any call, and must find it done
            if self._cursor.connection.in_transaction:
                self._cursor.execute("ROLLBACK")
            self._known.clear()
            raise
        return numbered

    def _insert(self, run: TaskRun) -> int:
        """Write a new task run by one statement, which is a transaction; give its number.

        That is what most commits are: a call whose result is persisted.
        """
        row = _rows.task_identity(run, None, self._flow_run(run.flow_run))
        self._cursor.execute(TASK_RUNS.insert, row + _rows.task_progress(run))
        number: int = self._cursor.lastrowid  # type: ignore[assignment]  # it has inserted one
        return number

    def _write(self, runs: Collection[Run], carefully: bool) -> Numbered[Run]:
        """Insert the runs that are new and update the others; give the numbers of the new ones.

        Whether a run is new is told by its `row`. `carefully` believes neither that nor what was
        remembered, escapes what is no Unicode, and gives all numbers.
        """
        flow_runs: list[FlowRun] = []
        task_runs: list[TaskRun] = []
        for run in runs:
            if isinstance(run, TaskRun):
                task_runs.append(run)
            elif isinstance(run, FlowRun):
                flow_runs.append(run)
        if carefully or len(self._known) > MOST_KNOWN:
            self._known.clear()
        new_task_runs, old_task_runs = self._split(task_runs, TASK_RUNS, carefully)
        numbered: Numbered[Run] = [*new_task_runs]
        if carefully:
            numbered += old_task_runs
        if flow_runs:
            numbered += self._write_flow_runs(flow_runs, new_task_runs, carefully)
        if new_task_runs:
            rows = [
                _rows.task_identity(run, number, self._flow_run(run.flow_run))
                + _rows.task_progress(run)
                for run, number in new_task_runs
            ]
            self._execute(TASK_RUNS.insert, rows, carefully)
        if old_task_runs:
            rows = [(*_rows.task_progress(run), number, run.uid) for run, number in old_task_runs]
            self._execute(TASK_RUNS.update, rows, carefully)
        return numbered

    def _write_flow_runs(
        self, runs: list[FlowRun], new_task_runs: Numbered[TaskRun], carefully: bool
    ) -> Numbered[FlowRun]:
        new, old = self._split(runs, FLOW_RUNS, carefully)
        self._known.update((run.uid, number) for run, number in new)
        if new:
            parents = {run.uid: number for run, number in new_task_runs}
            rows = [
                _rows.flow_identity(run, number, self._task_run(run.parent, parents))
                + _rows.flow_progress(run)
                for run, number in new
            ]
            self._execute(FLOW_RUNS.insert, rows, carefully)
        if old:
            rows = [(*_rows.flow_progress(run), number, run.uid) for run, number in old]
            self._execute(FLOW_RUNS.update, rows, carefully)
        return new + old if carefully else new

    def _split(
        self, runs: Sequence[R], table: _Table, carefully: bool
    ) -> tuple[Numbered[R], Numbered[R]]:
        """The runs that the table does not hold yet, with new numbers, and the others."""
        new: Numbered[R] = []
        old: Numbered[R] = []
        last = -1
        for run in runs:
            number = self._one(table.find, (run.uid,)) if carefully else run.row
            if number is not None:
                old.append((run, number))
                continue
            if last < 0:
                last = self._one(table.last) or 0
            last += 1
            new.append((run, last))
        return new, old

    def _flow_run(self, run: FlowRun | None) -> int | None:
        if run is None:
            return None
        number = self._known.get(run.uid)
        if number is None:
            number = self._one(FLOW_RUNS.find, (run.uid,))
            if number is not None:
                self._known[run.uid] = number
        return number

    def _task_run(self, run: TaskRun | None, new: dict[bytes, int]) -> int | None:
        if run is None:
            return None
        return new.get(run.uid) or self._one(TASK_RUNS.find, (run.uid,))

    def _one(self, statement: str, parameters: Row = ()) -> int | None:
        row = self._cursor.execute(statement, parameters).fetchone()
        return None if row is None else row[0]

    def _execute(self, statement: str, rows: list[Row], carefully: bool) -> None:
        if carefully:
            rows = [_rows.unicode_only(row) for row in rows]
        written = 0
        if "VALUES" in statement:
            many = _of_many(statement)
            while len(rows) - written >= _AT_ONCE:
                some = rows[written : written + _AT_ONCE]
                self._cursor.execute(many, [*chain.from_iterable(some)])
                written += _AT_ONCE
        rest = rows[written:] if written else rows
        if len(rest) == 1:
            self._cursor.execute(statement, rest[0])
        elif rest:
            self._cursor.executemany(statement, rest)
        if rest and self._cursor.rowcount != len(rest):
            raise StaleNumber


# rows that one statement inserts, which costs a fifth less than one by one; the oldest SQLites take
# 999 parameters at a time
_AT_ONCE = 40


@cache
def _of_many(insert: str) -> str:
    """A statement that inserts a row, for `_AT_ONCE` of them."""
    before, row = insert.split("VALUES ")
    return before + "VALUES " + ", ".join([row] * _AT_ONCE)
