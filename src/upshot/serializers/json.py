"""Values as JSON."""

from __future__ import annotations

from typing import Any, Literal

import orjson
from pydantic import Field, JsonValue, field_validator

from upshot import _registry
from upshot.serializers._json_objects import (
    decode_object,
    encode_object,
    looks_tagged,
    shield,
)
from upshot.serializers._trouble import unserializable
from upshot.serializers.base import Serializer

_ORJSON_LOADS = orjson.loads
_ENCODER = f"{__name__}.upshot_json_object_encoder"
_DECODER = f"{__name__}.upshot_json_object_decoder"


def upshot_json_object_encoder(obj: Any) -> Any:
    """What stands in JSON for an object that JSON has no form for.

    Raises:
        TypeError: if nothing can stand for it that would be read back as an equal object.
    """
    return encode_object(obj)


def upshot_json_object_decoder(fields: dict[str, Any]) -> Any:
    """The object that stands behind a JSON object; the JSON object itself if none does."""
    return decode_object(fields)


class JSONSerializer(Serializer):
    """JSON text. The whole text is in memory when it is made and when it is read.

    What JSON knows comes back as JSON has it: a tuple as a list, the key 1 as "1". With the
    default encoder and decoder these come back as they were: UUIDs, bytes, sets, dates, times,
    decimals, complex numbers, paths, enums, dataclasses, pydantic models, and exceptions (their
    type and message).

    Attributes:
        jsonlib: import path of a library with `dumps` and `loads`.
        object_encoder: import path of what `dumps` is given as `default`; None for nothing.
        object_decoder: import path of what `loads` is given as `object_hook`; None for nothing.
        dumps_kwargs: further arguments of `dumps`, as JSON has them, for they stand in blobs.
        loads_kwargs: further arguments of `loads`, likewise.
    """

    type: Literal["json"] = "json"
    jsonlib: str = "json"
    object_encoder: str | None = _ENCODER
    object_decoder: str | None = _DECODER
    dumps_kwargs: dict[str, JsonValue] = Field(default_factory=dict)
    loads_kwargs: dict[str, JsonValue] = Field(default_factory=dict)

    @field_validator("dumps_kwargs")
    @classmethod
    def _leave_default_alone(cls, options: dict[str, JsonValue]) -> dict[str, JsonValue]:
        if "default" in options:
            raise ValueError("`default` cannot be given here; set `object_encoder` instead.")
        return options

    @field_validator("loads_kwargs")
    @classmethod
    def _leave_object_hook_alone(cls, options: dict[str, JsonValue]) -> dict[str, JsonValue]:
        if "object_hook" in options:
            raise ValueError("`object_hook` cannot be given here; set `object_decoder` instead.")
        return options

    def dumps(self, value: Any) -> bytes:
        """The JSON of a value."""
        try:
            text = self._dumps(value)
            if self.object_decoder == _DECODER and looks_tagged(text):
                # a dict of the user's that looks like ours must come back as it is
                shielded = shield(value)
                text = text if shielded is value else self._dumps(shielded)
            return text
        except Exception as error:
            raise unserializable(self.type, value, error, self._dumps) from error

    def loads(self, text: bytes) -> Any:
        """The value of a JSON text."""
        library = _registry.import_path(self.jsonlib)
        hook = self.object_decoder and _registry.import_path(self.object_decoder)
        if hook and library.loads is _ORJSON_LOADS:
            # it writes with an encoder, and has no hook for reading
            return _hooked(library.loads(text.decode(), **self.loads_kwargs), hook)
        hooks = {"object_hook": hook} if hook else {}
        return library.loads(text.decode(), **hooks, **self.loads_kwargs)

    def description(self) -> dict[str, Any]:
        """What a blob says of this serializer.

        The default encoder and decoder are left out: whoever reads takes its own.
        """
        fields = self.model_dump(mode="json")
        for name, default in (("object_encoder", _ENCODER), ("object_decoder", _DECODER)):
            if fields[name] == default:
                del fields[name]
        return fields

    def _dumps(self, value: Any) -> bytes:
        library = _registry.import_path(self.jsonlib)
        encoder = self.object_encoder and _registry.import_path(self.object_encoder)
        hooks = {"default": encoder} if encoder else {}
        text = library.dumps(value, **hooks, **self.dumps_kwargs)
        return text.encode() if isinstance(text, str) else bytes(text)


def _hooked(value: Any, hook: Any) -> Any:
    if isinstance(value, list):
        return [_hooked(item, hook) for item in value]
    if isinstance(value, dict):
        return hook({key: _hooked(item, hook) for key, item in value.items()})
    return value
