"""What can be set: one `Settings`, from `UPSHOT_…` variables and a TOML profile.

The environment wins over the profile (`profile.toml` in the home folder), the profile over the
defaults. They are read once in a process, when a setting is first needed.
"""

from __future__ import annotations

import logging
import os
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, ValidationError

from upshot._models import Model
from upshot.exceptions import InvalidSettings, did_you_mean

PREFIX = "UPSHOT_"
PROFILE = "profile.toml"
_NEAR = 0.7  # how like a setting's name a variable is that must have been meant for it


def _given(value: Any) -> Any:
    if value == "":
        raise ValueError("an empty path; leave it out for the default")
    return value


def _absolute(path: Path) -> Path:
    if "\0" in str(path):
        raise ValueError("a path holds no NUL character")
    try:
        return Path(os.path.abspath(path.expanduser()))
    except RuntimeError as error:
        raise ValueError(f"{error} Give a path without `~`.") from error


def _level(value: Any) -> Any:
    name = value.upper() if isinstance(value, str) else logging.getLevelName(value)
    if name not in (known := logging.getLevelNamesMapping()):
        raise ValueError(f"no level of logging; there are {', '.join(known)}")
    return name


_Level = Annotated[str, BeforeValidator(_level)]
_Place = Annotated[Path, BeforeValidator(_given), AfterValidator(_absolute)]


class Settings(Model):
    """The settings in force; frozen. Field `x` is the variable `UPSHOT_X` and `x` in the profile.

    Attributes:
        home: where everything of upshot lies that has no other place (folders 0700, files 0600).
        local_storage_path: where results go that have no other storage; `storage` in `home`.
        run_store: the kind of run store: `sqlite` (the file `runs.db` in `home`) or `memory`.
        durability: `normal` survives the death of the process, `full` also that of the machine.
        results_persist_by_default: persist results of runs that do not say otherwise.
        results_default_serializer: the type of the serializer of such results.
        default_result_storage_block: the saved storage, as `type/name`, of results that have no
            other; by default the folder `local_storage_path`.
        task_default_retries: retries of tasks that do not say otherwise.
        flow_default_retries: retries of flows that do not say otherwise.
        tasks_refresh_cache: run cached tasks again and replace their entries.
        run_on_completion_hooks_on_cached: call a task's hooks if the cache has its result, too.
        async_fetch_state_result: `State.result()` gives an awaitable to async callers.
        logging_level: the level of the logger "upshot", unless the program gives it one.
        logging_log_prints: log what runs print that do not say otherwise.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    home: _Place = Field(default=Path("~/.upshot"), validate_default=True)
    # a home that cannot be used is missing here, and is what gets reported
    local_storage_path: _Place = Field(
        default_factory=lambda data: data.get("home", Path()) / "storage"
    )
    run_store: str = "sqlite"
    durability: Literal["normal", "full"] = "normal"
    results_persist_by_default: bool = False
    results_default_serializer: str = "pickle"
    default_result_storage_block: str | None = None
    task_default_retries: int = Field(default=0, ge=0)
    flow_default_retries: int = Field(default=0, ge=0)
    tasks_refresh_cache: bool = False
    run_on_completion_hooks_on_cached: bool = False
    async_fetch_state_result: bool = False
    logging_level: _Level = "INFO"
    logging_log_prints: bool = False


_temporary: ContextVar[Settings | None] = ContextVar("upshot_settings", default=None)
_of_process: Settings | None = None


def get_current_settings() -> Settings:
    """The settings in force here.

    Raises:
        InvalidSettings: naming the variable or the line of the profile that cannot be used.
    """
    global _of_process
    found = _temporary.get() or _of_process
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
    token = _temporary.set(None)
    try:
        yield
    finally:
        _temporary.reset(token)


@contextmanager
def temporary_settings(updates: Mapping[str, Any]) -> Iterator[Settings]:
    """Other settings for as long as the block lasts, in this context and those copied from it.

    Args:
        updates: new values by their names (`UPSHOT_HOME`, …). A new home moves the storage below
            it along, unless that has a value of its own.
    """
    present = get_current_settings()
    given = {_field(name, "temporary_settings()"): value for name, value in updates.items()}
    kept = present.model_dump(include=present.model_fields_set)
    with using(_settings(kept | given, dict.fromkeys(given, "temporary_settings()"))) as settings:
        yield settings


@contextmanager
def using(settings: Settings) -> Iterator[Settings]:
    """These settings for as long as the block lasts, in this context and those copied from it."""
    token = _temporary.set(settings)
    try:
        yield settings
    finally:
        _temporary.reset(token)


def read_settings(environ: Mapping[str, str]) -> Settings:
    """The settings of an environment and of the profile in the home folder that it names."""
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for variable in sorted(environ):
        name = variable.removeprefix(PREFIX).lower()
        if name in Settings.model_fields and variable.startswith(PREFIX):
            values[name], sources[name] = environ[variable], variable
        elif variable.startswith(PREFIX) and get_close_matches(
            name, Settings.model_fields, 1, _NEAR
        ):
            raise InvalidSettings(
                variable, f"is no setting: {did_you_mean(variable, _variables())}"
            )
    home = _settings({k: v for k, v in values.items() if k == "home"}, sources).home
    for key, value in _profile(home / PROFILE).items():
        name = _field(key, str(home / PROFILE))
        if name not in values:
            values[name], sources[name] = value, f"{home / PROFILE}, {key}"
    return _settings(values, sources)


def _profile(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise InvalidSettings(str(path), f"cannot be read: {error}") from error


def _field(name: str, source: str) -> str:
    field = str(name).lower().removeprefix(PREFIX.lower())
    if field not in Settings.model_fields:
        hint = did_you_mean(str(name), [*Settings.model_fields, *_variables()])
        raise InvalidSettings(source, f"{name!r} is no setting: {hint}")
    return field


def _variables() -> list[str]:
    return [PREFIX + name.upper() for name in Settings.model_fields]


def _settings(values: dict[str, Any], sources: Mapping[str, str]) -> Settings:
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = str(first["loc"][0]) if first["loc"] else "settings"
        source = sources.get(name, name)
        text = f"{first['input']!r} cannot be used as {name}: {first['msg']}"
        raise InvalidSettings(source, text) from None
