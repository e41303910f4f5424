"""How long a loop has to wait while large values are persisted and read in its program.

    python -m benchmarks.ticker [--mb 100] [--objects 10000000] [--rounds 3] [--kinds bytes,array]

A ticker sleeps for a millisecond, again and again, and notes by how much it comes late. Meanwhile a
task on the same loop keeps a value, and gives it back from its storage; the figure is the worst of
the rounds. What other programs did to the machine is left out: a tick is late by no more than the
time that this program computed meanwhile. Lists and dicts of many small objects are there to show
what cannot be helped: they are pickled, unpickled and let go in C code that holds the interpreter's
lock.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import tempfile
import time
from collections.abc import Callable
from typing import Any

import upshot
from benchmarks.large import array, arrow, frame, some_bytes
from benchmarks.tables import table
from upshot.serializers import CompressedSerializer

PAUSE = 0.001
SERIALIZERS = ["pickle", "framed/pickle", "zstd"]

KINDS: dict[str, Callable[[int, int], Any]] = {
    "bytes": lambda mb, n: some_bytes(mb),
    "bytearray": lambda mb, n: bytearray(some_bytes(mb)),
    "array": lambda mb, n: array(mb),
    "frame": lambda mb, n: frame(mb),
    "arrow": lambda mb, n: arrow(mb),
    "ints": lambda mb, n: list(range(n)),
    "dicts": lambda mb, n: [{"id": index} for index in range(n // 10)],
}
USUAL = ["bytes", "bytearray", "array", "frame", "arrow"]


class Ticker:
    """Ticks on the loop of its block.

    Attributes:
        worst: seconds by which it came late at most.
    """

    def __init__(self) -> None:
        self.worst = 0.0

    async def __aenter__(self) -> Ticker:
        self._ticking = asyncio.create_task(self._tick())
        await asyncio.sleep(5 * PAUSE)
        self.worst = 0.0
        return self

    async def __aexit__(self, *raised: object) -> None:
        await asyncio.sleep(2 * PAUSE)
        self._ticking.cancel()

    async def _tick(self) -> None:
        while True:
            before, used = time.perf_counter(), time.process_time()
            await asyncio.sleep(PAUSE)
            late = time.perf_counter() - before - PAUSE
            self.worst = max(self.worst, min(late, time.process_time() - used))


async def measured(kind: str, serializer: Any, mb: int, objects: int) -> tuple[float, float]:
    @upshot.task(persist_result=True, cache_result_in_memory=False, result_serializer=serializer)
    async def keep() -> Any:
        return held.pop()

    held = [1]
    await keep()  # warm
    held.append(KINDS[kind](mb, objects))
    gc.collect()
    async with Ticker() as writing:
        state = await keep(return_state=True)
    async with Ticker() as reading:
        value = await state.data.get()
    del value, state
    return writing.worst, reading.worst


async def idle() -> float:
    """By how much it is late when nothing is done: what the machine's other work makes of it."""
    async with Ticker() as ticking:
        await asyncio.sleep(3)
    return ticking.worst


def chosen(name: str) -> Any:
    if name in ("pickle", "framed/pickle", "json"):
        return name
    return CompressedSerializer(serializer="pickle", compressionlib=name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--mb", type=int, default=100)
    parser.add_argument("--objects", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kinds", default=",".join(USUAL))
    parser.add_argument("--serializers", default=",".join(SERIALIZERS))
    given = parser.parse_args()
    lines = [["nothing", "", f"{asyncio.run(idle()) * 1000:.1f}", ""]]
    print(*lines[0], flush=True)
    with tempfile.TemporaryDirectory(prefix="ticker-") as home:
        os.environ["UPSHOT_HOME"] = home
        for kind in given.kinds.split(","):
            for name in given.serializers.split(","):
                rounds = [
                    asyncio.run(measured(kind, chosen(name), given.mb, given.objects))
                    for _ in range(given.rounds)
                ]
                worst = [max(late) * 1000 for late in zip(*rounds, strict=True)]
                lines.append([kind, name, *(f"{late:.1f}" for late in worst)])
                print(*lines[-1], flush=True)
    print("\n" + table(["", "", "late while written, ms", "while read, ms"], lines))


if __name__ == "__main__":
    main()
