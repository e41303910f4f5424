"""From filters to what the run store is asked for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from upshot._models import Model
from upshot.client.schemas.filters import FlowFilter, FlowRunFilter, TaskRunFilter
from upshot.client.schemas.sorting import FlowRunSort, TaskRunSort
from upshot.records import flow_id
from upshot.runstore import Condition, RunQuery, RunStore

MOST = 200  # runs that a listing gives where it is not told
_MOST_VALUES = 15_000  # of one filter; SQLite takes twice as many in a statement

M = TypeVar("M", bound=Model)
T = TypeVar("T")


def flow_run_query(
    store: RunStore,
    flow_filter: FlowFilter | None,
    flow_run_filter: FlowRunFilter | None,
    task_run_filter: TaskRunFilter | None,
    order: FlowRunSort | str | None,
    limit: int | None,
    offset: int,
) -> RunQuery:
    """What is asked of flow runs."""
    sort = FlowRunSort(order or FlowRunSort.ID_DESC)
    return RunQuery(
        where=_of_flow_runs(store, flow_filter, flow_run_filter),
        related=None if task_run_filter is None else _of_task_runs(task_run_filter),
        order=sort.column,
        descending=sort.descending,
        limit=_checked("limit", MOST if limit is None else limit),
        offset=_checked("offset", offset),
    )


def task_run_query(
    store: RunStore,
    flow_filter: FlowFilter | None,
    flow_run_filter: FlowRunFilter | None,
    task_run_filter: TaskRunFilter | None,
    order: TaskRunSort | str | None,
    limit: int | None,
    offset: int,
) -> RunQuery:
    """What is asked of task runs."""
    sort = TaskRunSort(order or TaskRunSort.ID_DESC)
    of_any = flow_filter is None and flow_run_filter is None
    return RunQuery(
        where=() if task_run_filter is None else _of_task_runs(task_run_filter),
        related=None if of_any else _of_flow_runs(store, flow_filter, flow_run_filter),
        order=sort.column,
        descending=sort.descending,
        limit=_checked("limit", MOST if limit is None else limit),
        offset=_checked("offset", offset),
    )


def chosen_flows(store: RunStore, filter: FlowFilter | None) -> list[str]:
    """The names of the flows that a filter leaves, sorted."""
    names = store.flow_names()
    if filter is None:
        return names
    by_name = parsed(FlowFilter, filter).name
    by_id = parsed(FlowFilter, filter).id
    if by_name is not None and by_name.any_ is not None:
        names = [name for name in names if name in by_name.any_]
    if by_name is not None and by_name.like_ is not None:
        names = [name for name in names if by_name.like_.lower() in name.lower()]
    if by_id is not None and by_id.any_ is not None:
        names = [name for name in names if flow_id(name) in by_id.any_]
    if by_id is not None and by_id.not_any_ is not None:
        names = [name for name in names if flow_id(name) not in by_id.not_any_]
    return names


def part(listed: list[T], limit: int | None, offset: int) -> list[T]:
    """A part of a listing of what is neither a flow run nor a task run."""
    start = _checked("offset", offset)
    return listed[start : start + _checked("limit", MOST if limit is None else limit)]


def parsed(kind: type[M], filter: M) -> M:
    """A filter, which may have been given as a dict.

    Raises:
        pydantic.ValidationError: if it asks for something that is not known.
    """
    return kind.model_validate(filter)


def _of_flow_runs(
    store: RunStore, flows: FlowFilter | None, runs: FlowRunFilter | None
) -> tuple[Condition, ...]:
    found: Iterable[Condition] = () if runs is None else parsed(FlowRunFilter, runs).conditions()
    if flows is not None:
        found = (*found, Condition("flow_name", "any", chosen_flows(store, flows)))
    return _bounded(found)


def _of_task_runs(filter: TaskRunFilter) -> tuple[Condition, ...]:
    return _bounded(parsed(TaskRunFilter, filter).conditions())


def _bounded(conditions: Iterable[Condition]) -> tuple[Condition, ...]:
    found = tuple(conditions)
    values = sum(len(each.value) for each in found if isinstance(each.value, list))
    if values > _MOST_VALUES:
        raise ValueError(f"filters have at most {_MOST_VALUES:,} values; got {values:,}")
    return found


def _checked(name: str, number: int) -> int:
    if number < 0:
        raise ValueError(f"{name} must not be negative; got {number}")
    return number
