"""The report as one HTML page that needs nothing beside it: no script, no font, no address."""

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from .charts import Bar, bar_chart, column_chart
from .report import Count, RankedFunction, Report
from .times import Spread, Times

TIMES_BEGIN = "<!-- times: all that differs from run to run -->"
TIMES_END = "<!-- end of times -->"
WARM, HOT = 10, 50
FEW = 4
STYLE = Path(__file__).with_name("page.css")


def render_page(subject: str, report: Report, times: Times) -> str:
    """The page; only what is between TIMES_BEGIN and TIMES_END depends on `times`."""
    sections = [
        _tiles({what: f"{count:,}" for what, count in report.totals.items()}),
        _complexity(report),
        _functions("The most complex functions", "complexity", report.most_complex),
        _functions("The longest functions", "lines", report.longest),
        _counts(
            "The largest packages",
            "Lines in a top-level package or module.",
            report.largest_packages,
        ),
        _counts(
            "The most imported modules", "How many other modules name it.", report.most_imported
        ),
        _cycles(report),
        _failures(report),
        f"{TIMES_BEGIN}\n{_times(times)}\n{TIMES_END}",
    ]
    head = f'<h1>{escape(subject)}</h1>\n<p class="lead">{_lead(report)}</p>'
    return _document(subject, "\n".join([head, *filter(None, sections)]))


def _document(title: str, body: str) -> str:
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{STYLE.read_text(encoding='utf-8')}</style>\n"
        f"</head>\n<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _lead(report: Report) -> str:
    totals = report.totals
    return (
        f"{totals['lines']:,} lines in {totals['measured']:,} files, "
        f"each parsed and measured by one task; {totals['failed']:,} more could not be parsed."
    )


def _section(title: str, *parts: str, note: str = "") -> str:
    said = f'<p class="note">{note}</p>' if note else ""
    return f"<section>\n<h2>{escape(title)}</h2>{said}\n{''.join(parts)}\n</section>"


def _tiles(figures: dict[str, str]) -> str:
    tiles = (
        f"<div><b>{escape(value)}</b><span>{escape(what)}</span></div>"
        for what, value in figures.items()
    )
    return f'<div class="tiles">{"".join(tiles)}</div>'


def _table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], numbers: Sequence[int] = ()
) -> str:
    """A table whose cells are HTML already; the columns `numbers` are set to the right."""
    marks = [' class="number"' if index in numbers else "" for index in range(len(columns))]
    head = "".join(
        f"<th{mark}>{escape(column)}</th>" for mark, column in zip(marks, columns, strict=True)
    )
    lines = (
        "<tr>"
        + "".join(f"<td{mark}>{cell}</td>" for mark, cell in zip(marks, row, strict=True))
        + "</tr>"
        for row in rows
    )
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"
    return f'<div class="scroll">{table}</div>'


def _code(text: str) -> str:
    return f"<code>{escape(text)}</code>"


def _complexity(report: Report) -> str:
    styles = ("", "", "", "warm", "warm", "hot")
    bars = [
        Bar(band.name, band.number, f"{band.number:,} functions of complexity {band.name}", style)
        for band, style in zip(report.complexity_bands, styles, strict=True)
    ]
    note = (
        "Functions by McCabe’s cyclomatic complexity, the number of independent paths. "
        "He proposed ten as the upper limit. Heights are logarithmic."
    )
    return _section(
        "How complex functions are", column_chart("Functions by complexity", bars), note=note
    )


def _functions(title: str, measure: str, functions: Sequence[RankedFunction]) -> str:
    """Functions ranked by one of their measures, as bars and as a table."""
    bars = [
        Bar(each.function, getattr(each, measure), f"{each.file}:{each.line}", _heat(each))
        for each in functions
    ]
    rows = (
        (
            _code(each.function),
            _code(f"{each.file}:{each.line}"),
            f"{each.lines:,}",
            f"{each.complexity:,}",
        )
        for each in functions
    )
    table = _table(("function", "where", "lines", "complexity"), rows, numbers=(2, 3))
    note = f"Bars show {measure}; amber is a complexity over {WARM}, red one over {HOT}."
    return _section(title, bar_chart(title, bars), table, note=note) if functions else ""


def _heat(function: RankedFunction) -> str:
    return "hot" if function.complexity > HOT else "warm" if function.complexity > WARM else ""


def _counts(title: str, note: str, counts: Sequence[Count]) -> str:
    bars = [Bar(count.name, count.number) for count in counts]
    return _section(title, bar_chart(title, bars), note=note) if counts else ""


def _cycles(report: Report) -> str:
    note = (
        "Strongly connected components of the import graph: by imports, those inside functions "
        "included, each module of a group reaches every other."
    )
    groups = map(_cycle, report.cycles)
    return _section("Modules that import each other", *groups, note=note) if report.cycles else ""


def _cycle(modules: Sequence[str]) -> str:
    """A group of modules: those with more than a few fold away behind the first of them."""
    if len(modules) <= FEW:
        return f'<p class="group">{_code(", ".join(modules))}</p>'
    shown = f"{len(modules):,} modules: {_code(', '.join(modules[:FEW]))}, …"
    return f"<details><summary>{shown}</summary><p>{_code(', '.join(modules))}</p></details>"


def _failures(report: Report) -> str:
    rows = ((_code(each.file), escape(each.error), escape(each.message)) for each in report.failed)
    table = _table(("file", "error", "message"), rows)
    note = "Each is a failed task; the flow went on. Some are test data, wrong on purpose."
    return _section("Files that could not be measured", table, note=note) if report.failed else ""


def _times(times: Times) -> str:
    storage = times.storage
    tiles = {
        "this run": f"{times.seconds:.2f} s",
        "files measured": f"{times.executed:,}",
        "taken from the cache": f"{times.hits:,}",
        "failed": f"{times.failed:,}",
        "of these tried again": f"{times.tried_again:,}",
    }
    gain = f" {str(times.gain)[:1].upper()}{str(times.gain)[1:]}." if times.gain else ""
    took = f"The flow took {times.seconds:.2f} s{times.comparison}.{gain}"
    note = escape(f"{took} The chart shows medians of single tasks.")
    bars = [Bar(what, spread.median_us) for what, spread in times.spreads.items()]
    where = f"{storage.blobs:,} files of results, {storage.bytes:,} bytes, lie in"
    return _section(
        "This run",
        _tiles(tiles),
        bar_chart("Time of a task", bars, "µs"),
        _spreads(times.spreads),
        f'<p class="note">{where} {_code(storage.folder)}.</p>',
        note=note,
    )


def _spreads(spreads: dict[str, Spread]) -> str:
    rows = (
        (escape(what), f"{spread.calls:,}", f"{spread.median_us:,.1f}", f"{spread.mean_us:,.1f}")
        for what, spread in spreads.items()
    )
    return _table(("time of a task", "calls", "median, µs", "mean, µs"), rows, numbers=(1, 2, 3))
