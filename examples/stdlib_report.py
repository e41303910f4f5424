"""Measure Python's standard library with upshot: a task for each file, then a report on all.

    python examples/stdlib_report.py

The first run parses every file, in a worker process for each processor; the second takes each
file's measures from the cache, calls no function for them, and gives the same report. A file that
cannot be parsed is a failed task: the report lists it, the flow goes on. A run that was killed goes
on, started again, with what the cache holds.
"""

import argparse
import json
import os
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from io import TextIOWrapper
from pathlib import Path
from platform import python_version
from typing import Any

from stdlib.console import make_console, print_report, progress_bar
from stdlib.graph import ImportGraph, build_graph
from stdlib.measure import FileMeasures, content_digest, measure_source
from stdlib.page import render_page
from stdlib.report import Corpus, Failure, Report, build_report
from stdlib.times import CallLog, RunRecord, Stopwatch, Times
from upshot import flow, task
from upshot.settings import get_current_settings
from upshot.task_runners import (
    ConcurrentTaskRunner,
    ProcessPoolTaskRunner,
    SequentialTaskRunner,
    TaskRunner,
)

# Counted up when a measure changes its meaning. The interpreter is in it, for its parser decides.
CACHE_PREFIX = f"stdlib-report/1/{sys.implementation.cache_tag}"
OUTSIDE = {"site-packages", "dist-packages", "__pycache__"}
AHEAD = 4  # files for each worker that are given out before the result of the first is taken


@dataclass(frozen=True)
class Workers:
    """Who measures files."""

    kind: str
    count: int
    runner: TaskRunner

    @classmethod
    def of(cls, options: argparse.Namespace) -> "Workers":
        """Those that the options name: by default a process for each processor."""
        count: int = options.workers
        if options.sequential:
            return cls("worker", 1, SequentialTaskRunner())
        if options.threads:
            return cls("threads", count, ConcurrentTaskRunner(max_workers=count))
        return cls("processes", count, ProcessPoolTaskRunner(max_workers=count))


def file_key(context: Any, parameters: dict[str, Any]) -> str | None:
    """The cache key of one file's measures: its name and content; none if it cannot be read."""
    try:
        content = (parameters["root"] / parameters["name"]).read_bytes()
    except OSError:
        return None
    return f"{CACHE_PREFIX}/{context.task.name}/{content_digest(parameters['name'], content)}"


def corpus_key(context: Any, parameters: dict[str, Any]) -> str:
    """The cache key of what follows from a set of files."""
    return f"{CACHE_PREFIX}/{context.task.name}/{parameters['corpus'].digest}"


@task(name="measure", persist_result=True, cache_key_fn=file_key)
def measure(root: Path, name: str, log: CallLog) -> FileMeasures:
    """Read, parse and measure one file."""
    with log.call():
        return measure_source(name, (root / name).read_bytes())


@task(name="import-graph", persist_result=True, cache_key_fn=corpus_key)
def import_graph(corpus: Corpus) -> ImportGraph:
    """Which of these files imports which."""
    return build_graph(corpus.files)


@task(name="report", persist_result=True, cache_key_fn=corpus_key)
def write_report(corpus: Corpus, graph: ImportGraph) -> Report:
    """Totals, rankings, cycles, failures."""
    return build_report(corpus, graph)


@task(name="first-run", persist_result=True, cache_key_fn=corpus_key)
def first_run(corpus: Corpus, record: RunRecord) -> RunRecord:
    """The record of the first run over this corpus: the first stores its own, later ones hit it."""
    return record


@flow(name="stdlib-report")
def stdlib_report(
    root: Path, limit: int | None, fresh: bool, workers: Workers, log: CallLog
) -> tuple[Report, Times]:
    """Measure the first `limit` Python files below `root`; `fresh` overwrites the cache."""
    stopwatch = Stopwatch()
    names = list(python_files(root))[:limit]
    measuring = refreshed(measure, fresh)
    ahead = AHEAD * workers.count if workers.count > 1 else 1
    states = measuring.map(root, names, log, window=ahead, return_state=True)
    corpus = gather(names, states, stopwatch)
    graph = refreshed(import_graph, fresh)(corpus)
    report = refreshed(write_report, fresh)(corpus, graph)
    calls = log.read()
    record = stopwatch.record(calls)
    state = refreshed(first_run, fresh)(corpus, record, return_state=True)
    earlier = state.result() if state.name == "Cached" else None
    gain = stopwatch.gain(calls, workers.kind, workers.count)
    folder = get_current_settings().local_storage_path
    return report, stopwatch.times(record, calls, earlier, folder, gain)


