"""joblib.Memory, as its users call it. It keeps values, and no runs."""

from __future__ import annotations

import asyncio
import os
from itertools import count
from typing import Any

from joblib import Memory

from benchmarks.work import avalue, value

_NO_RUNS = "keeps no runs"
ABSENT = {
    "empty": _NO_RUNS,
    "plain": _NO_RUNS,
    "plain_async": _NO_RUNS,
    "gather": _NO_RUNS,
    "submit": _NO_RUNS,
    "map_tasks": _NO_RUNS,
    "miss": "see: call, persisted, sync",
}

memory = Memory(os.environ["BENCH_FOLDER"], verbose=0)
cached = memory.cache(value)
async_cached = memory.cache(avalue)
new = count(1_000_000_000)


def persisted(n: int) -> None:
    for _ in range(n):
        cached(next(new))


def persisted_async(n: int) -> None:
    async def awaiting() -> None:
        for _ in range(n):
            await async_cached(next(new))

    asyncio.run(awaiting())


def persisted_gather(n: int) -> None:
    async def gathering() -> None:
        await asyncio.gather(*[async_cached(next(new)) for _ in range(n)])

    asyncio.run(gathering())


def hit(n: int) -> None:
    for x in range(n):
        cached(x)


ARRAYS: dict[int, Any] = {}


@memory.cache
def keep(size: int) -> Any:
    return ARRAYS[size]


def write(array: Any) -> int:
    ARRAYS[array.size] = array
    keep(array.size)
    return array.size


def read(size: int) -> Any:
    return keep(size)
