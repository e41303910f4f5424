"""`upshot plugins`: the parts that can be named."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points
from typing import Annotated, Any, NamedTuple

import typer
from rich.text import Text

from upshot import _registry
from upshot.cli._errors import one_line
from upshot.cli._options import Json, command, example
from upshot.cli._print import print_json
from upshot.cli._table import Column, print_table

app = command()

_INSIDE = {"command", "public name", "result", "room", "testing name"}


class Row(NamedTuple):
    """A row of the lazy table.

    Attributes:
        target: `module:attribute`.
        source: the distribution that it comes from, or `built in`.
        problem: why it cannot be used; None if it can.
    """

    kind: str
    name: str
    target: str
    source: str
    problem: str | None


@app.command(epilog=example("upshot plugins"))
def plugins(
    everything: Annotated[
        bool, typer.Option("--all", help="Also the parts that upshot itself is made of.")
    ] = False,
    json: Json = False,
) -> None:
    """List the serializers, storages and other parts that can be named."""
    rows = [row for kind in _kinds() if everything or kind not in _INSIDE for row in _rows(kind)]
    if json:
        print_json({"plugins": [row._asdict() | {"loads": row.problem is None} for row in rows]})
        return
    columns = ("kind", "name", "target", "from", "loads")
    print_table(
        [Column(title, long=title in ("target", "loads")) for title in columns],
        [(row.kind, row.name, row.target, row.source, _loads(row)) for row in rows],
    )


def _kinds() -> list[str]:
    return sorted({*_registry.BUILTIN, *_registry.ENTRY_POINT_GROUPS})


def _rows(kind: str) -> Iterator[Row]:
    builtin = _registry.BUILTIN.get(kind, {})
    for name, target in sorted(builtin.items()):
        yield Row(kind, name, target, "built in", _problem(kind, name))
    group = _registry.ENTRY_POINT_GROUPS.get(kind)
    if group is None:
        return
    for row in sorted(entry_points(group=group), key=lambda row: (row.name, row.value)):
        hidden = row.name in builtin
        problem = "a built-in one has its name" if hidden else _problem(kind, row.name)
        yield Row(kind, row.name, row.value, _distribution(row), problem)


def _problem(kind: str, name: str) -> str | None:
    try:
        _registry.load(kind, name)
    except Exception as error:
        return one_line(f"{type(error).__name__}: {error}")
    return None


def _distribution(row: EntryPoint) -> str:
    found: Any = row.dist
    return "unknown" if found is None else f"{found.name} {found.version}"


def _loads(row: Row) -> Text:
    return Text("yes", style="green") if row.problem is None else Text(row.problem, style="red")
