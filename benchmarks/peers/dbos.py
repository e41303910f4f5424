"""DBOS on SQLite, as its users call it. Its flows are workflows, its tasks steps.

A step's output is always kept, so a plain call and a persisted one are the same. A miss and a hit
are calls of a workflow under an id that is new, or known; what is submitted and mapped are
workflows, too, for steps cannot be.
"""

from __future__ import annotations

import asyncio
import atexit
import os
from itertools import count
from typing import Any

from dbos import DBOS, SetWorkflowID

from benchmarks.work import avalue, value

_ALWAYS = "every step is persisted: see the plain calls"
ABSENT = {
    "persisted": _ALWAYS,
    "persisted_async": _ALWAYS,
    "persisted_gather": _ALWAYS,
}

DBOS(
    config={
        "name": "bench",
        "system_database_url": os.environ["BENCH_DATABASE"],
        "log_level": "CRITICAL",
        "run_admin_server": False,
    }
)
step = DBOS.step()(value)
async_step = DBOS.step()(avalue)
new = count()


@DBOS.workflow()
def calling(n: int) -> None:
    for x in range(n):
        step(x)


@DBOS.workflow()
async def awaiting(n: int) -> None:
    for x in range(n):
        await async_step(x)


@DBOS.workflow()
async def gathering(n: int) -> None:
    await asyncio.gather(*[async_step(x) for x in range(n)])


@DBOS.workflow()
def one(x: int) -> Any:
    return value(x)


@DBOS.workflow()
async def async_one(x: int) -> Any:
    return await avalue(x)


ARRAYS: dict[int, Any] = {}


@DBOS.workflow()
def keep(size: int) -> Any:
    return ARRAYS[size]


DBOS.launch()
atexit.register(DBOS.destroy)


def empty(n: int) -> None:
    for _ in range(n):
        calling(0)


def plain(n: int) -> None:
    calling(n)


def plain_async(n: int) -> None:
    asyncio.run(awaiting(n))


def gather(n: int) -> None:
    asyncio.run(gathering(n))


def submit(n: int) -> None:
    for handle in [DBOS.start_workflow(one, x) for x in range(n)]:
        handle.get_result()


def map_tasks(n: int) -> None:
    async def mapping() -> None:
        for handle in [await DBOS.start_workflow_async(async_one, x) for x in range(n)]:
            await handle.get_result()

    asyncio.run(mapping())


def miss(n: int) -> None:
    for x in range(n):
        with SetWorkflowID(f"miss-{next(new)}"):
            one(x)


def hit(n: int) -> None:
    for x in range(n):
        with SetWorkflowID(f"hit-{x}"):
            one(x)


def write(array: Any) -> str:
    ARRAYS[array.size] = array
    with SetWorkflowID(f"array-{array.size}"):
        keep(array.size)
    return f"array-{array.size}"


def read(workflow: str) -> Any:
    return DBOS.retrieve_workflow(workflow).get_result()
