"""The run store's statements, in SQLAlchemy Core; `generate` compiles them once and for all.

Parameters are positional, in the order of the columns listed here, which `_rows` follows.
"""

from __future__ import annotations

from sqlalchemy import (
    ClauseElement,
    ColumnElement,
    Table,
    and_,
    bindparam,
    delete,
    func,
    literal_column,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.dialects.sqlite import insert

from upshot.runstore._limit_statements import LIMIT_STATEMENTS
from upshot.runstore.schema import alembic_version, block, cache_entry, flow_run, task_run

_PROGRESS = (
    "name",
    "tags",
    "run_count",
    "start_time",
    "end_time",
    "state_type",
    "state_name",
    "states",
    "result",
    "failure",
)
_OF_FLOW = (*_PROGRESS, "parameters", "owner", "expected_start_time")
_OF_TASK = (*_PROGRESS, "cache_key", "child_uid", "inputs")
_FLOW_RUN = ("id", "uid", "parent_task_run_id", "flow_name", "flow_version", *_OF_FLOW)
_TASK_RUN = (
    "id",
    "uid",
    "flow_run_id",
    "task_key",
    "task_name",
    "task_version",
    "call_index",
    "own_key",
    *_OF_TASK,
)
_CACHE = ("key", "document", "created", "expires", "task_run_uid")
_BLOCK = ("uid", "type", "fields", "name", "secrets")


def _bound(names: tuple[str, ...]) -> dict[str, object]:
    return {name: bindparam(f"new_{name}") for name in names}


def _insert(table: Table, names: tuple[str, ...]) -> ClauseElement:
    return insert(table).values(_bound(names))


def _update(table: Table, names: tuple[str, ...]) -> ClauseElement:
    """By number and uid: a number that another store gave never hits another run's row."""
    values = [(table.c[name], value) for name, value in _bound(names).items()]
    return (
        table.update()
        .ordered_values(*values)
        .where(table.c.id == bindparam("id"), table.c.uid == bindparam("uid"))
    )


def _read(table: Table, names: tuple[str, ...], by: str) -> ClauseElement:
    return select(*(table.c[name] for name in names)).where(table.c[by] == bindparam(by))


def _put_cache_entry() -> ClauseElement:
    put = insert(cache_entry).values(_bound(_CACHE))
    return put.on_conflict_do_update(
        index_elements=["key"], set_={name: put.excluded[name] for name in _CACHE[1:]}
    )


def _page_of_flow_runs(*filters: str) -> ClauseElement:
    """The newest runs between two ids, and with the values in these columns that are given."""
    where = [flow_run.c[name] == bindparam(name) for name in filters]
    return (
        select(*_flow_run_columns)
        .where(*where, flow_run.c.uid >= bindparam("first"), flow_run.c.uid < bindparam("end"))
        .order_by(flow_run.c.uid.desc())
        .limit(bindparam("limit"))
        .offset(literal_column("0"))
    )


def _next_group_of_tags(*after: str) -> ClauseElement:
    """Tags, flow and type of state of the runs that come next in `ix_flow_run_tags`.

    To leave a group, an id behind all its runs is given too: SQLite goes to the first row that is
    not less, and from there one by one to the first that is greater.
    """
    known = tuple_(*(flow_run.c[name] for name in after))
    return (
        select(*_group_of_tags)
        .where(_tagged, known > tuple_(*(bindparam(name) for name in after)))
        .order_by(*_group_of_tags)
        .limit(literal_column("1"))
        .offset(literal_column("0"))
    )


def _page_of_tags() -> ClauseElement:
    """The ids of the newest runs of a group, between two ids."""
    return (
        select(flow_run.c.uid)
        .where(_tagged, *(column == bindparam(column.name) for column in _group_of_tags))
        .where(flow_run.c.uid >= bindparam("first"), flow_run.c.uid < bindparam("end"))
        .order_by(flow_run.c.uid.desc())
        .limit(bindparam("limit"))
        .offset(literal_column("0"))
    )


def _newest_with_tags() -> ClauseElement:
    """The same as `_scan_tags`, newest first, of runs that are read one by one."""
    return (
        select(*_group_of_tags, flow_run.c.uid)
        .where(*_with_text())
        .where(flow_run.c.uid >= bindparam("first"), flow_run.c.uid < bindparam("end"))
        .order_by(flow_run.c.uid.desc())
    )


def _id_of_run() -> ClauseElement:
    """The id of the run that comes after so many newest ones, between two ids."""
    return (
        select(flow_run.c.uid)
        .where(flow_run.c.uid >= bindparam("first"), flow_run.c.uid < bindparam("end"))
        .order_by(flow_run.c.uid.desc())
        .limit(literal_column("1"))
        .offset(bindparam("number"))
    )


def _scan_tags() -> ClauseElement:
    """All runs between two ids in whose tags a text occurs, as the index has them."""
    return select(*_group_of_tags, flow_run.c.uid).where(
        *_with_text(), _unordered >= bindparam("first"), _unordered < bindparam("end")
    )


def _with_text() -> list[ColumnElement[bool]]:
    """A text in the tags; flow and type of state where they are not null."""
    chosen = [flow_run.c.flow_name, flow_run.c.state_type]
    found = func.instr(flow_run.c.tags, bindparam("text")) > literal_column("0")
    return [_tagged, found, *(each == func.coalesce(bindparam(each.name), each) for each in chosen)]


def _page_of_task_runs() -> ClauseElement:
    """The runs of a flow run after one of them, whose id may be none."""
    last = select(task_run.c.id).where(task_run.c.uid == bindparam("last")).scalar_subquery()
    return (
        select(*_task_run_columns)
        .where(_of_flow_run, task_run.c.id > func.coalesce(last, literal_column("0")))
        .order_by(task_run.c.id)
        .limit(bindparam("limit"))
        .offset(literal_column("0"))
    )


def _range(table: Table, names: tuple[str, ...]) -> ClauseElement:
    """The runs whose ids are in a range."""
    return (
        select(*(table.c[name] for name in names))
        .where(table.c.uid >= bindparam("first"), table.c.uid <= bindparam("last"))
        .order_by(table.c.uid)
        .limit(bindparam("limit"))
        .offset(literal_column("0"))
    )


def _search(table: Table, names: tuple[str, ...]) -> ClauseElement:
    """The newest runs before an id with a text in their result; walks the table backwards."""
    return (
        select(*(table.c[name] for name in names))
        .where(
            table.c.uid < bindparam("end"),
            func.instr(table.c.result, bindparam("text")) > literal_column("0"),
        )
        .order_by(table.c.uid.desc())
        .limit(bindparam("limit"))
        .offset(literal_column("0"))
    )


_group_of_tags = [flow_run.c[name] for name in ("tags", "flow_name", "state_type")]
_tagged = and_(flow_run.c.tags.is_not(None), flow_run.c.state_type.is_not(None))
# the `+` keeps SQLite from taking the index of ids, behind which it would have to read each row
_unordered: ColumnElement[bytes] = literal_column("+flow_run.uid")
_flow_run_columns = [flow_run.c[name] for name in _FLOW_RUN]
_task_run_columns = [task_run.c[name] for name in _TASK_RUN]
_is_that_block = and_(*(block.c[name].is_(bindparam(name)) for name in _BLOCK))
_of_flow_run = task_run.c.flow_run_id == (
    select(flow_run.c.id).where(flow_run.c.uid == bindparam("flow_run")).scalar_subquery()
)

STATEMENTS: dict[str, ClauseElement] = {
    "GET_VERSION": select(alembic_version.c.version_num),
    "SET_VERSION": _insert(alembic_version, ("version_num",)),
    "LAST_FLOW_RUN": select(func.max(flow_run.c.id)),
    "LAST_TASK_RUN": select(func.max(task_run.c.id)),
    "FIND_FLOW_RUN": _read(flow_run, ("id",), "uid"),
    "FIND_TASK_RUN": _read(task_run, ("id",), "uid"),
    "INSERT_FLOW_RUN": _insert(flow_run, _FLOW_RUN),
    "INSERT_TASK_RUN": _insert(task_run, _TASK_RUN),
    "UPDATE_FLOW_RUN": _update(flow_run, _OF_FLOW),
    "UPDATE_TASK_RUN": _update(task_run, _OF_TASK),
    "PUT_CACHE_ENTRY": _put_cache_entry(),
    "STRIKE_CACHE_ENTRY": delete(cache_entry).where(
        cache_entry.c.key == bindparam("key"),
        cache_entry.c.document == bindparam("document"),
        cache_entry.c.created == bindparam("created"),
    ),
    "READ_CACHE_ENTRY": _read(cache_entry, _CACHE, "key"),
    "PUT_BLOCK": insert(block)
    .values(_bound(_BLOCK))
    .on_conflict_do_nothing(index_elements=["uid"]),
    "CHANGE_BLOCK": block.update()
    .ordered_values(*((block.c[name], value) for name, value in _bound(_BLOCK).items()))
    .where(_is_that_block),
    "DROP_BLOCK": delete(block).where(_is_that_block),
    "READ_BLOCK": _read(block, _BLOCK, "uid"),
    "READ_BLOCKS": select(*(block.c[name] for name in _BLOCK)).order_by(block.c.id),
    "READ_FLOW_RUN": _read(flow_run, _FLOW_RUN, "uid"),
    "READ_FLOW_RUN_ROW": _read(flow_run, _FLOW_RUN, "id"),
    "READ_TASK_RUN": _read(task_run, _TASK_RUN, "uid"),
    "READ_TASK_RUN_ROW": _read(task_run, _TASK_RUN, "id"),
    "READ_TASK_RUNS": select(*_task_run_columns).where(_of_flow_run).order_by(task_run.c.id),
    "READ_FLOW_RUNS": select(*_flow_run_columns)
    .order_by(flow_run.c.id.desc())
    .limit(bindparam("limit"))
    .offset(literal_column("0")),
    "PAGE_OF_FLOW_RUNS": _page_of_flow_runs(),
    "PAGE_BY_FLOW": _page_of_flow_runs("flow_name"),
    "PAGE_BY_STATE": _page_of_flow_runs("state_type"),
    "PAGE_BY_FLOW_AND_STATE": _page_of_flow_runs("flow_name", "state_type"),
    "NEXT_TAGS": _next_group_of_tags("tags"),
    "NEXT_GROUP_OF_TAGS": _next_group_of_tags("tags", "flow_name", "state_type", "uid"),
    "PAGE_OF_TAGS": _page_of_tags(),
    "SCAN_TAGS": _scan_tags(),
    "NEWEST_WITH_TAGS": _newest_with_tags(),
    "ID_OF_RUN": _id_of_run(),
    "PAGE_OF_TASK_RUNS": _page_of_task_runs(),
    "RANGE_OF_FLOW_RUNS": _range(flow_run, _FLOW_RUN),
    "RANGE_OF_TASK_RUNS": _range(task_run, _TASK_RUN),
    "SEARCH_FLOW_RUNS": _search(flow_run, _FLOW_RUN),
    "SEARCH_TASK_RUNS": _search(task_run, _TASK_RUN),
    "ALL_FLOW_RUNS": select(*_flow_run_columns),
    "ALL_TASK_RUNS": select(*_task_run_columns),
    "NEXT_FLOW_NAME": select(func.min(flow_run.c.flow_name)).where(
        flow_run.c.flow_name > bindparam("last")
    ),
    "NEWEST_RUNS": union_all(select(func.max(flow_run.c.uid)), select(func.max(task_run.c.uid))),
    **LIMIT_STATEMENTS,
}
