"""What `get()` takes, beside reading and unpickling the same file.

    python -m benchmarks.reading [--results 1000] [--rounds 9]

A task keeps that many small dictionaries. Each is read through a reference of its own, as by a
process that did not make it. Beside that, the blob's file is read as a whole, and the pickle in it
decoded and loaded; and a file that is nothing but that pickle is loaded. Rounds of these take
turns; the ratios are medians of those within the rounds.
"""

from __future__ import annotations

import argparse
import pickle
import tempfile
import time
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import orjson

from benchmarks.tables import table
from benchmarks.work import value
from upshot import flow, task
from upshot.documents import PersistedResult
from upshot.settings import UPSHOT_HOME, temporary_settings

keep = task(value, persist_result=True)


@flow
def keeping(results: int) -> list[str]:
    """The references to so many results."""
    return [keep(x, return_state=True).data.model_dump_json() for x in range(results)]


def get(reference: PersistedResult[Any]) -> Any:
    """The value, as a program gets it."""
    return reference.get()


def same_file(path: Path) -> Any:
    """The value in a blob's file, with nothing checked."""
    with open(path, "rb") as file:
        return pickle.loads(b64decode(orjson.loads(file.read())["data"]))


def bare_pickle(path: Path) -> Any:
    """The value in a pickle's file."""
    with open(path, "rb") as file:
        return pickle.load(file)


def seconds(read: Callable[[Any], Any], sources: list[Any]) -> float:
    """How long reading one takes; each is what was kept."""
    start = time.perf_counter()
    values = [read(source) for source in sources]
    took = (time.perf_counter() - start) / len(sources)
    assert values == [value(x) for x in range(len(sources))]
    return took


def measure(results: int, rounds: int, folder: Path) -> list[list[float]]:
    """Seconds that `get`, `same_file` and `bare_pickle` took in each round."""
    texts = keeping(results)
    known = [PersistedResult.model_validate_json(text) for text in texts]
    blobs = [Path(str(one.uri).removeprefix("file://")) for one in known]
    pickles = [folder / f"{x}.pickle" for x in range(results)]
    for x, path in enumerate(pickles):
        path.write_bytes(pickle.dumps(value(x)))
    taken = []
    for _ in range(rounds + 1):
        fresh = [PersistedResult.model_validate_json(text) for text in texts]
        ways = ((get, fresh), (same_file, blobs), (bare_pickle, pickles))
        taken.append([seconds(read, sources) for read, sources in ways])
    return taken[1:]  # the first one is for getting warm


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--results", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=9)
    chosen = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        temporary_settings({UPSHOT_HOME: str(Path(folder, "home"))}),
    ):
        taken = measure(chosen.results, chosen.rounds, Path(folder))
    rows = []
    for name, column in (("get()", 0), ("the same file", 1), ("a pickle's file", 2)):
        micros = median(row[column] for row in taken) * 1e6
        ratio = median(row[0] / row[column] for row in taken)
        rows.append([name, f"{micros:.1f}", f"{ratio:.2f} ×"])
    print(table(["", "µs", "get() beside it"], rows))


if __name__ == "__main__":
    main()
