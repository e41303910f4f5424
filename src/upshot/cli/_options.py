"""What commands have in common: options, and how times and states are written."""

from __future__ import annotations

import re
import time
from datetime import datetime
from typing import Annotated

import typer

from upshot.cli._errors import Exit, Refusal
from upshot.exceptions import did_you_mean
from upshot.records import StateType

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_AGO = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")


def command(summary: str | None = None) -> typer.Typer:
    """What a module of commands fills; with a `summary` it is a group of several."""
    return typer.Typer(
        help=summary,
        add_completion=False,
        no_args_is_help=summary is not None,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )


def example(line: str) -> str:
    """What the help of a command ends with."""
    return f"\b\nExample:\n    {line}"


def refuse(option: str, problem: str) -> Refusal:
    """The error for an argument that cannot be used."""
    return Refusal(f"{option}: {problem}", Exit.USAGE)


def point_in_time(text: str) -> float:
    """Seconds since the epoch, of `2h`, `3d`, … ago, or of a date in ISO 8601.

    A date without an offset is one of the local time.
    """
    ago = _AGO.fullmatch(text.strip())
    if ago is not None:
        return time.time() - float(ago[1]) * _SECONDS[ago[2]]
    try:
        return datetime.fromisoformat(text.strip()).timestamp()
    except (OSError, OverflowError, ValueError):
        problem = f"{text!r} is no time; say 90s, 30m, 2h, 3d, 1w, or 2026-11-20T08:30"
        raise refuse("--since", problem) from None


def state_type(text: str) -> StateType:
    """The type of states that goes by this name, in whatever case."""
    try:
        return StateType(text.strip().upper())
    except ValueError:
        problem = f"{text!r} is no state: {did_you_mean(text.lower(), state_names())}"
        raise refuse("--state", problem) from None


def state_names(incomplete: str = "") -> list[str]:
    """The names of types of states that begin so; for completion, too."""
    return [name for name in map(str.lower, StateType) if name.startswith(incomplete.lower())]
