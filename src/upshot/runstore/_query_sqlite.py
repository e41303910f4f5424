"""What is asked of runs, as SQL for SQLite; texts and numbers are always bound."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from upshot._steps import CODES
from upshot.records import FlowRun, TaskRun
from upshot.runstore import _rows
from upshot.runstore import _sql_sqlite as sql
from upshot.runstore._query import Condition, How, RunQuery
from upshot.runstore._reader import RunReader

_OF_RUN = ("end_time", "name", "start_time", "state_name", "state_type", "tags", "uid")
_FLOW_RUN = {
    **{name: f"flow_run.{name}" for name in _OF_RUN},
    "expected_start_time": "flow_run.expected_start_time",
    "flow_name": "flow_run.flow_name",
    "flow_version": "flow_run.flow_version",
    "parent": "flow_run.parent_task_run_id",
}
_TASK_RUN = {
    **{name: f"task_run.{name}" for name in _OF_RUN},
    "child": "task_run.child_uid",
    "flow_run": "task_run.flow_run_id",
}
# columns that hold the number of another run, which is asked for by its id
_POINTS_TO = {"parent": "task_run", "flow_run": "flow_run"}


def flow_runs(query: RunQuery, reader: RunReader) -> list[FlowRun]:
    """The flow runs that a query asks for."""
    asked = _Asked(_FLOW_RUN)
    asked.add(query.where)
    if query.related is not None:
        inner = _Asked(_TASK_RUN)
        inner.add(query.related)
        asked.inside("flow_run.id", "SELECT task_run.flow_run_id FROM task_run", inner)
    return reader.flow_runs(*asked.statement(sql.ALL_FLOW_RUNS, query))


def task_runs(query: RunQuery, reader: RunReader) -> list[TaskRun]:
    """The task runs that a query asks for."""
    asked = _Asked(_TASK_RUN)
    asked.add(query.where)
    if query.related is not None:
        inner = _Asked(_FLOW_RUN)
        inner.add(query.related)
        asked.inside("task_run.flow_run_id", "SELECT flow_run.id FROM flow_run", inner)
    return reader.task_runs(*asked.statement(sql.ALL_TASK_RUNS, query))


def flow_names(reader: RunReader) -> list[str]:
    """The names of all flows that have runs, by going from one to the next in their index."""
    found: list[str] = []
    while True:
        row = next(iter(reader.rows(sql.NEXT_FLOW_NAME, (found[-1] if found else "",))), (None,))
        if row[0] is None:
            return found
        found.append(row[0])


class _Asked:
    """Conditions being put together."""

    def __init__(self, columns: dict[str, str]) -> None:
        self._columns = columns
        self._table = columns["uid"].partition(".")[0]
        self._terms: list[str] = []
        self._bound: list[Any] = []
        self._few = False  # whether an index other than that of the order finds the runs

    def add(self, conditions: Iterable[Condition]) -> None:
        for what, how, value in conditions:
            column = self._columns[what]
            self._few = self._few or (how == "any" and (what == "uid" or what in _POINTS_TO))
            if what in _POINTS_TO and how != "null":
                table = _POINTS_TO[what]
                term, bound = _TERMS[how](f"{table}.uid", _stored(what, value))
                term = f"{column} IN (SELECT {table}.id FROM {table} WHERE {term})"
            else:
                term, bound = _TERMS[how](column, _stored(what, value))
            self._terms.append(term)
            self._bound += bound

    def inside(self, column: str, select: str, inner: _Asked) -> None:
        self._terms.append(f"{column} IN ({select}{inner._where()})")
        self._bound += inner._bound
        self._few = True

    def _where(self) -> str:
        return f" WHERE {' AND '.join(self._terms)}" if self._terms else ""

    def statement(self, select: str, query: RunQuery) -> tuple[str, tuple[Any, ...]]:
        """The whole statement and what is bound to it."""
        way = "DESC" if query.descending else "ASC"
        # the `+` keeps SQLite from walking through all runs in their order to find those few
        order = f"{'+' if self._few else ''}{self._table}.id {way}"
        if query.order is not None:
            column = self._columns[query.order]
            order = f"{column} IS NULL, {column} {way}, {order}"
        text = f"{select}{self._where()} ORDER BY {order} LIMIT ? OFFSET ?"
        return text, (*self._bound, query.limit, query.offset)


def _stored(what: str, value: Any) -> Any:
    """The value of a condition as the store has it."""
    if isinstance(value, str):
        text = _rows.text(value)
        return CODES[text] if what == "state_type" else text
    if isinstance(value, list | tuple):
        return [_stored(what, one) for one in value]
    return value


def _any(column: str, values: list[Any]) -> tuple[str, list[Any]]:
    return f"{column} IN ({', '.join('?' * len(values))})", values


def _not_any(column: str, values: list[Any]) -> tuple[str, list[Any]]:
    return f"{column} NOT IN ({', '.join('?' * len(values))})", values


def _like(column: str, text: str) -> tuple[str, list[Any]]:
    for special in ("\\", "%", "_"):
        text = text.replace(special, "\\" + special)
    return f"{column} LIKE ? ESCAPE '\\'", [f"%{text}%"]


def _all(column: str, tags: list[str]) -> tuple[str, list[Any]]:
    each = f"EXISTS (SELECT 1 FROM json_each({column}) WHERE value = ?)"
    return " AND ".join([f"{column} IS NOT NULL", *[each] * len(tags)]), tags


def _null(column: str, wanted: bool) -> tuple[str, list[Any]]:
    return f"{column} IS {'' if wanted else 'NOT '}NULL", []


_TERMS: dict[How, Callable[[str, Any], tuple[str, list[Any]]]] = {
    "all": _all,
    "any": _any,
    "from": lambda column, value: (f"{column} >= ?", [value]),
    "like": _like,
    "not any": _not_any,
    "null": _null,
    "until": lambda column, value: (f"{column} <= ?", [value]),
}
