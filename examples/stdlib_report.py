"""Measure Python's standard library with upshot: a task for each file, then a report on all.

    python examples/stdlib_report.py

The first run parses every file; the second takes each file's measures from the cache, calls no
function for them, and gives the same report. A file that cannot be parsed is a failed task: the
report lists it, the flow goes on.
"""

import argparse
import json
import os
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from io import TextIOWrapper
from pathlib import Path
from platform import python_version
from time import perf_counter
from typing import Any

from stdlib.console import make_console, print_report, progress_bar
from stdlib.graph import ImportGraph, build_graph
from stdlib.measure import FileMeasures, content_digest, measure_source
from stdlib.page import render_page
from stdlib.report import Corpus, Failure, Report, build_report
from stdlib.times import RunRecord, Stopwatch, Times
from upshot import flow, task
from upshot.settings import get_current_settings

# Counted up when a measure changes its meaning. The interpreter is in it, for its parser decides.
CACHE_PREFIX = f"stdlib-report/1/{sys.implementation.cache_tag}"
OUTSIDE = {"site-packages", "dist-packages", "__pycache__"}

# How long each call of `measure` took, noted by the function itself: what stands here was called.
CALLS: list[float] = []


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
def measure(root: Path, name: str) -> FileMeasures:
    """Read, parse and measure one file."""
    began = perf_counter()
    try:
        return measure_source(name, (root / name).read_bytes())
    finally:
        CALLS.append(perf_counter() - began)


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
    root: Path, limit: int | None = None, fresh: bool = False
) -> tuple[Report, Times]:
    """Measure the first `limit` Python files below `root`; `fresh` overwrites the cache."""
    stopwatch = Stopwatch(calls_before=len(CALLS))
    corpus = measure_all(root, list(python_files(root))[:limit], fresh, stopwatch)
    graph = refreshed(import_graph, fresh)(corpus)
    report = refreshed(write_report, fresh)(corpus, graph)
    record = stopwatch.record(CALLS)
    state = refreshed(first_run, fresh)(corpus, record, return_state=True)
    earlier = state.result() if state.name == "Cached" else None
    return report, stopwatch.times(
        record, CALLS, earlier, get_current_settings().local_storage_path
    )


def measure_all(root: Path, names: Sequence[str], fresh: bool, stopwatch: Stopwatch) -> Corpus:
    """One task for each file; those that fail are listed beside those that do not."""
    measures: list[FileMeasures] = []
    failures: list[Failure] = []
    measuring = refreshed(measure, fresh)
    with progress_bar(make_console(), len(names)) as advance:
        for name in names:
            began = perf_counter()
            state = measuring(root, name, return_state=True)
            value = state.result(raise_on_failure=False)
            seconds = perf_counter() - began
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
    options = parser.parse_args(arguments)
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
    options = parse_arguments()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # names and messages may hold what it cannot encode
            stream.reconfigure(errors="backslashreplace")
    root, subject = options.root, str(options.root)
    if root is None:
        root, subject = standard_library(), f"The standard library of Python {python_version()}"
    report, times = stdlib_report(root.resolve(), options.limit, options.fresh)
    print_report(make_console(), report, times)
    write_files(subject, report, times, options.html, options.json)


if __name__ == "__main__":
    main()
