"""What the measures of many files come to: totals, rankings, cycles and failures."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b

from .graph import ImportGraph
from .measure import FileMeasures

TOP = 10
BANDS = ((1, 1), (2, 5), (6, 10), (11, 20), (21, 50), (51, None))


@dataclass(frozen=True, slots=True, order=True)
class Failure:
    """A file that could not be measured, and why."""

    file: str
    error: str
    message: str

    @classmethod
    def of(cls, file: str, error: BaseException) -> "Failure":
        """The failure of `file` by `error`, as text that every later run gives again."""
        return cls(file, type(error).__name__, str(error))


@dataclass(frozen=True)
class Corpus:
    """All that is known of a set of files: measures, and the failures of those without any."""

    files: tuple[FileMeasures, ...]
    failures: tuple[Failure, ...]

    @cached_property
    def digest(self) -> str:
        """Equal for equal names, contents and failures: BLAKE2b of 128 bits."""
        facts = [file.digest for file in self.files] + [repr(failure) for failure in self.failures]
        return blake2b(
            "\n".join(facts).encode(errors="surrogateescape"), digest_size=16
        ).hexdigest()


@dataclass(frozen=True, slots=True)
class RankedFunction:
    """A function with its place in the sources."""

    function: str
    file: str
    line: int
    lines: int
    complexity: int


@dataclass(frozen=True, slots=True)
class Count:
    """How many of something a name has."""

    name: str
    number: int


@dataclass(frozen=True)
class Report:
    """What does not change from run to run: no times, no paths, all in a fixed order."""

    totals: dict[str, int]
    most_complex: tuple[RankedFunction, ...]
    longest: tuple[RankedFunction, ...]
    complexity_bands: tuple[Count, ...]
    largest_packages: tuple[Count, ...]
    most_imported: tuple[Count, ...]
    cycles: tuple[tuple[str, ...], ...]
    failed: tuple[Failure, ...]


def build_report(corpus: Corpus, graph: ImportGraph) -> Report:
    """The report on a corpus and its import graph; the order of the files does not matter."""
    functions = sorted(
        _functions(corpus.files), key=lambda each: (each.file, each.line, each.function)
    )
    lines_of = Counter[str]()
    for file in corpus.files:
        lines_of[_package(file.name)] += file.lines
    return Report(
        totals=_totals(corpus, graph, functions),
        most_complex=tuple(sorted(functions, key=lambda each: -each.complexity)[:TOP]),
        longest=tuple(sorted(functions, key=lambda each: -each.lines)[:TOP]),
        complexity_bands=_bands(functions),
        largest_packages=_largest(lines_of),
        most_imported=_largest(graph.importers()),
        cycles=graph.components,
        failed=tuple(sorted(corpus.failures)),
    )


def _totals(corpus: Corpus, graph: ImportGraph, functions: list[RankedFunction]) -> dict[str, int]:
    return {
        "files": len(corpus.files) + len(corpus.failures),
        "measured": len(corpus.files),
        "failed": len(corpus.failures),
        "lines": sum(file.lines for file in corpus.files),
        "functions": len(functions),
        "classes": sum(file.classes for file in corpus.files),
        "import edges": graph.size,
        "cycles": len(graph.components),
        "modules in cycles": sum(map(len, graph.components)),
    }


def _functions(files: Iterable[FileMeasures]) -> Iterable[RankedFunction]:
    for file in files:
        for name, line, lines, complexity in file.functions:
            yield RankedFunction(name, file.name, line, lines, complexity)


def _package(name: str) -> str:
    """The top-level package or module of a file: "os" for "os.py"."""
    return name.partition("/")[0].removesuffix(".py")


def _bands(functions: list[RankedFunction]) -> tuple[Count, ...]:
    """How many functions fall into each band of complexity."""
    counts = Counter(each.complexity for each in functions)
    return tuple(
        Count(
            _band_name(first, last),
            sum(n for c, n in counts.items() if c >= first and (last is None or c <= last)),
        )
        for first, last in BANDS
    )


def _band_name(first: int, last: int | None) -> str:
    if last is None:
        return f"over {first - 1}"
    return str(first) if first == last else f"{first} to {last}"


def _largest(counts: Mapping[str, int]) -> tuple[Count, ...]:
    """The largest few of these counts, by name where they are equal, without zeros."""
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return tuple(Count(name, count) for name, count in ranked[:TOP] if count)
