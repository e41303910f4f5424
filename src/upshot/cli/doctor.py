"""`upshot doctor`: whether all is well."""

from __future__ import annotations

from collections.abc import Iterator

import typer
from rich.text import Text

from upshot.cli._checks import Finding, examine
from upshot.cli._errors import Exit
from upshot.cli._options import Json, command, example
from upshot.cli._print import clean, print_json
from upshot.cli._table import print_facts
from upshot.exceptions import InvalidSettings, UnknownPlugin
from upshot.runstore import open_store
from upshot.settings import get_current_settings

app = command()

_STYLES = {"ok": "green", "warn": "yellow", "bad": "bold red"}


@app.command(epilog=example("upshot doctor"))
def doctor(json: Json = False) -> None:
    """Check the home folder, the run store and the storage."""
    findings = list(_findings())
    sound = all(finding.status != "bad" for finding in findings)
    if json:
        print_json({"ok": sound, "checks": [finding._asdict() for finding in findings]})
    else:
        print_facts([_line(finding) for finding in findings])
    if not sound:
        raise typer.Exit(Exit.NOT_FOUND)


def _line(finding: Finding) -> tuple[Text, Text]:
    text = f"{finding.check}: {finding.message}"
    if finding.advice is not None:
        text += f" – {finding.advice}"
    return Text(finding.status, style=_STYLES[finding.status]), Text(clean(text))


def _findings() -> Iterator[Finding]:
    try:
        settings = get_current_settings()
        store = open_store(settings)
    except (InvalidSettings, UnknownPlugin) as error:
        advice = "correct it; nothing else can be checked before"
        yield Finding("settings", "bad", str(error), advice)
        return
    yield Finding("settings", "ok", "none is wrong")
    yield from examine(settings, store)
