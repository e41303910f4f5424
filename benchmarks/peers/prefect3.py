"""Prefect 3 on the server that it starts, as its users call it.

It sends the rows of task runs to its server in the background: a row here ends when the server
has them all, and says beside that when the flow had returned. The heartbeat of flows is off, for
whose thread a sync flow waits up to a second.
"""

from __future__ import annotations

import asyncio
import time
from itertools import count
from typing import Any
from uuid import UUID

from prefect import flow, task
from prefect.client.orchestration import get_client
from prefect.results import ResultStore
from prefect.runtime import flow_run
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

from benchmarks.work import avalue, value

ABSENT: dict[str, str] = {}

without_heartbeat = temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None})
without_heartbeat.__enter__()

plain_task = task(value)
async_task = task(avalue)
persisted_task = task(value, persist_result=True)
async_persisted_task = task(avalue, persist_result=True)
cached_task = task(
    value,
    persist_result=True,
    cache_key_fn=lambda context, parameters: str(parameters["x"]),
)
new = count(1_000_000_000)


@flow(validate_parameters=False)
def calling(inner: Any, items: Any) -> str:
    for x in items:
        inner(x)
    return str(flow_run.id)


@flow(validate_parameters=False)
async def awaiting(inner: Any, n: int) -> str:
    for x in range(n):
        await inner(x)
    return str(flow_run.id)


@flow(validate_parameters=False)
async def gathering(inner: Any, n: int) -> str:
    await asyncio.gather(*[inner(x) for x in range(n)])
    return str(flow_run.id)


@flow
def submitting(n: int) -> str:
    for future in [plain_task.submit(x) for x in range(n)]:
        future.result()
    return str(flow_run.id)


@flow
def mapping(n: int) -> str:
    for future in async_task.map(range(n)):
        future.result()
    return str(flow_run.id)


def recorded(start: float, run: str, n: int) -> dict[str, float]:
    """Wait until the server has all task runs; the seconds until the flow had returned."""
    returned = time.perf_counter() - start
    asked = {
        "flow_runs": {"id": {"any_": [str(UUID(run))]}},
        "task_runs": {"state": {"type": {"any_": ["COMPLETED"]}}},
    }
    with get_client(sync_client=True) as client:
        while client.request("POST", "/task_runs/count", json=asked).json() < n:
            time.sleep(0.02)
    return {"returned": returned}


def empty(n: int) -> None:
    for _ in range(n):
        calling(None, ())


def plain(n: int) -> dict[str, float]:
    return recorded(time.perf_counter(), calling(plain_task, range(n)), n)


def plain_async(n: int) -> dict[str, float]:
    return recorded(time.perf_counter(), asyncio.run(awaiting(async_task, n)), n)


def gather(n: int) -> dict[str, float]:
    return recorded(time.perf_counter(), asyncio.run(gathering(async_task, n)), n)


def submit(n: int) -> dict[str, float]:
    return recorded(time.perf_counter(), submitting(n), n)


def map_tasks(n: int) -> dict[str, float]:
    return recorded(time.perf_counter(), mapping(n), n)


def persisted(n: int) -> dict[str, float]:
    return recorded(time.perf_counter(), calling(persisted_task, range(n)), n)


def persisted_async(n: int) -> dict[str, float]:
    return recorded(time.perf_counter(), asyncio.run(awaiting(async_persisted_task, n)), n)


def persisted_gather(n: int) -> dict[str, float]:
    return recorded(time.perf_counter(), asyncio.run(gathering(async_persisted_task, n)), n)


def miss(n: int) -> dict[str, float]:
    items = [next(new) for _ in range(n)]
    return recorded(time.perf_counter(), calling(cached_task, items), n)


def hit(n: int) -> dict[str, float]:
    return recorded(time.perf_counter(), calling(cached_task, range(n)), n)


ARRAYS: dict[int, Any] = {}


# it is not given the array: that would be pickled once more, to find its cache key
@task(persist_result=True)
def keep(size: int) -> Any:
    return ARRAYS[size]


@flow
def writing(size: int) -> str:
    return keep(size, return_state=True).data.metadata.storage_key


def write(array: Any) -> str:
    ARRAYS[array.size] = array
    return writing(array.size)


def read(key: str) -> Any:
    return ResultStore().read(key).result
