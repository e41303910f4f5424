"""`upshot concurrency-limit`: how many task runs with a tag run at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from upshot.cli._errors import Exit, Refusal
from upshot.cli._options import Json, command, example, refuse
from upshot.cli._print import note, print_json
from upshot.cli._table import Column, print_facts, print_table
from upshot.cli._words import local_time
from upshot.client import SyncUpshotClient, get_client
from upshot.client.schemas import ConcurrencyLimit
from upshot.exceptions import ObjectNotFound

app = command("Limit how many task runs with a tag run at a time.")

Tag = Annotated[str, typer.Argument(metavar="TAG", help="The tag.")]
Most = Annotated[
    int,
    typer.Argument(
        metavar="LIMIT",
        min=0,
        help="The most runs at a time; with 0, none runs: all are cancelled.",
    ),
]
Number = Annotated[int, typer.Option("--limit", min=1, metavar="NUMBER", help="The most to list.")]
Offset = Annotated[int, typer.Option(min=0, metavar="NUMBER", help="How many to leave out first.")]


@app.command(epilog=example("upshot concurrency-limit create database 10"))
def create(tag: Tag, limit: Most, json: Json = False) -> None:
    """Give a tag a limit, or another one than it has."""
    client = get_client(sync_client=True)
    try:
        client.create_concurrency_limit(tag, limit)
    except ValueError as error:
        raise refuse("TAG", str(error)) from None
    _tell(client, tag, json, f"at most {limit} at a time with the tag {tag!r}")


@app.command(epilog=example("upshot concurrency-limit ls"))
def ls(limit: Number = 200, offset: Offset = 0, json: Json = False) -> None:
    """List the limits, sorted by tag."""
    found = get_client(sync_client=True).read_concurrency_limits(limit, offset)
    if json:
        print_json({"concurrency_limits": [_facts(one) for one in found]})
    elif found:
        columns = (
            Column("tag", long=True),
            Column("limit", right=True),
            Column("running", right=True),
            Column("created"),
        )
        print_table(columns, [_row(one) for one in found])
    else:
        note("no limits")


@app.command(epilog=example("upshot concurrency-limit inspect database"))
def inspect(tag: Tag, json: Json = False) -> None:
    """Show a tag's limit, and the task runs that have its slots."""
    client = get_client(sync_client=True)
    limit = _found(lambda: client.read_concurrency_limit_by_tag(tag))
    if json:
        print_json({"concurrency_limit": _facts(limit)})
        return
    print_facts(
        [
            ("tag", limit.tag),
            ("limit", str(limit.concurrency_limit)),
            ("created", local_time(limit.created.timestamp())),
            *(("running", str(run)) for run in limit.active_slots or ["–"]),
        ]
    )


@app.command(epilog=example("upshot concurrency-limit delete database"))
def delete(tag: Tag, json: Json = False) -> None:
    """Take a tag's limit away."""
    client = get_client(sync_client=True)
    _found(lambda: client.delete_concurrency_limit_by_tag(tag))
    if json:
        print_json({"deleted": tag})
    else:
        note(f"the tag {tag!r} has no limit any more")


@app.command(epilog=example("upshot concurrency-limit reset database"))
def reset(tag: Tag, json: Json = False) -> None:
    """Take back all slots of a tag; runs that have them go on all the same."""
    client = get_client(sync_client=True)
    _found(lambda: client.reset_concurrency_limit_by_tag(tag))
    _tell(client, tag, json, f"all slots of the tag {tag!r} are free")


def _tell(client: SyncUpshotClient, tag: str, json: bool, told: str) -> None:
    if json:
        print_json({"concurrency_limit": _facts(client.read_concurrency_limit_by_tag(tag))})
    else:
        note(told)


def _found(ask: Callable[[], Any]) -> Any:
    try:
        return ask()
    except ObjectNotFound as error:
        raise Refusal(str(error), Exit.NOT_FOUND) from None


def _facts(limit: ConcurrencyLimit) -> dict[str, Any]:
    return limit.model_dump(mode="json")


def _row(limit: ConcurrencyLimit) -> tuple[str, ...]:
    running = str(len(limit.active_slots))
    created = local_time(limit.created.timestamp())
    return limit.tag, str(limit.concurrency_limit), running, created
