"""Measures, in a process of its own, what depends on what the process did before.

python -m benchmarks.fresh <peer> array-write|array-read|map-memory <folder> <n>
"""

from __future__ import annotations

import gc
import importlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

MB = 1024 * 1024


def main(peer: str, row: str, folder: str, n: str) -> None:
    adapter = importlib.import_module(f"benchmarks.peers.{peer}")
    measure, needed = MEASURES[row]
    if hasattr(adapter, needed):
        figures = measure(adapter, Path(folder), int(n))
    else:
        figures = {"absent": adapter.ABSENT.get(needed, "has nothing like it")}
    print("\n" + json.dumps(figures), flush=True)


def write(adapter: ModuleType, folder: Path, mb: int) -> dict[str, float]:
    numpy = importlib.import_module("numpy")
    array = numpy.arange(mb * MB // 8, dtype=numpy.float64)
    small = adapter.write(array[:1_000].copy())  # warm
    big, figures = _measured(lambda: adapter.write(array))
    (folder / "references.json").write_text(json.dumps([small, big]))
    return figures


def read(adapter: ModuleType, folder: Path, mb: int) -> dict[str, float]:
    small, big = json.loads((folder / "references.json").read_text())
    adapter.read(small)  # warm
    array, figures = _measured(lambda: adapter.read(big))
    last = mb * MB // 8 - 1
    if array.shape != (last + 1,) or array[last] != last:
        raise ValueError("what was read is not what was written")
    return figures


def mapped(adapter: ModuleType, folder: Path, n: int) -> dict[str, float]:
    adapter.map_tasks(1_000)  # warm
    held: list[float] = []

    def held_now() -> None:
        held.append(_status("VmRSS"))

    gc.collect()
    before = _status("VmRSS")
    adapter.map_tasks(n, held_now)
    return {"each": (held[0] - before) / n / 1024}


MEASURES = {
    "array-write": (write, "write"),
    "array-read": (read, "read"),
    "map-memory": (mapped, "map_tasks"),
}


def _measured(work: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """What work gives, its seconds, and the MB that it took at its peak beyond those before."""
    gc.collect()
    told = Path("/proc/self/clear_refs").exists()
    if told:
        Path("/proc/self/clear_refs").write_text("5")  # forget the peak until now
        before = _status("VmRSS")
    start = time.perf_counter()
    result = work()
    figures = {"each": time.perf_counter() - start}
    if told:
        figures["memory"] = (_status("VmHWM") - before) / MB
    return result, figures


def _status(field: str) -> float:
    """Bytes, from the kernel's account of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return float(line.split()[1]) * 1024
    raise LookupError(f"the kernel says nothing of {field}")


if __name__ == "__main__":
    main(*sys.argv[1:])
