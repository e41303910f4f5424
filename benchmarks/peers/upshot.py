"""upshot, as its users call it. A flow's end waits until the rows of its runs are in the store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import count
from typing import Any

from benchmarks.work import avalue, value
from upshot import flow, task
from upshot.documents import PersistedResult

ABSENT: dict[str, str] = {}

plain_task = task(value)
async_task = task(avalue)
persisted_task = task(value, persist_result=True)
async_persisted_task = task(avalue, persist_result=True)
cached_task = task(value, cache_key_fn=lambda context, parameters: str(parameters["x"]))
new = count(1_000_000_000)


@flow
def calling(inner: Any, items: range) -> None:
    for x in items:
        inner(x)


@flow
async def awaiting(inner: Any, items: range) -> None:
    for x in items:
        await inner(x)


@flow
async def gathering(inner: Any, items: range) -> None:
    await asyncio.gather(*[inner(x) for x in items])


def empty(n: int) -> None:
    for _ in range(n):
        calling(plain_task, range(0))


def plain(n: int) -> None:
    calling(plain_task, range(n))


def plain_async(n: int) -> None:
    asyncio.run(awaiting(async_task, range(n)))


def gather(n: int) -> None:
    asyncio.run(gathering(async_task, range(n)))


def persisted(n: int) -> None:
    calling(persisted_task, range(n))


def persisted_async(n: int) -> None:
    asyncio.run(awaiting(async_persisted_task, range(n)))


def persisted_gather(n: int) -> None:
    asyncio.run(gathering(async_persisted_task, range(n)))


def hit(n: int) -> None:
    calling(cached_task, range(n))


def miss(n: int) -> None:
    first = next(new)
    for _ in range(n - 1):
        next(new)
    calling(cached_task, range(first, first + n))


@flow
def submitting(n: int) -> None:
    for future in [plain_task.submit(x) for x in range(n)]:
        future.result()


def submit(n: int) -> None:
    submitting(n)


@flow
async def mapping(n: int, then: Callable[[], None]) -> None:
    futures = await async_task.map(range(n))
    for future in futures:
        await future.aresult()
    then()


def map_tasks(n: int, then: Callable[[], None] = lambda: None) -> None:
    asyncio.run(mapping(n, then))


@task(persist_result=True)
def keep(array: Any) -> Any:
    return array


@flow
def writing(array: Any) -> str:
    return keep(array, return_state=True).data.model_dump_json()


def write(array: Any) -> str:
    return writing(array)


def read(reference: str) -> Any:
    return PersistedResult.model_validate_json(reference).fetch()
