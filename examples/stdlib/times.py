"""What differs from run to run: durations, calls, and where the results lie."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, median
from time import perf_counter, thread_time
from typing import NamedTuple, TypeVar

T = TypeVar("T")


class Call(NamedTuple):
    """How long a call took, and for how long a processor worked at it."""

    seconds: float
    processor_seconds: float


@dataclass(frozen=True, slots=True)
class CallLog:
    """A file in which the measuring function notes its calls, in whatever process it is called."""

    path: Path

    @contextmanager
    def call(self) -> Iterator[None]:
        """Note one call, however it ends."""
        began, worked = perf_counter(), thread_time()
        try:
            yield
        finally:
            line = f"{perf_counter() - began} {thread_time() - worked}\n"
            # one write to the end of the file, which calls in other processes do not tear apart
            file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            os.write(file, line.encode())
            os.close(file)

    def read(self) -> list[Call]:
        """All calls up to now."""
        if not self.path.exists():
            return []
        lines = (line.split() for line in self.path.read_text().splitlines())
        return [Call(float(seconds), float(worked)) for seconds, worked in lines]


@dataclass(frozen=True, slots=True)
class Spread:
    """Durations of calls in microseconds."""

    calls: int
    median_us: float
    mean_us: float

    @classmethod
    def of(cls, seconds: list[float]) -> "Spread":
        """The spread of these durations; zeros where there are none."""
        if not seconds:
            return NO_CALLS
        return cls(len(seconds), round(median(seconds) * 1e6, 1), round(fmean(seconds) * 1e6, 1))


NO_CALLS = Spread(0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What a run tells the runs after it."""

    seconds: float
    executed: int
    hits: int
    measuring: Spread


@dataclass(frozen=True, slots=True)
class Storage:
    """Where results lie, how many and how large; the last is of this run's measures alone."""

    folder: str
    blobs: int
    bytes: int
    bytes_of_measures: int


@dataclass(frozen=True, slots=True)
class Gain:
    """What it gained to measure files beside each other.

    `seconds` is how long measuring all files took, `alone` what its calls need one after the
    other: the time for which a processor worked at them, for where several calls want one
    processor, each of them takes longer.
    """

    runner: str
    workers: int
    calls: int
    seconds: float
    alone: float

    def __str__(self) -> str:
        where = f"{self.workers} {self.runner} measured {self.calls:,} files"
        took = f"{where} in {self.seconds:.2f} s; their calls alone take {self.alone:.2f} s"
        times = self.alone / self.seconds
        return f"{took} one after the other, {times:.1f} times as long" if times >= 1 else took


@dataclass(frozen=True, slots=True)
class Times:
    """One run in figures.

    `executed` counts the calls of the measuring function that gave a value, `tried_again` those
    that failed and had failed before, for a failure is never cached. `measuring`, `hitting` and
    `failing` are durations from the caller's side, so what the library adds is in them; `inside`
    are those of the measuring function alone. With several workers, what the caller sees of a file
    is the time since the one before it.
    """

    seconds: float
    executed: int
    hits: int
    failed: int
    tried_again: int
    measuring: Spread
    hitting: Spread
    failing: Spread
    inside: Spread
    earlier: RunRecord | None
    speedup: float | None
    storage: Storage
    gain: Gain | None = None

    @property
    def spreads(self) -> dict[str, Spread]:
        """The durations by kind of call, only those that there were; the first run's to compare."""
        spreads = {
            "a file measured": self.measuring,
            "a file measured, first run": self.earlier.measuring if self.earlier else NO_CALLS,
            "a hit": self.hitting,
            "a failure": self.failing,
            "the function alone": self.inside if self.executed else NO_CALLS,
        }
        return {what: spread for what, spread in spreads.items() if spread.calls}

    @property
    def comparison(self) -> str:
        """How this run compares with the first over the same files; empty where it is the first."""
        if self.earlier is None or self.speedup is None:
            return ""
        figures = f"{self.earlier.seconds:.2f} s, {self.earlier.executed:,} measured"
        first = f"the first run over these files ({figures})"
        return (
            f", {self.speedup:.1f} times as fast as {first}"
            if self.speedup >= 1
            else f", slower than {first}"
        )


@dataclass
class Stopwatch:
    """Gathers one run's durations from the caller's side.

    `calls` in its methods are those that the measuring function has noted itself.
    """

    began: float = field(default_factory=perf_counter)
    measured: list[float] = field(default_factory=list)
    hits: list[float] = field(default_factory=list)
    failed: list[float] = field(default_factory=list)
    bytes: int = 0
    seconds: float = 0.0

    def timed(self, items: Iterable[T]) -> Iterator[tuple[float, T]]:
        """Each item with the seconds that it let wait for itself."""
        began = perf_counter()
        for item in items:
            seconds = perf_counter() - began
            self.seconds += seconds
            yield seconds, item
            began = perf_counter()

    def completed(self, seconds: float, size: int, *, hit: bool) -> None:
        """Note a task that gave a value of `size` stored bytes."""
        (self.hits if hit else self.measured).append(seconds)
        self.bytes += size

    def gain(self, calls: list[Call], runner: str, workers: int) -> Gain | None:
        """What several workers gained; nothing where there was one, or next to nothing to do."""
        if workers == 1 or len(calls) == len(self.failed):
            return None
        alone = sum(call.processor_seconds for call in calls)
        return Gain(runner, workers, len(calls), round(self.seconds, 6), round(alone, 6))

    def record(self, calls: list[Call]) -> RunRecord:
        """The run up to now; `executed` is counted from the function's own notes."""
        executed = len(calls) - len(self.failed)
        seconds = round(perf_counter() - self.began, 6)
        return RunRecord(seconds, executed, len(self.hits), Spread.of(self.measured))

    def times(
        self,
        record: RunRecord,
        calls: list[Call],
        earlier: RunRecord | None,
        folder: Path,
        gain: Gain | None,
    ) -> Times:
        """The whole account of a run whose `record` was taken at its end."""
        return Times(
            seconds=record.seconds,
            executed=record.executed,
            hits=record.hits,
            failed=len(self.failed),
            tried_again=len(self.failed) if earlier else 0,
            measuring=record.measuring,
            hitting=Spread.of(self.hits),
            failing=Spread.of(self.failed),
            inside=Spread.of([call.seconds for call in calls]),
            earlier=earlier,
            speedup=round(earlier.seconds / record.seconds, 2) if earlier else None,
            storage=measure_folder(folder, self.bytes),
            gain=gain,
        )


def measure_folder(folder: Path, bytes_of_measures: int) -> Storage:
    """How many files lie in a folder and how large they are together."""
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return Storage(str(folder), len(sizes), sum(sizes), bytes_of_measures)
