"""What calls cost beside the bare limit: pickling a value, writing a file, renaming it.

    python benchmarks/calls.py [rounds] [calls]

Each round times every row once, one after the other, so that a change of the machine's speed
meets all of them; a row's figure is the median of its rounds, its ratio that of the ratios within
each round.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import cloudpickle

from upshot import flow, task
from upshot.testing import isolated


def value(x: int) -> dict[str, Any]:
    return {"x": x, "list": [1, 2, 3]}


async def avalue(x: int) -> dict[str, Any]:
    return value(x)


def bare(calls: int, folder: Path) -> None:
    """The limit: what no library that writes a file can go below."""
    for x in range(calls):
        draft = folder / f"draft-{x}"
        with open(draft, "wb") as file:
            file.write(cloudpickle.dumps(value(x)))
        os.replace(draft, folder / str(x))


def sync_flow(inner: Any) -> Callable[[int], Any]:
    @flow
    def around(calls: int) -> bool:
        for x in range(calls):
            inner(x)
        return True

    return around


def async_flow(inner: Any, *, gathered: bool = False) -> Callable[[int], Any]:
    @flow
    async def around(calls: int) -> bool:
        if gathered:
            await asyncio.gather(*[inner(x) for x in range(calls)])
        else:
            for x in range(calls):
                await inner(x)
        return True

    return lambda calls: asyncio.run(around(calls))


def rows(folder: Path) -> dict[str, Callable[[int], Any]]:
    cached = task(value, cache_key_fn=lambda context, parameters: str(parameters["x"]))
    return {
        "pickle + write + rename": lambda calls: bare(calls, folder),
        "task": sync_flow(task(value)),
        "task, awaited": async_flow(task(avalue)),
        "task, gathered": async_flow(task(avalue), gathered=True),
        "task, persisted": sync_flow(task(value, persist_result=True)),
        "task, persisted, awaited": async_flow(task(avalue, persist_result=True)),
        "task, persisted, gathered": async_flow(task(avalue, persist_result=True), gathered=True),
        "task, cached (hit)": sync_flow(cached),
    }


def main(rounds: int = 7, calls: int = 1_000) -> None:
    with tempfile.TemporaryDirectory() as folder, isolated():
        table = rows(Path(folder))
        for run in table.values():
            run(calls)  # warm: files, rows, the cache
        seconds: dict[str, list[float]] = {name: [] for name in table}
        for _ in range(rounds):
            for name, run in table.items():
                start = time.perf_counter()
                run(calls)
                seconds[name].append(time.perf_counter() - start)
    base = next(iter(seconds.values()))
    print(f"{'':28}{'µs a call':>12}{'× bare':>9}{'spread':>9}")
    for name, times in seconds.items():
        ratios = [time / bare for time, bare in zip(times, base, strict=True)]
        spread = (max(times) - min(times)) / median(times)
        each = median(times) / calls * 1e6
        print(f"{name:28}{each:12.1f}{median(ratios):9.2f}{spread:9.0%}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
