"""What differs from run to run: durations, calls, and where the results lie."""

from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, median
from time import perf_counter


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
class Times:
    """One run in figures.

    `executed` counts the calls of the measuring function that gave a value, `tried_again` those
    that failed and had failed before, for a failure is never cached. `measuring`, `hitting` and
    `failing` are durations from the caller's side, so what the library adds is in them; `inside`
    are those of the measuring function alone.
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

    `calls` in its methods is the list in which the measuring function notes its own; `calls_before`
    is how many an earlier run in this process has left there.
    """

    calls_before: int = 0
    began: float = field(default_factory=perf_counter)
    measured: list[float] = field(default_factory=list)
    hits: list[float] = field(default_factory=list)
    failed: list[float] = field(default_factory=list)
    bytes: int = 0

    def completed(self, seconds: float, size: int, *, hit: bool) -> None:
        """Note a task that gave a value of `size` stored bytes."""
        (self.hits if hit else self.measured).append(seconds)
        self.bytes += size

    def record(self, calls: list[float]) -> RunRecord:
        """The run up to now; `executed` is counted from the function's own notes."""
        executed = len(calls) - self.calls_before - len(self.failed)
        seconds = round(perf_counter() - self.began, 6)
        return RunRecord(seconds, executed, len(self.hits), Spread.of(self.measured))

    def times(
        self, record: RunRecord, calls: list[float], earlier: RunRecord | None, folder: Path
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
            inside=Spread.of(calls[self.calls_before :]),
            earlier=earlier,
            speedup=round(earlier.seconds / record.seconds, 2) if earlier else None,
            storage=measure_folder(folder, self.bytes),
        )


def measure_folder(folder: Path, bytes_of_measures: int) -> Storage:
    """How many files lie in a folder and how large they are together."""
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return Storage(str(folder), len(sizes), sum(sizes), bytes_of_measures)
