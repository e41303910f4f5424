"""`upshot blocks`: saved storages, and the keys of their secrets."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import typer

from upshot import blocks
from upshot.cli._errors import Exit, Refusal
from upshot.cli._options import Json, command, example
from upshot.cli._print import note, print_json
from upshot.cli._table import Column, print_table
from upshot.records import Block
from upshot.runstore import RunStore, open_store
from upshot.settings import get_current_settings

app = command("List and remove saved storages, and renew the key of their secrets.")


def _titles(incomplete: str) -> list[str]:
    titles = (blocks.title(block) for block in open_store().blocks() if block.name is not None)
    return [title for title in titles if title.startswith(incomplete)]


@app.command(epilog=example("upshot blocks ls"))
def ls(
    everything: Annotated[
        bool, typer.Option("--all", help="Also those that nobody saved under a name.")
    ] = False,
    json: Json = False,
) -> None:
    """List the storages that were saved, without their secrets."""
    found = [block for block in open_store().blocks() if everything or not block.is_anonymous]
    if json:
        print_json({"blocks": [_facts(block) for block in found]})
        return
    if not found:
        note("no storage was saved")
        return
    columns = [Column(t, long=t == "fields") for t in ("type", "name", "id", "fields")]
    print_table(columns, [(b.type, b.name or "–", str(b.id), _fields(b)) for b in found])


@app.command(epilog=example("upshot blocks rm local-file-system/mine"))
def rm(
    storage: Annotated[
        str,
        typer.Argument(metavar="TYPE/NAME", help="Or an id.", autocompletion=_titles),
    ],
    json: Json = False,
) -> None:
    """Forget a storage; its results stay where they are."""
    store = open_store()
    block = _found(storage, store)
    if not blocks.remove(block, store):
        raise Refusal(f"{storage} has just been changed; nothing was removed", Exit.NOT_FOUND)
    if json:
        print_json({"removed": _facts(block)})
    else:
        typer.echo(f"removed {blocks.title(block)}")


@app.command(epilog=example("upshot blocks rotate"))
def rotate(
    forget: Annotated[
        bool,
        typer.Option("--forget", help="Drop the older keys; let no program run meanwhile."),
    ] = False,
    json: Json = False,
) -> None:
    """Encrypt all secrets with a new key.

    That is the first one in UPSHOT_SECRET_KEY; where that is not set, one that is made now.
    """
    done = blocks.rotate(open_store(), get_current_settings(), forget=forget)
    if json:
        told = {"rotated": done.rotated, "lost": done.lost}
        print_json({kind: [_facts(block) for block in some] for kind, some in told.items()})
    else:
        typer.echo(f"encrypted the secrets of {len(done.rotated)} with the newest key")
    for block in done.lost:
        note(f"no key here decrypts the secrets of {blocks.title(block)}; it is as it was")
    if done.lost:
        raise typer.Exit(Exit.UNREADABLE)


def _found(storage: str, store: RunStore) -> Block:
    kind, slash, name = storage.rpartition("/")
    found = blocks.saved(kind, name, store) if slash else store.block(_id(storage))
    if found is None:
        raise Refusal(f"no storage is called {storage}; see `upshot blocks ls`", Exit.NOT_FOUND)
    return found


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Refusal(f"{text!r}: say TYPE/NAME or an id", Exit.USAGE) from None


def _facts(block: Block) -> dict[str, Any]:
    return {
        "type": block.type,
        "name": block.name,
        "id": str(block.id),
        "fields": blocks.shown_fields(block),
    }


def _fields(block: Block) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in blocks.shown_fields(block).items())
