"""What can be set, what each setting may be, and which variable it is."""

from __future__ import annotations

import base64
import logging
import os
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic_core import to_json

from upshot._models import Model
from upshot.exceptions import InvalidSettings, did_you_mean

PREFIX = "UPSHOT_"
_FACTS = "UPSHOT__"  # what a program is told of runs, which is no setting
SECRET = frozenset({"secret_key"})  # settings that are never shown
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


def is_key(text: str) -> bool:
    """Whether this is a key of secrets."""
    try:
        return len(base64.b64decode(text.encode("ascii"), altchars=b"-_", validate=True)) == 32
    except ValueError:
        return False


def _of_keys(keys: SecretStr) -> SecretStr:
    if not all(is_key(key.strip()) for key in keys.get_secret_value().split(",")):
        raise ValueError("each key is 32 bytes in URL-safe base64, with commas between them")
    return keys


_SecretKey = Annotated[SecretStr, AfterValidator(_of_keys)]


class Settings(Model):
    """Settings; frozen. Field `x` is the variable `UPSHOT_X` and `x` in the profile.

    `Settings()` reads the environment and no profile; `get_current_settings()` gives those in
    force. A name in upper case means the same field: `settings.UPSHOT_HOME`.

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
        secret_key: keys of saved storages' secrets, with commas between them, the newest first; by
            default the file `secret.key` in `home`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

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
    secret_key: _SecretKey | None = None

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, given: Any, info: ValidationInfo) -> Any:
        if info.context is ALONE or not isinstance(given, Mapping):
            return given
        said = {field_of(name, "Settings()"): value for name, value in given.items()}
        return from_variables(os.environ)[0] | said

    def dict(self, **options: Any) -> dict[str, Any]:
        """The settings by the names of their variables; `options` as for `model_dump`."""
        for choice in {"include", "exclude"} & options.keys():
            if options[choice] is not None:
                options[choice] = {field_of(name, "dict()") for name in options[choice]}
        return {PREFIX + name.upper(): v for name, v in self.model_dump(**options).items()}

    def json(self, *, indent: int | None = None, **options: Any) -> str:
        """The settings as JSON, by the names of their variables; `options` as for `dict`."""
        return to_json(self.dict(mode="json", **options), indent=indent).decode()

    def copy(  # type: ignore[override]
        self, *, update: Mapping[Any, Any] | None = None, deep: bool = False
    ) -> Self:
        """These settings, with those in `update` replaced, which may have either name."""
        said = {field_of(name, "copy()"): value for name, value in (update or {}).items()}
        values = self.model_dump(include=self.model_fields_set) | said
        return type(self).model_validate(values, context=ALONE)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            field = name.removeprefix(PREFIX).lower()
            if name.startswith(PREFIX) and field in Settings.model_fields:
                return getattr(self, field)
            return super().__getattr__(name)


ALONE: Any = object()  # context of a validation that takes nothing from the environment


def from_variables(environ: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """Values by field, and the variables that they come from."""
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for variable in sorted(environ):
        if not variable.startswith(PREFIX) or variable.startswith(_FACTS):
            continue
        name = variable.removeprefix(PREFIX).lower()
        if name in Settings.model_fields:
            values[name], sources[name] = environ[variable], variable
        elif get_close_matches(name, Settings.model_fields, 1, _NEAR):
            raise InvalidSettings(variable, f"is no setting: {did_you_mean(variable, variables())}")
    return values, sources


def field_of(name: object, source: str) -> str:
    """The field of a setting that is named in some way.

    Args:
        name: a setting object, the name of a variable or that of a field.
        source: where it stands.

    Raises:
        InvalidSettings: if there is no such setting.
    """
    field = str(name).lower().removeprefix(PREFIX.lower())
    if field not in Settings.model_fields:
        hint = did_you_mean(str(name), [*Settings.model_fields, *variables()])
        raise InvalidSettings(source, f"{name!r} is no setting: {hint}")
    return field


def variables() -> list[str]:
    """The variables of all settings."""
    return [PREFIX + name.upper() for name in Settings.model_fields]


def checked(values: dict[str, Any], sources: Mapping[str, str]) -> Settings:
    """Settings of these values and of no others.

    Args:
        values: by field.
        sources: where each stands.

    Raises:
        InvalidSettings: if one cannot be used.
    """
    try:
        return Settings.model_validate(values, context=ALONE)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = str(first["loc"][0]) if first["loc"] else "settings"
        source = sources.get(name, name)
        given = "what is given" if name in SECRET else repr(first["input"])
        text = f"{given} cannot be used as {name}: {first['msg']}"
        raise InvalidSettings(source, text) from None
