"""Writing to standard output and standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import Any

import typer


def print_json(value: Any) -> None:
    """Write one JSON document."""
    sys.stdout.write(f"{_json(value, indent=2)}\n")


def stream_json(before: dict[str, Any], name: str, items: Iterable[Any], after: Any) -> None:
    """Write one JSON object whose member `name` is an array that is never in memory as a whole.

    Args:
        before: the members before it.
        name: the array's.
        items: what is in it, each written as it comes.
        after: gives the members behind it, when all of it is written.
    """
    sys.stdout.write(f"{_json(before, indent=2).removesuffix('}').rstrip()},\n  {_json(name)}: [")
    separator = "\n    "
    for item in items:
        sys.stdout.write(f"{separator}{_json(item)}")
        separator = ",\n    "
    rest = _json(after(), indent=2).removeprefix("{")
    sys.stdout.write(f"\n  ],{rest}\n")


def note(text: str) -> None:
    """Tell people something that is not the output."""
    typer.echo(clean(text), err=True)


def clean(text: str) -> str:
    """`text` with escapes for what would move the cursor or break the line."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else _escaped(letter) for letter in text)


def _escaped(letter: str) -> str:
    return letter.encode("unicode_escape", "backslashreplace").decode()


def can_show(letters: str) -> bool:
    """Whether standard output has these letters."""
    try:
        letters.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def _json(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=not can_show("├ü語"), indent=indent, default=str)
