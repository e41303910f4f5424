"""Listings of flow runs by their tags in SQLite.

A run's tags are one column, sorted, so runs with the same tags have the same text there. The index
`ix_flow_run_tags` holds the runs that have tags, in groups: by that text, flow and type of state,
and the newest last in each. There are few groups however many runs there are, and SQLite goes from
one to the next without reading what is between: those that a filter leaves are found first, then
the newest runs of each. Where nearly each run has tags of its own there are many groups; then the
newest runs are looked at, and where too few of them are asked for, the whole index is read once.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from itertools import islice

import orjson

from upshot._steps import CODES
from upshot.records import FlowRun
from upshot.runstore import _rows
from upshot.runstore import _sql_sqlite as sql
from upshot.runstore._listing import Page, RunFilter, page_of
from upshot.runstore._reader import RunReader
from upshot.runstore._rows import Row

_MOST_STEPS = 2_000  # from one group to another
_NEWEST = 20_000  # runs
_BEHIND_ALL = b"\xff" * 17  # greater than any id


def flow_runs(filter: RunFilter, limit: int, reader: RunReader) -> Page[FlowRun]:
    """The newest flow runs that a filter with tags leaves."""
    groups = _groups(filter, reader)
    if groups is None:
        uids = _without_groups(filter, limit + 1, reader)
    else:
        uids = heapq.nlargest(limit + 1, _newest(groups, filter, limit, reader))
    runs = (reader.flow_run(sql.READ_FLOW_RUN, (uid,)) for uid in uids)
    return page_of([run for run in runs if run is not None], limit)


def _groups(filter: RunFilter, reader: RunReader) -> list[Row] | None:
    """The groups that a filter leaves; None if there are too many to look at each."""
    found: list[Row] = []
    group = next(reader.rows(sql.NEXT_TAGS, ("",)), None)
    for _ in range(_MOST_STEPS):
        if group is None:
            return found
        if not _has_tags(group, filter):
            group = next(reader.rows(sql.NEXT_TAGS, group[:1]), None)
            continue
        if _passes(group, filter):
            found.append(group)
        group = next(reader.rows(sql.NEXT_GROUP_OF_TAGS, (*group, _BEHIND_ALL)), None)
    return None


def _newest(groups: list[Row], filter: RunFilter, limit: int, reader: RunReader) -> Iterator[bytes]:
    for group in groups:
        for (uid,) in reader.rows(sql.PAGE_OF_TAGS, (*group, *filter.bounds(), limit + 1)):
            yield uid


def _without_groups(filter: RunFilter, number: int, reader: RunReader) -> list[bytes]:
    first, end = filter.bounds()
    last = next(reader.rows(sql.ID_OF_RUN, (first, end, _NEWEST)), (first,))[0]
    found = list(islice(_matching(sql.NEWEST_WITH_TAGS, filter, (last, end), reader), number))
    if len(found) == number or last == first:
        return found
    return heapq.nlargest(number, _matching(sql.SCAN_TAGS, filter, (first, end), reader))


def _matching(
    statement: str, filter: RunFilter, bounds: tuple[bytes, bytes], reader: RunReader
) -> Iterator[bytes]:
    rarest = max(filter.tags, key=len)  # it may be; what SQLite gives is looked at again here
    name, state = filter.flow_name, filter.state_type
    key = (
        orjson.dumps(_rows.text(rarest)).decode(),
        None if name is None else _rows.text(name),
        None if state is None else CODES[state.value],
        *bounds,
    )
    for *group, uid in reader.rows(statement, key):
        if _has_tags(tuple(group), filter):
            yield uid


def _has_tags(group: Row, filter: RunFilter) -> bool:
    return set(map(_rows.text, filter.tags)) <= set(orjson.loads(group[0]))


def _passes(group: Row, filter: RunFilter) -> bool:
    _, name, code = group
    wanted = filter.flow_name is None or _rows.text(filter.flow_name) == name
    state = filter.state_type
    return wanted and (state is None or CODES[state.value] == code)
