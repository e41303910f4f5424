"""What no library can go below: plain calls, a bare pool, a pickle that is written and renamed."""

from __future__ import annotations

import asyncio
import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO

import cloudpickle

from benchmarks.work import avalue, value

ABSENT = {"miss": "see: call, persisted, sync"}

FOLDER = Path(os.environ["BENCH_FOLDER"])
pool = ThreadPoolExecutor()
new = count()


def nothing() -> None:
    pass


def empty(n: int) -> None:
    for _ in range(n):
        nothing()


def plain(n: int) -> None:
    for x in range(n):
        value(x)


def plain_async(n: int) -> None:
    async def awaiting() -> None:
        for x in range(n):
            await avalue(x)

    asyncio.run(awaiting())


def gather(n: int) -> None:
    async def gathering() -> None:
        await asyncio.gather(*[avalue(x) for x in range(n)])

    asyncio.run(gathering())


def submit(n: int) -> None:
    for future in [pool.submit(value, x) for x in range(n)]:
        future.result()


def map_tasks(n: int) -> None:
    for _ in pool.map(value, range(n)):
        pass


def keep(x: int, path: Path) -> None:
    draft = path.with_suffix(".draft")
    with open(draft, "wb") as file:
        file.write(cloudpickle.dumps(value(x)))
    os.replace(draft, path)


def persisted(n: int) -> None:
    for x in range(n):
        keep(x, FOLDER / str(next(new)))


def persisted_async(n: int) -> None:
    async def awaiting() -> None:
        for x in range(n):
            await asyncio.to_thread(keep, x, FOLDER / str(next(new)))

    asyncio.run(awaiting())


def persisted_gather(n: int) -> None:
    async def gathering() -> None:
        keeping = [asyncio.to_thread(keep, x, FOLDER / str(next(new))) for x in range(n)]
        await asyncio.gather(*keeping)

    asyncio.run(gathering())


def hit(n: int) -> None:
    for x in range(n):
        path = FOLDER / f"hit-{x}"
        try:
            with open(path, "rb") as file:
                pickle.load(file)
        except FileNotFoundError:
            keep(x, path)


class InPieces:
    """Writes a MB at a time: of 512 at once, the kernel may first tidy its memory, for a second."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file

    def write(self, data: Any) -> None:
        view = memoryview(data).cast("B")
        for start in range(0, len(view), 2**20):
            self.file.write(view[start : start + 2**20])


def write(array: Any) -> str:
    path = FOLDER / f"{array.nbytes}.pickle"
    with open(path, "wb") as file:
        pickle.dump(array, InPieces(file), protocol=5)
    return str(path)


def read(path: str) -> Any:
    with open(path, "rb") as file:
        return pickle.load(file)