def gather(names: Sequence[str], states: Iterator[Any], stopwatch: Stopwatch) -> Corpus:
    """The results of all files; those that failed are listed beside those that did not."""
    measures: list[FileMeasures] = []
    failures: list[Failure] = []
    results = ((state, state.result(raise_on_failure=False)) for state in states)
    with progress_bar(make_console(), len(names)) as advance:
        for name, (seconds, (state, value)) in zip(names, stopwatch.timed(results), strict=True):
            if state.is_completed():
                measures.append(value)
                stopwatch.completed(seconds, state.data.size, hit=state.name == "Cached")
            else:
                failures.append(Failure.of(name, value))
                stopwatch.failed.append(seconds)
            advance(name)
    return Corpus(tuple(measures), tuple(failures))


def refreshed(which: Any, fresh: bool) -> Any:
    """The task as it is, or one that ignores and overwrites what the cache has."""
    return which.with_options(refresh_cache=True) if fresh else which


def python_files(root: Path) -> Iterator[str]:
    """The Python files below `root`, sorted, without installed packages; with forward slashes."""
    for folder, subfolders, files in os.walk(root):
        subfolders[:] = sorted(set(subfolders) - OUTSIDE)
        for file in sorted(files):
            if file.endswith(".py"):
                yield (Path(folder) / file).relative_to(root).as_posix()


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options; ends the program with a message if they make no sense."""
    parser = argparse.ArgumentParser(description="Measure Python's standard library with upshot.")
    parser.add_argument(
        "--root", type=Path, help="another folder of Python files than the standard library"
    )
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N files")
    parser.add_argument(
        "--fresh", action="store_true", help="ignore what the cache has, and overwrite it"
    )
    parser.add_argument(
        "--html", type=Path, default=Path("stdlib-report.html"), metavar="PATH", help="the page"
    )
    parser.add_argument(
        "--json", type=Path, metavar="PATH", help="the report and the times as JSON, too"
    )
    runners = parser.add_mutually_exclusive_group()
    runners.add_argument("--threads", action="store_true", help="threads instead of processes")
    runners.add_argument("--sequential", action="store_true", help="one file after the other")
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, metavar="N", help="how many of them"
    )
    options = parser.parse_args(arguments)
    if options.workers < 1:
        parser.error("--workers takes a number from 1")
    if options.limit is not None and options.limit < 1:
        parser.error("--limit takes a number from 1")
    for path in filter(None, (options.html, options.json)):
        if not path.absolute().parent.is_dir():
            parser.error(f"there is no folder {path.absolute().parent} to write {path.name} in")
    if next(python_files(options.root or standard_library()), None) is None:
        parser.error(f"there is no Python file below {options.root}")
    return options


def standard_library() -> Path:
    """The folder of the running interpreter's standard library."""
    return Path(sysconfig.get_path("stdlib"))


def write_files(
    subject: str, report: Report, times: Times, html: Path, json_file: Path | None
) -> None:
    """Write the page and, if asked for, the JSON: the report, and all times under "times"."""
    page = render_page(subject, report, times)
    html.write_text(page, encoding="utf-8", errors="xmlcharrefreplace")
    print(f"Page:    {html.resolve()}")
    if json_file:
        document = {"subject": subject, **asdict(report), "times": asdict(times)}
        json_file.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        print(f"JSON:    {json_file.resolve()}")


def main() -> None:
    """Run the flow, print the report, write the page."""
    try:
        run(parse_arguments())
    except KeyboardInterrupt:
        print("Interrupted. What is measured is kept: started again, this goes on.")
        raise SystemExit(130) from None


def run(options: argparse.Namespace) -> None:
    """Do what the options say."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # names and messages may hold what it cannot encode
            stream.reconfigure(errors="backslashreplace")
    root, subject = options.root, str(options.root)
    if root is None:
        root, subject = standard_library(), f"The standard library of Python {python_version()}"
    workers = Workers.of(options)
    reporting = stdlib_report.with_options(task_runner=workers.runner)
    with tempfile.TemporaryDirectory() as folder:
        log = CallLog(Path(folder) / "calls")
        report, times = reporting(root.resolve(), options.limit, options.fresh, workers, log)
    print_report(make_console(), report, times)
    write_files(subject, report, times, options.html, options.json)


if __name__ == "__main__":
    main()
