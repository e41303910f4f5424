"""How long `upshot runs ls` takes to find its runs in a store with 1,000,000 flow runs.

    python benchmarks/listing.py [--runs 1000000] [--rounds 7] [--home FOLDER] [--tags own]

A home that is named is kept, and used as it is the next time. Eight flows share the runs in unequal
parts, one of them with a single run in the middle; one run in a thousand failed, two still run.
With `--tags own`, each run has a tag that no other has, which is the worst case for `--tag`.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

from upshot.records import FlowRun, StateType, new_id
from upshot.runstore import RunFilter, RunStore
from upshot.runstore.sqlite import SQLiteRunStore

FLOWS = [*(["nightly"] * 90), *(["hourly"] * 5), "report", "clean", "train", "import", "export"]
TAGS = [*([("eu", "nightly")] * 60), *([("nightly", "us")] * 38), ("manual",), ()]
SECONDS_BETWEEN = 3.0  # 1,000,000 runs are about a month


def flow_runs(number: int, now: float, own_tags: bool = False) -> Iterator[FlowRun]:
    """The runs of a store, the oldest first."""
    for index in range(number):
        at = now - (number - index) * SECONDS_BETWEEN
        uid = int(at * 1000).to_bytes(6, "big") + new_id()[6:]
        flow = FLOWS[index * 7 % len(FLOWS)] if index != number // 2 else "once"
        run = FlowRun(name=f"{flow}-{uid.hex()[-6:]}", flow_name=flow, uid=uid, owner="host:42")
        run.tags = TAGS[index * 11 % len(TAGS)] if index != number // 2 else ("eu", "once")
        if own_tags:
            run.tags = (*run.tags, f"run-{index}")
        run.parameters = '{"day": "2026-11-20"}'
        run.enter(StateType.PENDING, "Pending", at)
        run.enter(StateType.RUNNING, "Running", at + 0.001)
        if index % (number // 2 + 1) != number // 4:
            end = StateType.FAILED if index % 1000 == 7 else StateType.COMPLETED
            run.enter(end, end.value.capitalize(), at + 1.5)
        yield run


def batched(runs: Iterator[FlowRun], size: int) -> Iterator[list[FlowRun]]:
    """The runs in lists; `itertools.batched` is not in Python 3.11."""
    while batch := list(itertools.islice(runs, size)):
        yield batch


def fill(store: RunStore, number: int, own_tags: bool = False) -> None:
    """Record that many runs."""
    begin = time.perf_counter()
    for chunk in batched(flow_runs(number, time.time(), own_tags), 5_000):
        for run in chunk:
            store.record(run)
        store.flush()
    print(f"wrote {number:,} runs in {time.perf_counter() - begin:.0f} s", file=sys.stderr)


def filters(now: float, middle: UUID | None) -> dict[str, RunFilter]:
    """What is asked for, by how a user would say it."""
    failed, hour = StateType.FAILED, now - 3600
    return {
        "runs ls": RunFilter(),
        "--before (half of them)": RunFilter(before=middle),
        "--flow nightly": RunFilter(flow_name="nightly"),
        "--flow nightly --before (half)": RunFilter(flow_name="nightly", before=middle),
        "--flow once": RunFilter(flow_name="once"),
        "--flow nothing": RunFilter(flow_name="nothing"),
        "--state completed": RunFilter(state_type=StateType.COMPLETED),
        "--state running": RunFilter(state_type=StateType.RUNNING),
        "--state cancelled": RunFilter(state_type=StateType.CANCELLED),
        "--since 1h": RunFilter(since=hour),
        "--since 30d": RunFilter(since=now - 30 * 86400),
        "--tag nightly": RunFilter(tags=("nightly",)),
        "--tag nightly --tag us": RunFilter(tags=("nightly", "us")),
        "--tag once": RunFilter(tags=("once",)),
        "--tag nothing": RunFilter(tags=("nothing",)),
        "--tag nightly --before (half)": RunFilter(tags=("nightly",), before=middle),
        "--tag nightly --state cancelled": RunFilter(
            tags=("nightly",), state_type=StateType.CANCELLED
        ),
        "--tag us --flow report --since 1h": RunFilter(
            tags=("us",), flow_name="report", since=hour
        ),
        "--flow nightly --state failed": RunFilter(flow_name="nightly", state_type=failed),
        "--flow once --state failed": RunFilter(flow_name="once", state_type=failed),
        "--flow hourly --since 1h": RunFilter(flow_name="hourly", since=hour),
        "--state failed --since 1h": RunFilter(state_type=failed, since=hour),
        "--flow train --state failed --since 30d": RunFilter(
            flow_name="train", state_type=failed, since=now - 30 * 86400
        ),
    }


def milliseconds(work: Callable[[], Any], rounds: int) -> list[float]:
    """How long each of several rounds took."""
    taken = []
    for _ in range(rounds):
        begin = time.perf_counter()
        work()
        taken.append((time.perf_counter() - begin) * 1000)
    return taken


def measure(path: Path, rounds: int) -> dict[str, dict[str, float]]:
    """Each filter, by a store that was just opened and by one that is open, in milliseconds."""
    table = {}
    with SQLiteRunStore(path) as store:
        once = store.list_flow_runs(RunFilter(flow_name="once"), 1).runs
    for name, filter in filters(time.time(), once[0].id if once else None).items():
        with SQLiteRunStore(path) as store:
            listing = partial(store.list_flow_runs, filter, 50)
            (first,) = milliseconds(listing, 1)
            found = len(listing().runs)
            taken = milliseconds(listing, rounds)
        table[name] = {
            "runs": found,
            "opening": first,
            "median": statistics.median(taken),
            "slowest": max(taken),
        }
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--tags", choices=["shared", "own"], default="shared")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = (given.home or Path(folder)) / "runs.db"
        if not path.exists():
            with SQLiteRunStore(path) as store:
                fill(store, given.runs, given.tags == "own")
        table = measure(path, given.rounds)
        size = path.stat().st_size / 2**20
    if given.json:
        print(json.dumps({"runs": given.runs, "megabytes": size, "milliseconds": table}))
        return
    print(f"{given.runs:,} flow runs, {size:,.0f} MB; milliseconds, median of {given.rounds}\n")
    columns = list(next(iter(table.values())))
    print("  ".join([" " * 40, *columns]))
    for name, row in table.items():
        cells = [
            f"{row[c]:>{len(c)}.0f}" if c == "runs" else f"{row[c]:>{len(c)}.2f}" for c in columns
        ]
        print("  ".join([f"{name:<40}", *cells]))


if __name__ == "__main__":
    main()
