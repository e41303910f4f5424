"""diskcache, as its users call it. It keeps values, and no runs; its calls are sync."""

from __future__ import annotations

import os
from itertools import count
from typing import Any

from diskcache import Cache

from benchmarks.work import value

_NO_RUNS = "keeps no runs"
_NO_ASYNC = "keeps nothing of async functions"
ABSENT = {
    "empty": _NO_RUNS,
    "plain": _NO_RUNS,
    "plain_async": _NO_RUNS,
    "gather": _NO_RUNS,
    "submit": _NO_RUNS,
    "map_tasks": _NO_RUNS,
    "persisted_async": _NO_ASYNC,
    "persisted_gather": _NO_ASYNC,
    "miss": "see: call, persisted, sync",
}

# without a limit of its size, which would drop the array
cache = Cache(os.environ["BENCH_FOLDER"], size_limit=2**40)
cached = cache.memoize()(value)
new = count(1_000_000_000)


def persisted(n: int) -> None:
    for _ in range(n):
        cached(next(new))


def hit(n: int) -> None:
    for x in range(n):
        cached(x)


def write(array: Any) -> str:
    key = f"array-{array.size}"
    cache.set(key, array)
    return key


def read(key: str) -> Any:
    return cache.get(key)
