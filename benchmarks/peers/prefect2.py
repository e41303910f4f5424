"""Prefect 2 on its in-process server, as its users call it."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import Any

from prefect import flow, task
from prefect.results import PersistedResult

from benchmarks.work import avalue, value

ABSENT: dict[str, str] = {}

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
def calling(inner: Any, items: Any) -> bool:
    for x in items:
        inner(x)
    return True


@flow(validate_parameters=False)
async def awaiting(inner: Any, n: int) -> bool:
    for x in range(n):
        await inner(x)
    return True


@flow(validate_parameters=False)
async def gathering(inner: Any, n: int) -> bool:
    await asyncio.gather(*[inner(x) for x in range(n)])
    return True


@flow
def submitting(n: int) -> bool:
    futures = [plain_task.submit(x) for x in range(n)]
    for future in futures:
        future.result()
    return True


@flow
async def mapping(n: int) -> bool:
    for future in await async_task.map(range(n)):
        await future.result()
    return True


def empty(n: int) -> None:
    for _ in range(n):
        calling(None, ())


def plain(n: int) -> None:
    calling(plain_task, range(n))


def plain_async(n: int) -> None:
    asyncio.run(awaiting(async_task, n))


def gather(n: int) -> None:
    asyncio.run(gathering(async_task, n))


def submit(n: int) -> None:
    submitting(n)


def map_tasks(n: int) -> None:
    asyncio.run(mapping(n))


def persisted(n: int) -> None:
    calling(persisted_task, range(n))


def persisted_async(n: int) -> None:
    asyncio.run(awaiting(async_persisted_task, n))


def persisted_gather(n: int) -> None:
    asyncio.run(gathering(async_persisted_task, n))


def miss(n: int) -> None:
    calling(cached_task, [next(new) for _ in range(n)])


def hit(n: int) -> None:
    calling(cached_task, range(n))


@task(persist_result=True)
def keep(array: Any) -> Any:
    return array


@flow(validate_parameters=False)
def writing(array: Any) -> str:
    return keep(array, return_state=True).data.json()


def write(array: Any) -> str:
    return writing(array)


def read(reference: str) -> Any:
    return PersistedResult.parse_raw(reference).get()
