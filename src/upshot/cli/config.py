"""`upshot config`: the settings."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from upshot.cli._options import Json, command, example, refuse
from upshot.cli._print import note, print_json
from upshot.cli._profile import Profile, Source, as_field, known_field
from upshot.cli._table import Column, print_table
from upshot.settings import ALONE, SECRET, Settings, read_settings

app = command("Look at the settings and change them.")


def _names(incomplete: str) -> list[str]:
    return [name for name in Settings.model_fields if name.startswith(incomplete)]


def _assignments(incomplete: str) -> list[str]:
    return [f"{name}=" for name in _names(incomplete)]


@app.command(epilog=example("upshot config view"))
def view(json: Json = False) -> None:
    """Show each setting, its value, and where that comes from."""
    profile = Profile(os.environ)
    settings = read_settings(os.environ)
    told = [(name, getattr(settings, name), profile.source(name)) for name in Settings.model_fields]
    if json:
        listed = [
            {
                "name": name,
                "value": _plain(value),
                "source": source.kind,
                "where": source.where,
            }
            for name, value, source in told
        ]
        print_json({"profile": str(profile.path), "settings": listed})
        return
    columns = (Column("setting"), Column("value", long=True), Column("from", long=True))
    rows = [(name, _text(value), source.where or source.kind) for name, value, source in told]
    print_table(columns, rows)


@app.command(epilog=example("upshot config set durability=full task_default_retries=2"))
def set(
    assignments: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME=VALUE", help="Settings and values.", autocompletion=_assignments
        ),
    ],
    json: Json = False,
) -> None:
    """Write settings to the profile, all of them or none."""
    profile = Profile(os.environ)
    changed = []
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals:
            raise refuse(repr(assignment), "say NAME=VALUE")
        field = known_field(name)
        if field in SECRET:
            others = "a command line is seen by others; set UPSHOT_SECRET_KEY in the environment"
            raise refuse(field, others)
        profile.set(field, value)
        changed.append(field)
    profile.save()
    _report(profile, changed, json)


@app.command(epilog=example("upshot config unset durability"))
def unset(
    names: Annotated[
        list[str],
        typer.Argument(metavar="NAME", help="Settings.", autocompletion=_names),
    ],
    json: Json = False,
) -> None:
    """Take settings out of the profile; their defaults hold again."""
    profile = Profile(os.environ)
    changed = []
    for name in names:
        if not profile.unset(name):
            field = known_field(name)
            note(f"{field} is not in the profile")
        elif as_field(name) in Settings.model_fields:
            changed.append(as_field(name))
    profile.save()
    _report(profile, changed, json)


def _report(profile: Profile, fields: list[str], json: bool) -> None:
    """Say what is in force now."""
    told: list[tuple[str, Any, Source]] = []
    for field in dict.fromkeys(fields):
        default = getattr(Settings.model_validate({}, context=ALONE), field)
        told.append((field, profile.values.get(field, default), profile.source(field)))
    if json:
        listed = [
            {
                "name": field,
                "value": _plain(value),
                "overridden_by": source.where if source.kind == "environment" else None,
            }
            for field, value, source in told
        ]
        print_json({"profile": str(profile.path), "settings": listed})
        return
    for field, value, source in told:
        typer.echo(f"{field} = {_text(value)}")
        if source.kind == "environment":
            note(f"{source.where} is set in the environment, and overrides it")


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
