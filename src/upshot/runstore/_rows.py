"""Records as rows and back; the order of columns is that of `statements`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

import orjson

from upshot._steps import CODES
from upshot.records import FINAL, Block, CacheEntry, FlowRun, Run, TaskRun

_FINAL = frozenset(CODES[type] for type in FINAL)

Row = tuple[Any, ...]


def progress(run: Run) -> Row:
    """What changes while a run lasts, as the row of an UPDATE, without its id and uid.

    The history is read first: what a run's last state tells of was there before it.
    """
    states = run.states
    code, name, at = states[-1][:3] if states else (None, None, None)
    return (
        run.name,
        _packed(run.tags) if run.tags else None,
        run.run_count,
        run.began,
        at if run.ended is None and code in _FINAL else run.ended,
        code,
        name,
        _packed(states),
        run.result,
        run.failure,
    )


def text(value: str) -> str:
    """`value`, with what is no Unicode (file names can have it) as escapes."""
    return value.encode("utf-8", "backslashreplace").decode()


_NO_UNICODE = "\ue000upshot:"  # begins a cache key that is told in another way than by itself


def key_text(key: str) -> str:
    """A cache key as text that SQLite takes; different keys are different texts."""
    try:
        key.encode()
    except UnicodeEncodeError:
        return _NO_UNICODE + key.encode("utf-8", "surrogatepass").hex()
    return key if not key.startswith(_NO_UNICODE) else _NO_UNICODE + key.encode().hex()


def key_of(stored: str) -> str:
    """The cache key of a `key_text`."""
    if not stored.startswith(_NO_UNICODE):
        return stored
    return bytes.fromhex(stored.removeprefix(_NO_UNICODE)).decode("utf-8", "surrogatepass")


def unicode_only(row: Row) -> Row:
    """`row`, with `text` for each str."""
    return tuple(text(value) if isinstance(value, str) else value for value in row)


def _packed(values: Sequence[Any]) -> str:
    try:
        return orjson.dumps(values).decode()
    except orjson.JSONEncodeError:
        return orjson.dumps(_clean(values)).decode()


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return text(value)
    return [_clean(one) for one in value] if isinstance(value, (list, tuple)) else value


def flow_progress(run: FlowRun) -> Row:
    """`progress` and what only flow runs have."""
    return (*progress(run), run.parameters_json, run.owner, run.expected)


def task_progress(run: TaskRun) -> Row:
    """`progress` and what only task runs have."""
    return (*progress(run), run.cache_key, run.child_uid, run.inputs)


def flow_identity(run: FlowRun, row: int, parent: int | None) -> Row:
    """What never changes of a flow run."""
    return (row, run.uid, parent, run.flow_name, run.flow_version)


def task_identity(run: TaskRun, row: int | None, parent: int | None) -> Row:
    """What never changes of a task run."""
    return (
        row,
        run.uid,
        parent,
        run.task_key,
        run.task_name,
        run.task_version,
        run.call_index,
        run.own_key,
    )


def cache_row(entry: CacheEntry) -> Row:
    """A cache entry as a row."""
    return (key_text(entry.key), entry.document, entry.created, entry.expires, entry.task_run)


def block_row(block: Block) -> Row:
    """A storage's description as a row."""
    return (block.id.bytes, block.type, block.fields, block.name, block.secrets)


def to_flow_run(row: Sequence[Any], parent: Callable[[int], TaskRun | None]) -> FlowRun:
    """The flow run that a row describes; `parent` finds a task run by its number."""
    number, uid, parent_row, flow_name, flow_version, *rest = row
    return FlowRun(
        row=number,
        uid=uid,
        parent=None if parent_row is None else parent(parent_row),
        flow_name=flow_name,
        flow_version=flow_version,
        parameters_json=rest[10],
        owner=rest[11],
        **_progress(rest),
    )


def to_task_run(row: Sequence[Any], parent: Callable[[int], FlowRun | None]) -> TaskRun:
    """The task run that a row describes; `parent` finds a flow run by its number."""
    number, uid, parent_row, task_key, task_name, task_version, call_index, own_key, *rest = row
    return TaskRun(
        row=number,
        uid=uid,
        flow_run=None if parent_row is None else parent(parent_row),
        task_key=task_key,
        task_name=task_name,
        task_version=task_version,
        call_index=call_index,
        own_key=own_key,
        cache_key=rest[10],
        inputs=rest[12],
        child_uid=rest[11],
        **_progress(rest),
    )


def to_cache_entry(row: Sequence[Any]) -> CacheEntry:
    """The cache entry that a row describes."""
    key, document, created, expires, task_run = row
    return CacheEntry(
        key=key_of(key), document=document, created=created, expires=expires, task_run=task_run
    )


def to_block(row: Sequence[Any]) -> Block:
    """The storage's description that a row holds."""
    uid, type, fields, name, secrets = row
    return Block(id=UUID(bytes=uid), type=type, fields=fields, name=name, secrets=secrets)


def _progress(row: Sequence[Any]) -> Mapping[str, Any]:
    return {
        "name": row[0],
        "tags": tuple(orjson.loads(row[1])) if row[1] else (),
        "run_count": row[2],
        "began": row[3],
        "ended": row[4],
        "states": tuple(map(tuple, orjson.loads(row[7]))),
        "result": row[8],
        "failure": row[9],
    }
