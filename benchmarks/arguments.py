"""What arguments cost a call: python -m benchmarks.arguments

CPU time of the thread, the best of several; a call's beyond what a call with a number takes.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy

from benchmarks.tables import number, table
from upshot import flow, task
from upshot._arguments.upstreams import find
from upshot.settings import UPSHOT_HOME, temporary_settings
from upshot.states import Completed

N = 100_000
ROUNDS = 7
MB = 2**20

# an argument, and how many elements it has, collections counted too
COLLECTIONS: dict[str, Callable[[], tuple[Any, int]]] = {
    "list of numbers": lambda: ([*range(N)], N),
    "tuple of texts": lambda: (tuple(map(str, range(N))), N),
    "list of decimals, times and numbers": lambda: (
        [x for i in range(N // 3) for x in (i, Decimal(i), datetime.now(UTC))],
        N,
    ),
    "list of objects": lambda: ([Path(str(i)) for i in range(N)], N),
    "dict": lambda: ({str(i): i for i in range(N)}, 2 * N),
    "list of lists of three": lambda: ([[i, i, i] for i in range(N // 4)], N),
    "list of lists of one": lambda: ([[i] for i in range(N // 2)], N),
    "list of empty lists": lambda: ([[] for _ in range(N)], N),
    "list of empty dicts": lambda: ([{} for _ in range(N)], N),
    "records as JSON has them": lambda: (
        [{"id": i, "tags": ["a", "b"], "at": {"x": 1.0, "y": 2.0}} for i in range(N // 14)],
        N,
    ),
    "list of numbers and one state": lambda: ([Completed(data=1), *range(N)], N),
    "list of lists of three and one state": lambda: (
        [Completed(data=1), *([i, i, i] for i in range(N // 4))],
        N,
    ),
    "list of lists of three, a state in the last": lambda: (
        [*([i, i, i] for i in range(N // 4)), [Completed(data=1)]],
        N,
    ),
}
LEAVES: dict[str, Callable[[], Any]] = {
    "number": lambda: 1,
    "array of 512 MB": lambda: numpy.zeros(512 * MB // 8),
    "bytes, 512 MB": lambda: bytes(512 * MB),
    "text, 100 MB": lambda: "x" * (100 * MB),
    "range": lambda: range(10**12),
}


@task
def plain(x: Any) -> None:
    """Does nothing."""


@flow(validate_parameters=False)
def seconds_of_a_call(value: Any, rounds: int) -> float:
    """The CPU seconds of a call with this argument."""
    return best(lambda: plain(value), rounds)


def best(work: Callable[[], object], rounds: int) -> float:
    """The fewest CPU seconds that it takes."""
    found = []
    for _ in range(rounds):
        start = time.thread_time()
        work()
        found.append(time.thread_time() - start)
    return min(found)


def main() -> None:
    """Print the tables."""
    lines = []
    seconds_of_a_call(1, 1_000)
    of_number = seconds_of_a_call(1, 1_000)
    for title, make in COLLECTIONS.items():
        value, n = make()
        looked = best(partial(find, value, []), ROUNDS) / n
        called = (seconds_of_a_call(value, ROUNDS) - of_number) / n
        lines.append([title, number(looked * 1e9), number(called * 1e9)])
    print(f"Python {sys.version.split()[0]}\n")
    print(table(["ns an element", "finding futures", "a whole call"], lines), end="\n\n")
    calls = {title: seconds_of_a_call(make(), 1_000) * 1e6 for title, make in LEAVES.items()}
    print(table(["", "a call, µs"], [[title, number(µs)] for title, µs in calls.items()]))


if __name__ == "__main__":
    with TemporaryDirectory() as home, temporary_settings({UPSHOT_HOME: home}):
        main()
