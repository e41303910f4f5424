"""How long large values take to be written and read, and in how much memory, beside a raw pickle.

    python -m benchmarks.large [--mb 512] [--rounds 3] [--folder FOLDER] [--kinds array,bytes]

Each value is written and read in new processes, a raw pickle and upshot's serializers in turn; a
figure is the median of the rounds, and of the ratios within each. The second ratio is that of the
processors' time, which other programs disturb less. Memory is the kernel's account (`VmHWM`): what
the work took at its worst beyond what was there before, so reading takes the value and what comes
on top of it.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import pickle
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import fresh
from benchmarks.fresh import MB
from benchmarks.tables import number, table

RAW = "raw pickle"
WAYS = {
    RAW: "",
    "pickle": "pickle",
    "framed/pickle": "framed/pickle",
    "framed/pickle, mapped": "framed/pickle",
    "compressed, zlib": "zlib",
    "compressed, zstd": "zstd",
    "compressed, lz4": "lz4",
}
USUAL = [way for way in WAYS if not way.startswith("compressed")]


def array(mb: int) -> Any:
    numpy = importlib.import_module("numpy")
    return numpy.arange(mb * MB // 8, dtype=numpy.float64)


def frame(mb: int) -> Any:
    """A DataFrame of two blocks, each contiguous."""
    half = array(mb // 2)
    pandas = importlib.import_module("pandas")
    return pandas.DataFrame({"a": half, "b": half.astype("int64")}, copy=False)


def arrow(mb: int) -> Any:
    """A DataFrame of Arrow's blocks."""
    pyarrow, pandas = importlib.import_module("pyarrow"), importlib.import_module("pandas")
    columns = {name: pyarrow.array(array(mb // 2)) for name in "ab"}
    made = {name: pandas.arrays.ArrowExtensionArray(column) for name, column in columns.items()}
    return pandas.DataFrame(made, copy=False)


def some_bytes(mb: int) -> bytes:
    return bytes(array(mb).data)


KINDS: dict[str, Callable[[int], Any]] = {
    "array": array,
    "bytes": some_bytes,
    "frame": frame,
    "arrow": arrow,
}


def _measured(work: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    before = time.process_time()
    result, figures = fresh._measured(work)
    return result, {**figures, "processors": time.process_time() - before}


def write(way: str, value: Any, small: Any, folder: Path) -> dict[str, float]:
    keep = _raw_write if way == RAW else _task(way)
    warm = keep(small, folder / "small")
    place, figures = _measured(lambda: keep(value, folder / "large"))
    (folder / "places.json").write_text(json.dumps([warm, place]))
    return figures


def read(way: str, folder: Path) -> dict[str, float]:
    def take(place: str) -> Any:
        if way == RAW:
            return _raw_read(place)
        reference = documents.PersistedResult.model_validate_json(place)
        return reference.fetch(mmap=way.endswith("mapped"))

    documents = importlib.import_module("upshot.documents")
    warm, place = json.loads((folder / "places.json").read_text())
    take(warm)
    return _measured(lambda: take(place))[1]


class InPieces:
    """Writes a MB at a time: of 512 at once, the kernel may first tidy its memory, for a second."""

    def __init__(self, file: Any) -> None:
        self.file = file

    def write(self, data: Any) -> None:
        view = memoryview(data).cast("B")
        for start in range(0, len(view), MB):
            self.file.write(view[start : start + MB])


def _raw_write(value: Any, path: Path) -> str:
    with open(path, "wb") as file:
        pickle.dump(value, InPieces(file), protocol=5)
    return str(path)


def _raw_read(path: str) -> Any:
    with open(path, "rb") as file:
        return pickle.load(file)


def _task(way: str) -> Callable[[Any, Path], str]:
    upshot = importlib.import_module("upshot")
    serializer: Any = WAYS[way]
    if way.startswith("compressed"):
        serializers = importlib.import_module("upshot.serializers")
        serializer = serializers.CompressedSerializer(
            serializer="pickle", compressionlib=serializer
        )

    @upshot.task(persist_result=True, result_serializer=serializer)
    def keep(value: Any) -> Any:
        return value

    def write(value: Any, path: Path) -> str:
        reference: str = keep(value, return_state=True).data.model_dump_json()
        return reference

    return write


def child(step: str, kind: str, way: str, folder: Path, mb: int) -> None:
    if step == "write":
        figures = write(way, KINDS[kind](mb), KINDS[kind](2), folder)
    else:
        figures = read(way, folder)
    print(json.dumps(figures))


def measure(kind: str, way: str, mb: int, above: str | None) -> dict[str, float]:
    folder = Path(tempfile.mkdtemp(prefix="large-", dir=above))
    found = {}
    try:
        for step in ("write", "read"):
            os.sync()
            options = {"child": step, "kinds": kind, "ways": way, "mb": mb, "folder": folder}
            words = [f"--{name}={value}" for name, value in options.items()]
            printed = subprocess.run(
                [sys.executable, "-m", "benchmarks.large", *words],
                env={**os.environ, "UPSHOT_HOME": str(folder / "home")},
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            figures = json.loads(printed.splitlines()[-1])
            found[step] = figures["each"]
            found[f"{step} processors"] = figures["processors"]
            found[f"{step} memory"] = figures.get("memory", float("nan"))
    finally:
        shutil.rmtree(folder)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--mb", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", help="where files are written; else the system's own")
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--ways", default="; ".join(USUAL), help="separated by semicolons")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        child(given.child, given.kinds, given.ways, Path(given.folder), given.mb)
        return
    ways = [way.strip() for way in given.ways.split(";")]
    for kind in given.kinds.split(","):
        report(kind, list(dict.fromkeys([RAW, *ways])), given)


def report(kind: str, ways: list[str], given: argparse.Namespace) -> None:
    rounds: list[dict[str, dict[str, float]]] = []
    for _ in range(given.rounds):
        rounds.append({way: measure(kind, way, given.mb, given.folder) for way in ways})
    lines = []
    for way in ways:
        cells = []
        for step in ("write", "read"):
            ratios = [
                statistics.median(made[way][figure] / made[RAW][figure] for made in rounds)
                for figure in (step, f"{step} processors")
            ]
            seconds = statistics.median(made[way][step] for made in rounds)
            memory = statistics.median(made[way][f"{step} memory"] for made in rounds)
            cells += [number(seconds), *(f"{number(ratio)} ×" for ratio in ratios), number(memory)]
        lines.append([way, *cells])
    head = ["write, s", "", "", "extra MB", "read, s", "", "", "MB with the value"]
    print(f"\n{kind} of {given.mb} MB\n\n{table(['', *head], lines)}", flush=True)


if __name__ == "__main__":
    main()
