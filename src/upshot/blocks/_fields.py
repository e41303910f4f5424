"""The fields of a storage as the run store has them: in the clear, and encrypted."""

from __future__ import annotations

import base64
from typing import Any

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError, to_json, to_jsonable_python

from upshot import _registry
from upshot._later import json
from upshot.blocks._keys import key_file
from upshot.exceptions import InvalidOption, UnreadableBlock
from upshot.filesystems import FileSystem
from upshot.filesystems._secrets import HIDDEN, revealed, secret_fields
from upshot.records import Block
from upshot.settings import get_current_settings

_BYTES = "upshot:bytes"


def vault(*, make: bool) -> Any:
    """The `Vault` of the settings in force."""
    return _registry.load("room", "vault")(get_current_settings(), make=make)


def recorded(storage: FileSystem) -> tuple[str, str | None]:
    """A storage's public fields as JSON, and its secret ones; None if it has none.

    Raises:
        InvalidOption: if one cannot be recorded.
    """
    names = set(secret_fields(storage))
    try:
        public = to_json(storage.model_dump(mode="json", exclude=names)).decode()
        if not names:
            return public, None
        secret = _plain(revealed(storage.model_dump(include=names)))
        return public, json.dumps(secret, sort_keys=True)
    except PydanticSerializationError as error:
        if error.__cause__ is not None and not isinstance(error.__cause__, Exception):
            raise error.__cause__ from None  # an interrupt, which pydantic takes for an error
        problem = f"the fields of {type(storage).__name__} cannot be recorded: {error}"
        raise InvalidOption("result_storage", problem) from error


def encrypted(secret: str) -> str:
    """Secret fields as the run store has them: their names, and what only a key makes readable."""
    token: str = vault(make=True).encrypt(secret)
    return f"{','.join(json.loads(secret))}:{token}"


def rotated(secrets: str) -> str | None:
    """The same, encrypted with the newest key; None if no key here decrypts them."""
    names, _, token = secrets.partition(":")
    anew = vault(make=False).rotate(token)
    return None if anew is None else f"{names}:{anew}"


def digest(secret: str) -> str:
    """What tells secret fields from others, to whom has the key."""
    told: str = vault(make=True).digest(secret)
    return told


def shown_fields(block: Block) -> dict[str, Any]:
    """The fields of a recorded storage as they may be shown; needs no key."""
    names = block.secrets.partition(":")[0].split(",") if block.secrets else []
    return {**json.loads(block.fields), **dict.fromkeys(names, HIDDEN)}


def title(block: Block) -> str:
    """What messages call a recorded storage."""
    return f"{block.type}/{block.name}" if block.name is not None else f"{block.type} {block.id}"


def fields_of(block: Block) -> tuple[dict[str, Any], dict[str, Any]]:
    """The public and the secret fields of a recorded storage, as JSON has them.

    Raises:
        UnreadableBlock: if no key here decrypts its secrets.
        UnusableKey: if the key cannot be read.
    """
    public = json.loads(block.fields)
    if block.secrets is None:
        return public, {}
    text = vault(make=False).decrypt(block.secrets.partition(":")[2])
    if text is None:
        place = key_file(get_current_settings())
        raise UnreadableBlock.without_key(title(block), str(place))
    return public, json.loads(text, object_hook=_with_bytes)


def restored(cls: type[FileSystem], block: Block) -> FileSystem:
    """The storage that was recorded.

    Raises:
        UnreadableBlock: if no key here decrypts its secrets, or its class has other fields now.
        UnusableKey: if the key cannot be read.
    """
    try:
        if block.secrets is None:
            storage = cls.model_validate_json(block.fields)
        else:
            public, secret = fields_of(block)
            storage = cls.model_validate(public | secret)
    except ValidationError as error:
        problem = f"its fields do not fit {cls.__qualname__}: {error}"
        raise UnreadableBlock(title(block), problem) from None
    storage.identified(block.id, name=block.name)
    return storage


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    if isinstance(value, bytes):
        return {_BYTES: base64.b64encode(value).decode()}
    return to_jsonable_python(value)


def _with_bytes(fields: dict[str, Any]) -> Any:
    return base64.b64decode(fields[_BYTES]) if fields.keys() == {_BYTES} else fields
