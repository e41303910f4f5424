"""`upshot results`: what runs returned."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from upshot.cli._errors import Exit
from upshot.cli._find import find_run
from upshot.cli._kept import Kept
from upshot.cli._locate import locate
from upshot.cli._look import Look
from upshot.cli._options import Json, command, example, refuse
from upshot.cli._print import note, print_json, stream_json
from upshot.cli._storages import storage_facts
from upshot.cli._table import Column, print_facts, print_table
from upshot.cli._take import written
from upshot.cli._words import age, size
from upshot.runstore import open_store

app = command("List, look at and fetch what runs returned.")

_WHAT = "A run's id or its beginning, a reference (JSON; - for standard input), or a blob's key."
What = Annotated[str, typer.Argument(metavar="RESULT", help=_WHAT)]
_COLUMNS = (
    Column("run", long=True),
    Column("key", long=True),
    Column("size", right=True),
    Column("serializer"),
    Column("storage", long=True),
    Column("age", right=True),
    Column("blob"),
)


@app.command(epilog=example("upshot results ls 0193a5b2-c7d1-7abc"))
def ls(
    id: Annotated[str, typer.Argument(metavar="ID", help="A run's id, or the beginning of one.")],
    limit: Annotated[
        int, typer.Option(min=0, metavar="NUMBER", help="The most results to list; 0 for all.")
    ] = 200,
    json: Json = False,
) -> None:
    """List the persisted results of a run and of all that it called."""
    store = open_store()
    run = find_run(id, store)
    kept = Kept(store, run, limit)
    if json:
        stream_json({"run": str(run.id)}, "results", kept.facts(), lambda: {"more": kept.more})
        return
    now = time.time()
    rows = [
        (
            one.run.name,
            one.reference.storage_key,
            size(one.reference.size),
            one.reference.serializer_type,
            "–" if one.storage is None else storage_facts(one.storage)["type"],
            age(one.run.ended, now),
            one.blob,
        )
        for one in kept
    ]
    if rows:
        print_table(_COLUMNS, rows)
    else:
        note("no persisted results")
    if kept.more:
        note(f"there are more than {limit}: --limit 0 lists all")


@app.command(epilog=example("upshot results show 0193a5b2-c7d1-7abc"))
def show(what: What, json: Json = False) -> None:
    """Say what is known of a result; the value is neither read nor unpickled."""
    store = open_store()
    look = Look(locate(what, store, trust=True), store)
    if json:
        print_json(look.facts())
    else:
        print_facts(look.lines())
    if look.code is not Exit.DONE:
        raise typer.Exit(look.code)


@app.command(epilog=example("upshot results get 0193a5b2-c7d1-7abc --to value.json"))
def get(
    what: What,
    to: Annotated[str, typer.Option(metavar="FILE", help="The file; - for standard output.")],
    raw: Annotated[bool, typer.Option("--raw", help="Write the blob as it is stored.")] = False,
    pickle: Annotated[bool, typer.Option("--pickle", help="Write a pickle of the value.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    trust: Annotated[
        bool, typer.Option("--trust", help="Read a reference to a place in no known storage.")
    ] = False,
    json: Json = False,
) -> None:
    """Write the value of a result to a file.

    Bytes and text are written as they are, and what JSON can hold as JSON. Any other value needs
    --pickle or --raw.

    Reading a pickle runs code that its writer chose: fetch what you trust, or use --raw, which
    reads nothing.
    """
    if raw and pickle:
        raise refuse("--raw", "it cannot be combined with --pickle")
    if json and to == "-":
        raise refuse("--json", "standard output is for the value (--to -)")
    located = locate(what, open_store(), trust=trust or raw)
    target = None if to == "-" else Path(to)
    told = written(located, target, how="raw" if raw else "pickle" if pickle else None, force=force)
    if json:
        print_json(told)
    elif target is not None:
        sys.stdout.write(f"{told['format']}, {size(told['size'])}: {target}\n")
