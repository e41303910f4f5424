"""What of a storage is secret: told by its types, by its class, or by what it looks like."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache, partial
from itertools import pairwise
from typing import Any
from urllib.parse import quote, unquote

from pydantic import BaseModel, Secret, SecretBytes, SecretStr, SerializationInfo, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError, core_schema, to_jsonable_python

HIDDEN = "**********"  # as pydantic shows its own
WITH_SECRETS = {"include_secrets": True}  # as a context of pydantic's
SECRETS = (Secret, SecretStr, SecretBytes)

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_CREDENTIALS = frozenset(
    {"auth", "authorization", "connectionstring", "credential", "credentials", "passphrase"}
    | {"passwd", "password", "private", "pwd", "sas", "secret", "secrets", "signature"}
    | {"token", "tokens"}
)
# `key` alone may be anything; at the end of a name it is a credential
_LAST = frozenset({"accesskey", "accountkey", "apikey", "key", "keys", "pkey"})
_OPEN = ("anon", "browser", "cache", "cloud", "google_default")  # kinds of tokens
_IN_TEXT = re.compile(
    r"://[^/@\s]*:[^/@\s]*@"  # a password in a URL
    r"|(?i:accountkey|password|pwd|secret|sharedaccess\w*|[?&](?:sig|signature|token))="
)


_PASSWORD = re.compile(
    r"://[^/@\s]*?:(?P<password>[^/@\s]+)@"
    r"|(?i:accountkey|password|pwd|secret|sharedaccess\w*|[?&](?:sig|signature|token))="
    r"(?P<said>[^;&\s]+)"
)
_SPELLINGS = (str, quote, partial(quote, safe=""), unquote, lambda text: repr(text)[1:-1])
_SHORTEST = 4  # letters of what is looked for in other texts
_DEEPEST = 20


@cache
def is_credential(name: str) -> bool:
    """Whether what goes by this name is taken for a secret: `account_key`, `clientSecret`, …"""
    words = [word.lower() for word in _WORDS.findall(name)]
    pairs = {first + second for first, second in pairwise(words)}
    return bool(words) and (words[-1] in _LAST or not _CREDENTIALS.isdisjoint({*words, *pairs}))


def is_credential_in(text: str) -> bool:
    """Whether a text has a password in it, as an URL or a connection string may."""
    return _IN_TEXT.search(text) is not None


def holds_secret(value: Any) -> bool:
    """Whether a value is a secret, or has one in it."""
    if isinstance(value, SECRETS):
        return True
    if isinstance(value, str):
        return is_credential_in(value)
    return any(_is_secret(name, part) for name, part in _parts(value))


def masked(value: Any) -> Any:
    """A value as it may be shown: with `**********` for each secret in it."""
    if not holds_secret(value):
        return value
    if isinstance(value, BaseModel | Mapping):
        return {
            str(name): HIDDEN if _by_name(name, part) else masked(part)
            for name, part in _parts(value)
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [masked(part) for part in value]
    return HIDDEN


def revealed(value: Any) -> Any:
    """A value, with what is in each secret in the secret's place."""
    if isinstance(value, SECRETS):
        return revealed(value.get_secret_value())
    if isinstance(value, BaseModel):
        return revealed(value.model_dump())
    if isinstance(value, Mapping):
        return {name: revealed(part) for name, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [revealed(part) for part in value]
    return value


def secret_fields(model: BaseModel) -> frozenset[str]:
    """The names of the fields of a storage that are kept from whoever has no key."""
    declared: frozenset[str] = frozenset(getattr(type(model), "secret_fields", ()))
    found = (name for name, value in _parts(model) if _is_secret(name, value))
    return declared.intersection(type(model).model_fields).union(found)


def shown(model: BaseModel) -> dict[str, Any]:
    """The fields of a storage as they may be shown."""
    return _hidden(model, dict(_parts(model)))


def written(model: BaseModel, fields: dict[str, Any], how: SerializationInfo) -> dict[str, Any]:
    """The fields of a storage, as pydantic has written them, with its secrets or without."""
    as_json = how.mode == "json"
    if isinstance(how.context, Mapping) and how.context.get("include_secrets"):
        opened = {name: revealed(getattr(model, name)) for name in secret_fields(model)}
        opened = to_jsonable_python(opened) if as_json else opened
        return {name: opened.get(name, value) for name, value in fields.items()}
    return _hidden(model, fields) if as_json else fields


def _hidden(model: BaseModel, fields: dict[str, Any]) -> dict[str, Any]:
    declared = getattr(type(model), "secret_fields", ())
    return {
        name: HIDDEN
        if value is not None and (name in declared or _by_name(name, value))
        else masked(value)
        for name, value in fields.items()
    }


def secret_texts(value: Any, name: Any = None) -> set[str]:
    """What a text must not hold if it is to tell no secret of a value."""
    if isinstance(value, SECRETS):
        return secret_texts(value.get_secret_value(), "secret")
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    if not isinstance(value, str):
        parts = ((name if key is None else key, part) for key, part in _parts(value))
        return {text for key, part in parts for text in secret_texts(part, key)}
    found = {match["password"] or match["said"] for match in _PASSWORD.finditer(value)}
    if name == "secret" or _by_name(name, value):
        found.add(value)
    spelled = {spell(text) for text in found for spell in _SPELLINGS}
    return {text for text in spelled if len(text) >= _SHORTEST}


def without(secrets: set[str], text: str) -> str:
    """A text with `**********` for each of these secrets."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return text


def tells(secrets: set[str], error: BaseException | None) -> bool:
    """Whether an exception, or one that it came from, has one of these secrets in its text."""
    for _ in range(_DEEPEST):
        if error is None:
            return False
        said = f"{error}{error!r}{getattr(error, '__notes__', '')}"
        if any(secret in said for secret in secrets):
            return True
        error = error.__cause__ or error.__context__
    return True


def fields_with_secrets(schema: Any) -> frozenset[str]:
    """The names of the fields of a typed dict that are, or hold, secrets or storages.

    Args:
        schema: pydantic's, of the typed dict.
    """
    definitions = {one["ref"]: one for one in schema.get("definitions", ())}
    inner = schema["schema"] if definitions else schema
    return frozenset(
        name for name, field in inner["fields"].items() if _has_secret(field, definitions, set())
    )


def _has_secret(schema: Any, definitions: dict[str, Any], seen: set[str]) -> bool:
    if isinstance(schema, list | tuple):
        return any(_has_secret(part, definitions, seen) for part in schema)
    if not isinstance(schema, dict):
        return False
    cls, ref = schema.get("cls"), schema.get("schema_ref")
    if isinstance(cls, type) and (issubclass(cls, SECRETS) or hasattr(cls, "secret_fields")):
        return True
    if isinstance(ref, str) and ref not in seen:
        seen.add(ref)
        return _has_secret(definitions.get(ref), definitions, seen)
    parts = (part for key, part in schema.items() if key not in ("default", "metadata"))
    return any(_has_secret(part, definitions, seen) for part in parts)


def without_input(fields: Any, handler: core_schema.ValidatorFunctionWrapHandler) -> Any:
    """Validate `fields`; the error, if any, has nothing of them in its text and its pickle.

    It may be kept with a failed run.
    """
    try:
        return handler(fields)
    except ValidationError as error:
        title = error.title
        found = [_without_input(title, one) for one in error.errors(include_url=False)]
        raise ValidationError.from_exception_data(title, found, hide_input=True) from None


def _without_input(title: str, error: Any) -> InitErrorDetails:
    ctx = error.get("ctx", {})
    told = InitErrorDetails(type=error["type"], loc=error["loc"], input=HIDDEN, ctx=ctx)
    try:
        ValidationError.from_exception_data(title, [told])
    except (KeyError, TypeError, ValueError):  # a type of the user's
        told["type"] = PydanticCustomError(error["type"], error["msg"])
    return told


def _is_secret(name: Any, value: Any) -> bool:
    return _by_name(name, value) or holds_secret(value)


def _by_name(name: Any, value: Any) -> bool:
    """Whether a name makes what goes by it a secret; what is in a model or dict has own names."""
    if not isinstance(value, str | bytes | list | tuple) or not value or value in _OPEN:
        return False
    return isinstance(name, str) and is_credential(name)


def _parts(value: Any) -> list[tuple[Any, Any]]:
    if isinstance(value, BaseModel):
        return [(name, getattr(value, name, None)) for name in type(value).model_fields]
    if isinstance(value, Mapping):
        return list(value.items())
    if isinstance(value, list | tuple | set | frozenset):
        return [(None, part) for part in value]
    return []
