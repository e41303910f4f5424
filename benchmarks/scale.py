"""What calls cost in a store with 1,000,000 runs, and how `upshot runs show` writes 100,000.

    python -m benchmarks.scale [--runs 1000000] [--tasks 100000] [--rounds 9] [--calls 500]

The full store is filled through its own writer with copies of runs that were recorded: task runs
that completed, each with a cache entry, a thousand in each flow run. Then each kind of call is made
in the full and in a fresh store in turn; a figure is the median of the rounds, a ratio that of the
ratios within each. A call's share of its flow's beginning and end is in it.

The command line runs in a process of its own, whose output is read as it comes; its memory is the
kernel's account (`VmHWM`).
"""

from __future__ import annotations

import argparse
import gc
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

from benchmarks.fresh import MB
from benchmarks.tables import number, table
from benchmarks.work import value
from upshot import flow, task
from upshot.records import CacheEntry, new_id
from upshot.runstore import open_store
from upshot.runstore.current import close_stores
from upshot.settings import UPSHOT_HOME, temporary_settings

IN_A_FLOW = 1_000
AT_ONCE = 5_000

plain = task(value, name="plain")
persisted = task(value, name="persisted", persist_result=True)
hit = task(value, name="hit", cache_key_fn=lambda context, parameters: "one")
missed = task(value, name="missed", cache_key_fn=lambda context, parameters: uuid4().hex)
TASKS = {"plain": plain, "persisted": persisted, "hit": hit, "missed": missed}


@flow
def calling(kind: str, calls: int) -> bool:
    called = TASKS[kind]
    for x in range(calls):
        called(x)
    return True


@flow
def empty() -> bool:
    return True


def flows(calls: int) -> None:
    for _ in range(calls):
        empty()


# by title: what makes so many calls
KINDS: dict[str, Callable[[int], object]] = {
    "plain call": lambda calls: calling("plain", calls),
    "persisted call": lambda calls: calling("persisted", calls),
    "cache hit": lambda calls: calling("hit", calls),
    "call with a new cache key": lambda calls: calling("missed", calls),
    "flow that calls nothing": lambda calls: flows(max(1, calls // 10)),
}


def fill(runs: int) -> None:
    """Record as many task runs, with their flow runs, in the home that is in force."""
    store = open_store()
    calling("hit", 1)
    of_flow = store.flow_runs(1)[0]
    of_task = store.task_runs(of_flow.id)[0]
    document = of_task.result or ""
    around = of_flow
    for index in range(runs):
        if index % IN_A_FLOW == 0:
            around = replace(of_flow, uid=new_id(), row=None)
            store.record(around)
        key = f"key {index}"
        run = replace(
            of_task,
            uid=new_id(),
            name=f"hit-{index % IN_A_FLOW}",
            call_index=index % IN_A_FLOW,
            flow_run=around,
            cache_key=key,
            row=None,
        )
        store.queue(run, CacheEntry(key=key, document=document, created=0, task_run=run.uid))
        if index % AT_ONCE == AT_ONCE - 1:
            store.flush()
    store.flush()


def seconds(home: Path, kind: str, calls: int) -> tuple[float, float]:
    """Of the processors and of the clock, for a call."""
    with temporary_settings({UPSHOT_HOME: home}):
        gc.collect()
        used, began = time.process_time(), time.perf_counter()
        KINDS[kind](calls)
        taken = time.process_time() - used, time.perf_counter() - began
    made = max(1, calls // 10) if kind.startswith("flow") else calls
    return taken[0] / made, taken[1] / made


def compare(homes: list[Path], rounds: int, calls: int) -> list[list[str]]:
    """A line for each kind of call, in the first of the homes and in the second."""
    for home in homes:
        for kind in KINDS:
            seconds(home, kind, min(calls, 50))  # warm
    lines = []
    for kind in KINDS:
        found: dict[Path, list[tuple[float, float]]] = {home: [] for home in homes}
        for turn in range(rounds):
            for home in homes if turn % 2 else reversed(homes):
                found[home].append(seconds(home, kind, calls))
        cells = []
        for figure in (0, 1):
            few, many = ([taken[figure] for taken in found[home]] for home in homes)
            ratios = [over / under for over, under in zip(many, few, strict=True)]
            cells += [number(statistics.median(each) * 1e6) for each in (few, many)]
            cells.append(f"{statistics.median(ratios):.2f} ×")
        lines.append([kind, *cells])
    return lines


class Shown:
    """What `upshot runs show` took for a flow run, whose output is read as it comes.

    Attributes:
        first: the seconds until its first line.
        whole: those until its end.
        lines: how many it wrote.
        memory: the most MB that it had, a hundred lines before the end at the latest.
    """

    def __init__(self, id: str, home: Path, *options: str) -> None:
        command = [sys.executable, "-m", "upshot.cli", "runs", "show", id, "--limit=0", *options]
        environment = {**os.environ, "UPSHOT_HOME": str(home)}
        self.first = self.memory = 0.0
        self.lines = 0
        began = time.perf_counter()
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            for _ in process.stdout:
                self.first = self.first or time.perf_counter() - began
                if self.lines % 100 == 0:
                    self.memory = max(self.memory, _peak(process.pid))
                self.lines += 1
        self.whole = time.perf_counter() - began
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, command)


def _peak(pid: int) -> float:
    """The most MB that a process had until now; 0 if no kernel tells, or if it has ended."""
    try:
        told = Path(f"/proc/{pid}/status").read_text("ascii")
    except OSError:
        return 0.0
    peaks = [line.split()[1] for line in told.splitlines() if line.startswith("VmHWM:")]
    return int(peaks[0]) * 1024 / MB if peaks else 0.0


def show(home: Path, sizes: list[int], rounds: int) -> list[list[str]]:
    """A line for each number of task runs in a flow run, as a tree and as JSON."""
    ids = {}
    with temporary_settings({UPSHOT_HOME: home}):
        for size in sizes:
            calling("plain", size)
            ids[size] = str(open_store().flow_runs(1)[0].id)
        close_stores(home)
    lines = []
    for options in ([], ["--json"]):
        for size in sizes:
            shown = [Shown(ids[size], home, *options) for _ in range(rounds)]
            medians = [
                statistics.median(getattr(one, figure) for one in shown)
                for figure in ("first", "whole", "memory")
            ]
            title = " ".join([f"{size:,} tasks", *options])
            lines.append([title, f"{shown[0].lines:,}", *map(number, medians)])
    return lines


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--tasks", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--calls", type=int, default=500)
    parser.add_argument("--folder", help="where the stores are made; else the system's own")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="scale-", dir=given.folder) as folder:
        fresh, full, shown = (Path(folder) / name for name in ("fresh", "full", "shown"))
        began = time.perf_counter()
        with temporary_settings({UPSHOT_HOME: full}):
            fill(given.runs)
        size = sum(file.stat().st_size for file in full.glob("runs.db*")) / MB
        filled = f"{given.runs:,} task runs, {size:,.0f} MB"
        print(f"{filled}, written in {time.perf_counter() - began:.0f} s\n", flush=True)
        head = ["CPU, fresh store", "full", "", "wall, fresh store", "full", ""]
        print(table(["µs", *head], compare([fresh, full], given.rounds, given.calls)), flush=True)
        close_stores()
        sizes = [max(1, given.tasks // 100), given.tasks]
        head = ["lines", "first line, s", "all, s", "peak MB"]
        print("\n" + table(["upshot runs show", *head], show(shown, sizes, min(given.rounds, 3))))


if __name__ == "__main__":
    main()
