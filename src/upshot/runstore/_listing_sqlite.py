"""Listings of runs in SQLite."""

from __future__ import annotations

from uuid import UUID

from upshot._steps import CODES
from upshot.records import FlowRun, Run, TaskRun
from upshot.runstore import _listing_tags, _rows
from upshot.runstore import _sql_sqlite as sql
from upshot.runstore._listing import Page, RunFilter, first_id, page_of
from upshot.runstore._reader import RunReader

# by whether a flow's name, and whether a state, is given
_STATEMENTS = {
    (False, False): sql.PAGE_OF_FLOW_RUNS,
    (True, False): sql.PAGE_BY_FLOW,
    (False, True): sql.PAGE_BY_STATE,
    (True, True): sql.PAGE_BY_FLOW_AND_STATE,
}


def flow_runs(filter: RunFilter, limit: int, reader: RunReader) -> Page[FlowRun]:
    """The newest flow runs that a filter leaves."""
    if filter.tags:
        return _listing_tags.flow_runs(filter, limit, reader)
    name, state = filter.flow_name, filter.state_type
    chosen = () if name is None else (_rows.text(name),)
    if state is not None:
        chosen = (*chosen, CODES[state.value])
    statement = _STATEMENTS[name is not None, state is not None]
    return page_of(reader.flow_runs(statement, (*chosen, *filter.bounds(), limit + 1)), limit)


def task_runs(flow_run: UUID, after: UUID | None, limit: int, reader: RunReader) -> Page[TaskRun]:
    """The task runs of a flow run behind one of them."""
    key = (flow_run.bytes, after and after.bytes, limit + 1)
    return page_of(reader.task_runs(sql.PAGE_OF_TASK_RUNS, key), limit)


def between(first: UUID, last: UUID, limit: int, reader: RunReader) -> list[Run]:
    """The runs whose ids are in a range."""
    key = (first.bytes, last.bytes, limit)
    found: list[Run] = [*reader.flow_runs(sql.RANGE_OF_FLOW_RUNS, key)]
    return [*found, *reader.task_runs(sql.RANGE_OF_TASK_RUNS, key)][:limit]


def search(text: str, until: float, limit: int, reader: RunReader) -> list[Run]:
    """The newest runs in whose result a text occurs."""
    key = (first_id(until + 0.001), text, limit)
    found: list[Run] = [*reader.flow_runs(sql.SEARCH_FLOW_RUNS, key)]
    found += reader.task_runs(sql.SEARCH_TASK_RUNS, key)
    return sorted(found, key=lambda run: run.uid, reverse=True)[:limit]
