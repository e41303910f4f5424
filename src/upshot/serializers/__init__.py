"""How values become text and text becomes values again."""

from typing import Any

from upshot._registry import import_path as _import_path
from upshot.serializers.base import Serializer

_PLACES = {
    "CompressedJSONSerializer": "compressed",
    "CompressedPickleSerializer": "compressed",
    "CompressedSerializer": "compressed",
    "FramedPickleSerializer": "framed",
    "JSONSerializer": "json",
    "PickleSerializer": "pickle",
    "upshot_json_object_decoder": "json",
    "upshot_json_object_encoder": "json",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _import_path(f"{__name__}.{_PLACES[name]}.{name}")


__all__ = ["Serializer", *_PLACES]
