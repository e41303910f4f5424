"""What can be set: one `Settings`, from `UPSHOT_…` variables and a TOML profile.

The environment wins over the profile (`profile.toml` in the home folder), the profile over the
defaults. They are read once in a process, when a setting is first needed.

Each setting is also an object of this module: `UPSHOT_HOME`, `UPSHOT_DURABILITY`, …
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from upshot._later import tomllib
from upshot.exceptions import InvalidSettings
from upshot.settings._model import (
    ALONE,
    PREFIX,
    SECRET,
    Settings,
    checked,
    field_of,
    from_variables,
    is_key,
    variables,
)
from upshot.settings._setting import Setting

PROFILE = "profile.toml"

# temporary settings, and in a flow those that were in force at its call
settings_here: ContextVar[Settings | None] = ContextVar("upshot_settings", default=None)
_of_process: Settings | None = None


def get_current_settings() -> Settings:
    """The settings in force here.

    Raises:
        InvalidSettings: naming the variable or the line of the profile that cannot be used.
    """
    global _of_process
    found = settings_here.get() or _of_process
    if found is None:
        found = _of_process = read_settings(os.environ)
    return found


def forget_settings() -> None:
    """Read the environment and the profile anew when a setting is next needed."""
    global _of_process
    _of_process = None


@contextmanager
def settings_of_process() -> Iterator[None]:
    """Put temporary settings aside for as long as the block lasts."""
    token = settings_here.set(None)
    try:
        yield
    finally:
        settings_here.reset(token)


@contextmanager
def temporary_settings(
    updates: Mapping[Any, Any] | None = None,
    set_defaults: Mapping[Any, Any] | None = None,
    restore_defaults: Collection[Any] = (),
) -> Iterator[Settings]:
    """Other settings for as long as the block lasts, in this context and those copied from it.

    Settings are named by their objects (`UPSHOT_HOME` of this module) or by text.

    Args:
        updates: new values. A new home is made if it is not there, and moves the storage below it
            along, unless that has a value of its own.
        set_defaults: values for settings that have none but their default.
        restore_defaults: settings that are to have their default.

    Raises:
        InvalidSettings: if there is no such setting, or it cannot have that value.
    """
    present = get_current_settings()
    given, defaults = _by_field(updates or {}), _by_field(set_defaults or {})
    restored = {field_of(name, _HERE) for name in restore_defaults}
    kept = present.model_dump(include=present.model_fields_set - restored)
    sources = dict.fromkeys([*given, *defaults], _HERE)
    settings = checked(defaults | kept | given, sources)
    if "home" in given:
        _make_home(settings.home)
    with using(settings):
        yield settings


_HERE = "temporary_settings()"


def _by_field(values: Mapping[Any, Any]) -> dict[str, Any]:
    return {field_of(name, _HERE): value for name, value in values.items()}


def _make_home(home: Path) -> None:
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidSettings(_HERE, f"{home} cannot be made: {error.strerror}") from error


@contextmanager
def using(settings: Settings) -> Iterator[Settings]:
    """These settings for as long as the block lasts, in this context and those copied from it."""
    token = settings_here.set(settings)
    try:
        yield settings
    finally:
        settings_here.reset(token)


def read_settings(environ: Mapping[str, str]) -> Settings:
    """The settings of an environment and of the profile in the home folder that it names."""
    values, sources = from_variables(environ)
    home = checked({k: v for k, v in values.items() if k == "home"}, sources).home
    for key, value in _profile(home / PROFILE).items():
        name = field_of(key, str(home / PROFILE))
        if name not in values:
            values[name], sources[name] = value, f"{home / PROFILE}, {key}"
    return checked(values, sources)


def _profile(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text("utf-8")
        return tomllib.loads(text)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise InvalidSettings(str(path), f"cannot be read: {error}") from error


def __getattr__(name: str) -> Setting:
    if name not in variables():
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    field = name.removeprefix(PREFIX).lower()
    made = Setting(name, field, Settings.model_fields[field], get_current_settings)
    return globals().setdefault(name, made)  # type: ignore[no-any-return]


def __dir__() -> list[str]:
    return sorted({*globals(), *variables()})


__all__ = [
    "ALONE",
    "PREFIX",
    "PROFILE",
    "SECRET",
    "Setting",
    "Settings",
    "forget_settings",
    "get_current_settings",
    "is_key",
    "read_settings",
    "settings_here",
    "settings_of_process",
    "temporary_settings",
    "using",
]
