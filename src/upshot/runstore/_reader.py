"""Reading records, with the runs that they belong to."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from upshot.records import FlowRun, TaskRun
from upshot.runstore import _rows
from upshot.runstore import _sql_sqlite as sql
from upshot.runstore._rows import Row


class RunReader:
    """Reads runs in one transaction; runs that several belong to are one object."""

    def __init__(self, cursor: sqlite3.Cursor) -> None:
        self._cursor = cursor
        self._flow_runs: dict[int, FlowRun | None] = {}
        self._task_runs: dict[int, TaskRun | None] = {}

    def flow_run(self, statement: str, key: Row) -> FlowRun | None:
        """The flow run that a statement finds."""
        row = self._cursor.execute(statement, key).fetchone()
        return None if row is None else self._to_flow_run(row)

    def task_run(self, statement: str, key: Row) -> TaskRun | None:
        """The task run that a statement finds."""
        row = self._cursor.execute(statement, key).fetchone()
        return None if row is None else self._to_task_run(row)

    def flow_runs(self, statement: str, key: Row) -> list[FlowRun]:
        """The flow runs that a statement finds, in its order."""
        return [self._to_flow_run(row) for row in self._cursor.execute(statement, key).fetchall()]

    def task_runs(self, statement: str, key: Row) -> list[TaskRun]:
        """The task runs that a statement finds, in its order."""
        return [self._to_task_run(row) for row in self._cursor.execute(statement, key).fetchall()]

    def rows(self, statement: str, key: Row) -> Iterator[Row]:
        """What else a statement finds, as it comes; over when the next one is executed."""
        return self._cursor.execute(statement, key)

    def _to_flow_run(self, row: Row) -> FlowRun:
        return _rows.to_flow_run(row, self._parent_of_flow_run)

    def _to_task_run(self, row: Row) -> TaskRun:
        return _rows.to_task_run(row, self._parent_of_task_run)

    def _parent_of_flow_run(self, number: int) -> TaskRun | None:
        if number not in self._task_runs:
            self._task_runs[number] = self.task_run(sql.READ_TASK_RUN_ROW, (number,))
        return self._task_runs[number]

    def _parent_of_task_run(self, number: int) -> FlowRun | None:
        if number not in self._flow_runs:
            self._flow_runs[number] = self.flow_run(sql.READ_FLOW_RUN_ROW, (number,))
        return self._flow_runs[number]
