"""The TOML profile in the home folder: where each setting comes from, and changing it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from upshot import _registry
from upshot.cli._errors import Exit, Refusal
from upshot.cli._files import whole_file
from upshot.exceptions import InvalidSettings, did_you_mean
from upshot.settings import ALONE, PREFIX, PROFILE, Settings

_NAMED = {"results_default_serializer": "serializer", "run_store": "run store"}


class Source(NamedTuple):
    """Where the value of a setting comes from.

    Attributes:
        kind: `environment`, `profile` or `default`.
        where: the variable, or the file and its key; None for a default.
    """

    kind: str
    where: str | None


class Profile:
    """The profile of the home that the environment names.

    Args:
        environ: the environment.

    Raises:
        InvalidSettings: if the home, or the file, cannot be used.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        variable = f"{PREFIX}HOME"
        given = {"home": environ[variable]} if variable in environ else {}
        self.path = _validated(given, variable).home / PROFILE
        self.values = _read(self.path)

    def source(self, field: str) -> Source:
        """Where the value of a setting comes from."""
        variable = PREFIX + field.upper()
        if variable in self._environ:
            return Source("environment", variable)
        for key in self.values:
            if as_field(key) == field:
                return Source("profile", f"{self.path}, {key}")
        return Source("default", None)

    def set(self, field: str, text: str) -> None:
        """Give a setting a value; `save` writes it.

        Raises:
            InvalidSettings: if it cannot have that value.
        """
        value = _value(field, text)
        self.unset(field)
        self.values[field] = value

    def unset(self, name: str) -> bool:
        """Take a setting, or whatever else has this name, out; False if it is not there."""
        keys = [key for key in self.values if name == key or as_field(key) == as_field(name)]
        for key in keys:
            del self.values[key]
        return bool(keys)

    def save(self) -> None:
        """Write the file, for its owner only.

        Raises:
            Refusal: if it cannot be written.
        """
        text = "".join(f"{_key(key)} = {_toml(value)}\n" for key, value in self.values.items())
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            problem = error.strerror or str(error)
            raise Refusal(
                f"{self.path.parent} cannot be made: {problem}", Exit.UNAVAILABLE
            ) from error
        with whole_file(self.path, force=True, mode=0o600) as file:
            file.write(text.encode())


def as_field(name: str) -> str:
    """The field of a setting that may be written as its variable."""
    return name.lower().removeprefix(PREFIX.lower())


def known_field(name: str) -> str:
    """The field of a setting.

    Raises:
        Refusal: if there is no such setting; names the nearest.
    """
    field = as_field(name)
    if field not in Settings.model_fields:
        raise Refusal(
            f"{name!r} is no setting: {did_you_mean(field, Settings.model_fields)}", Exit.USAGE
        )
    return field


def _value(field: str, text: str) -> Any:
    """What a text means as the value of a setting, as TOML has it."""
    kind = _NAMED.get(field)
    if kind is not None and text not in _registry.names(kind):
        hint = did_you_mean(text, _registry.names(kind))
        raise InvalidSettings(field, f"no {kind} is called {text!r}: {hint}")
    value = getattr(_validated({field: text}, field), field)
    return str(value) if isinstance(value, Path) else value


def _validated(values: dict[str, Any], source: str) -> Settings:
    try:
        return Settings.model_validate(values, context=ALONE)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        given = "what is given" if first["loc"][:1] == ("secret_key",) else repr(first["input"])
        raise InvalidSettings(source, f"{given} cannot be used: {first['msg']}") from None


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise InvalidSettings(str(path), f"cannot be read: {error}") from error


def _key(key: str) -> str:
    plain = key.isascii() and key.replace("_", "").replace("-", "").isalnum()
    return key if plain else _quoted(key)


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_key(key)} = {_toml(part)}' for key, part in value.items())}}}"
    if isinstance(value, str):
        return _quoted(value)
    return str(value)  # a number, a date or a time


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    letters = (c if c.isprintable() else f"\\U{ord(c):08x}" for c in escaped)
    return f'"{"".join(letters)}"'
