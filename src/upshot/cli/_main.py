"""The program `upshot`: finds the command, and turns what it raises into a line and a code."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from upshot import _registry
from upshot._version import __version__
from upshot.cli._errors import Exit, Refusal, code_of, one_line
from upshot.exceptions import UpshotError

# in the order of the help; each is a row in the lazy table
SUMMARIES = {
    "runs": "List what ran, and show one run with all that it called.",
    "results": "List, look at and fetch what runs returned.",
    "blocks": "List and remove saved storages, and renew the key of their secrets.",
    "concurrency-limit": "Limit how many task runs with a tag run at a time.",
    "config": "Look at the settings and change them.",
    "doctor": "Check the home folder, the run store and the storage.",
    "plugins": "List the serializers, storages and other parts that can be named.",
    "version": "Say which upshot this is.",
}


class LazyGroup(TyperGroup):
    """A group whose commands are loaded when they are called; help needs their names only."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        for name, summary in SUMMARIES.items():
            self.commands[name] = TyperCommand(name, help=summary)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command that is called, and load it."""
        name, command, rest = super().resolve_command(ctx, args)
        if command is not None:
            command = typer.main.get_command(_registry.load("command", str(name)))
            command.name = name
        return name, command, rest


# \b: the lines below it stay as they are
EPILOG = """\b
Examples:
    upshot runs ls --state failed --since 2d
    upshot runs show 0193a5b2-c7d1-7abc
    upshot results get 0193a5b2-c7d1-7abc --to value.json

\b
Exit codes:
    0   done
    1   what was asked for is not there, or doctor found something bad
    2   the command line or a setting is wrong; nothing was done
    3   the run store, a storage or a file cannot be used
    4   the value is there and cannot be given
    70  a bug in upshot
"""

app = typer.Typer(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _say_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"upshot {__version__}")
        raise typer.Exit


@app.callback(epilog=EPILOG)
def upshot(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_say_version, is_eager=True, help="Say which upshot."),
    ] = False,
) -> None:
    """Look at what upshot recorded, and at what it kept.

    Every command takes --json, and then prints one JSON document.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; gives its exit code.

    Args:
        arguments: what stands behind `upshot` on the command line; by default, what does.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # what the terminal has no letters for is escaped
            stream.reconfigure(errors="backslashreplace")
    try:
        code = _run(arguments)
        sys.stdout.flush()  # here, where what goes wrong is told
    except Refusal as refusal:
        return _fail(str(refusal), refusal.code)
    except UpshotError as error:
        return _fail(str(error), code_of(error))
    except OSError as error:
        _abandon_output()
        return _fail(str(error), Exit.UNAVAILABLE)
    except Exception:
        traceback.print_exc()
        return _fail("this is a bug in upshot; please report it with the lines above", Exit.BUG)
    return code


def _run(arguments: Sequence[str] | None) -> int:
    try:
        typer.main.get_command(app).main(args=arguments, prog_name="upshot")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else Exit.DONE
    return Exit.DONE


def _abandon_output() -> None:
    """Let the interpreter not try again, at its end, to write what could not be written."""
    with suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(message: str, code: Exit) -> Exit:
    typer.echo(f"upshot: {one_line(message)}", err=True)
    return code
