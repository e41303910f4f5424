"""`upshot runs`: what ran."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from upshot.cli._facts import details, duration_of, facts, short_id
from upshot.cli._find import find_run
from upshot.cli._options import Json, command, example, point_in_time, state_names, state_type
from upshot.cli._print import note, print_json, stream_json
from upshot.cli._table import Column, of_state, print_table
from upshot.cli._tree import Tree, print_run
from upshot.cli._words import duration, local_time
from upshot.records import FlowRun
from upshot.runstore import Page, RunFilter, open_store

app = command("List what ran, and show one run with all that it called.")

_COLUMNS = (
    Column("id"),
    Column("name", long=True),
    Column("state"),
    Column("started"),
    Column("took", right=True),
)


Flow = Annotated[str | None, typer.Option(metavar="NAME", help="Runs of the flow with this name.")]
State = Annotated[
    str | None,
    typer.Option(
        metavar="STATE",
        help="Runs that are in this state: completed, failed, running, …",
        autocompletion=state_names,
    ),
]
Since = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="Runs made since then: 90s, 30m, 2h, 3d, 1w ago, or a date."),
]
Tags = Annotated[
    list[str] | None,
    typer.Option("--tag", metavar="TAG", help="Runs that have this tag; may be given repeatedly."),
]
Before = Annotated[
    str | None,
    typer.Option(metavar="ID", help="Runs older than this one: the next page of a list."),
]
Limit = Annotated[int, typer.Option(min=1, metavar="NUMBER", help="The most runs to list.")]


@app.command(epilog=example("upshot runs ls --flow report --state failed --since 2d"))
def ls(
    flow: Flow = None,
    state: State = None,
    since: Since = None,
    tags: Tags = None,
    before: Before = None,
    limit: Limit = 50,
    json: Json = False,
) -> None:
    """List flow runs, newest first."""
    store = open_store()
    chosen = RunFilter(
        flow_name=flow,
        state_type=None if state is None else state_type(state),
        since=None if since is None else point_in_time(since),
        before=None if before is None else find_run(before, store).id,
        tags=tuple(tags or ()),
    )
    page = store.list_flow_runs(chosen, limit)
    if json:
        listed = [facts(run) for run in page.runs]
        print_json({"flow_runs": listed, "next": None if page.next is None else str(page.next)})
    else:
        _print_page(page)


def _print_page(page: Page[FlowRun]) -> None:
    now = time.time()
    rows = [
        (
            short_id(run),
            run.name,
            of_state(run.state_name, run.state_type),
            local_time(run.began),
            duration(duration_of(run, now)),
        )
        for run in page.runs
    ]
    if rows:
        print_table(_COLUMNS, rows)
    else:
        note("no runs")
    if page.next is not None:
        note(f"there are more: --before {short_id(page.runs[-1])}")


@app.command(epilog=example("upshot runs show 0193a5b2-c7d1-7abc"))
def show(
    id: Annotated[str, typer.Argument(metavar="ID", help="A run's id, or the beginning of one.")],
    limit: Annotated[
        int,
        typer.Option(min=0, metavar="NUMBER", help="The most runs to show below it; 0 for all."),
    ] = 200,
    json: Json = False,
) -> None:
    """Show a flow run or a task run, and the tree of all that it called."""
    store = open_store()
    run = find_run(id, store)
    tree = Tree(store, run, limit)
    if json:
        stream_json({"run": details(run)}, "runs", tree.facts(), lambda: {"more": tree.more})
    else:
        print_run(run)
        tree.write()
        if tree.more:
            note(f"there are more than {limit}: --limit 0 shows all")
