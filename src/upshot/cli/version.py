"""`upshot version`."""

from __future__ import annotations

import platform

import typer

from upshot._version import __version__
from upshot.cli._options import Json, command, example
from upshot.cli._print import print_json

app = command()


@app.command(epilog=example("upshot version"))
def version(json: Json = False) -> None:
    """Say which upshot this is."""
    facts = {
        "upshot": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
    }
    if json:
        print_json(facts)
    else:
        typer.echo("\n".join(f"{name:<7} {value}" for name, value in facts.items()))
