"""Tables for people: coloured and fitted to a terminal, plain and whole anywhere else."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text

from upshot.cli._print import clean
from upshot.records import StateType

_UNBOUNDED = 1_000_000  # columns of what is no terminal
_GAP = "  "
_LEAST = 12  # letters of a long cell in a line
_STYLES = {
    StateType.COMPLETED: "green",
    StateType.FAILED: "red",
    StateType.CRASHED: "bold red",
    StateType.CANCELLED: "yellow",
    StateType.RUNNING: "cyan",
}


class Column(NamedTuple):
    """A column of a table; a `long` one may be folded where the terminal is narrow."""

    title: str
    long: bool = False
    right: bool = False


Cell = str | Text


def of_state(name: str | None, type: StateType | None) -> Text:
    """The name of a state in the colour of its type."""
    return Text(clean(name or "–"), style=_STYLES.get(type, "") if type else "")


def console() -> Console:
    """Standard output; as wide as its terminal, and anything else as wide as needed."""
    width = None if sys.stdout.isatty() else _UNBOUNDED
    return Console(file=sys.stdout, width=width, highlight=False, markup=False, emoji=False)


def print_table(columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> None:
    """Print one row or more; a paragraph for each where even folded lines do not fit."""
    out = console()
    table = _table(columns, rows)
    if not out.is_terminal:
        with out.capture() as captured:
            out.print(table)
        lines = captured.get().splitlines()
        sys.stdout.write("".join(f"{line.rstrip()}\n" for line in lines))
    elif _least_width(columns, rows) <= out.width:
        out.print(table)
    else:
        for number, row in enumerate(rows):
            if number:
                out.print()
            _print_facts(
                out, [(column.title, cell) for column, cell in zip(columns, row, strict=True)]
            )


def print_facts(facts: Sequence[tuple[Cell, Cell]]) -> None:
    """Print names and values, each in a line of its own or, in a narrow terminal, in several."""
    _print_facts(console(), facts)


def _print_facts(out: Console, facts: Sequence[tuple[Cell, Cell]]) -> None:
    grid = Table.grid(padding=(0, len(_GAP), 0, 0), pad_edge=False)
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, cell in facts:
        grid.add_row(_text(name), _text(cell))
    with out.capture() as captured:
        out.print(grid)
    # by hand: what is behind the last letter is no part of it, and would be copied along
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))


def _least_width(columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> int:
    """How wide a table is whose long cells are folded as far as they may be."""
    return sum(_least_widths(columns, rows)) + len(_GAP) * (len(columns) - 1)


def _least_widths(columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> list[int]:
    widest = [
        max(len(column.title), *(_text(row[n]).cell_len for row in rows))
        for n, column in enumerate(columns)
    ]
    return [min(w, _LEAST) if c.long else w for w, c in zip(widest, columns, strict=True)]


def _table(columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, len(_GAP), 0, 0), header_style="bold")
    for column, least in zip(columns, _least_widths(columns, rows), strict=True):
        table.add_column(
            column.title.upper(),
            justify="right" if column.right else "left",
            no_wrap=not column.long,
            overflow="fold",
            min_width=least,
        )
    for row in rows:
        table.add_row(*map(_text, row))
    return table


def _text(cell: Cell) -> Text:
    return cell if isinstance(cell, Text) else Text(clean(cell))
