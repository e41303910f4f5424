"""The report on a terminal, or as plain lines where there is none."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from time import monotonic

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from .report import Report
from .times import Times

REFRESH_SECONDS = 0.1


def make_console() -> Console:
    """The console that all is printed on; it draws only where it is a terminal."""
    return Console(highlight=False)


@contextmanager
def progress_bar(console: Console, total: int) -> Iterator[Callable[[str], None]]:
    """Give a function to call with each file that is done; where no terminal is, it says tenths."""
    if not console.is_terminal:
        yield _plain_progress(console, total)
        return
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[name]}"),
    )
    with Progress(*columns, console=console, auto_refresh=False, transient=True) as progress:
        bar = progress.add_task("", total=total, name="")
        drawn = monotonic()

        def advance(name: str) -> None:
            nonlocal drawn
            progress.update(bar, advance=1, name=Text(name).markup)
            if (
                monotonic() - drawn > REFRESH_SECONDS
            ):  # drawn by hand: no thread beside the calls that are timed
                progress.refresh()
                drawn = monotonic()

        yield advance


def _plain_progress(console: Console, total: int) -> Callable[[str], None]:
    done = 0

    def advance(name: str) -> None:
        nonlocal done
        done += 1
        if done * 10 // total > (done - 1) * 10 // total:
            print(f"{done:,} of {total:,} files", file=console.file, flush=True)

    return advance


def print_report(console: Console, report: Report, times: Times) -> None:
    """Totals, the most complex functions, what failed, and how this run went."""
    _print_totals(console, report)
    _print_functions(console, report)
    _print_failures(console, report)
    _print_storage(console, times)
    _print_times(console, times)


def _print_table(
    console: Console, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]
) -> None:
    """Print a table of plain text, no markup; columns named "… #" are set to the right."""
    right = [column.endswith("#") for column in columns]
    names = [column.rstrip("# ") for column in columns]
    if not console.is_terminal:
        print(
            "\n".join([title, *_plain_lines([names, *rows], right)]), end="\n\n", file=console.file
        )
        return
    table = Table(
        title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False
    )
    for name, is_right in zip(names, right, strict=True):
        table.add_column(name, justify="right" if is_right else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(table)


def _plain_lines(rows: Sequence[Sequence[str]], right: Sequence[bool]) -> Iterator[str]:
    """Rows in columns two spaces apart; nothing is cut, nothing is wrapped."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = zip(row, widths, right, strict=True)
        yield "  ".join(
            cell.rjust(width) if is_right else cell.ljust(width) for cell, width, is_right in cells
        ).rstrip()


def _print_totals(console: Console, report: Report) -> None:
    rows = [(what, f"{count:,}") for what, count in report.totals.items()]
    _print_table(console, "Totals", ("what", "count #"), rows)


def _print_functions(console: Console, report: Report) -> None:
    rows = [
        (str(each.complexity), str(each.lines), each.function, f"{each.file}:{each.line}")
        for each in report.most_complex
    ]
    _print_table(
        console,
        "The most complex functions",
        ("complexity #", "lines #", "function", "where"),
        rows,
    )


def _print_failures(console: Console, report: Report) -> None:
    rows = [(failure.file, failure.error, failure.message) for failure in report.failed]
    if rows:
        columns = ("file", "error", "message")
        _print_table(console, "Files that could not be measured", columns, rows)


def _print_storage(console: Console, times: Times) -> None:
    storage = times.storage
    console.print(Text(f"Results: {storage.folder}"), soft_wrap=True)
    console.print(
        f"         {storage.blobs:,} files, {storage.bytes:,} bytes; "
        f"{storage.bytes_of_measures:,} bytes are this run's measures of single files",
        soft_wrap=True,
    )


def _print_times(console: Console, times: Times) -> None:
    counts = f"{times.executed:,} files measured, {times.hits:,} taken from the cache"
    lines = [f"Calls:   {counts}, {times.failed:,} failed{_again(times)}"]
    for what, spread in times.spreads.items():
        figures = f"median {spread.median_us:,.0f} µs, mean {spread.mean_us:,.0f} µs a task"
        lines.append(f"         {what}: {figures}")
    if times.gain:
        lines.append(f"Gain:    {times.gain}")
    lines.append(f"Time:    {times.seconds:.2f} s{times.comparison}")
    console.print("\n".join(lines), soft_wrap=True)


def _again(times: Times) -> str:
    tried = f"tried again as failures are not cached ({times.tried_again:,})"
    return f", {tried}" if times.tried_again else ""
