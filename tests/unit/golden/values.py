"""What the golden blobs hold. Nothing here may change but by additions: old blobs name it."""

import datetime as dt
import decimal
import pathlib
import pickle
import uuid
from dataclasses import dataclass
from typing import Any, Literal

from upshot.serializers import (
    CompressedJSONSerializer,
    CompressedPickleSerializer,
    CompressedSerializer,
    JSONSerializer,
    PickleSerializer,
    Serializer,
)


@dataclass
class Point:
    x: float
    y: float
    note: bytes = b""


class GoldenSerializer(Serializer):
    """A serializer of a user's."""

    type: Literal["test golden"] = "test golden"
    quote: str = '"'

    def dumps(self, value: Any) -> bytes:
        return f"{self.quote}{value!r}\n".encode()

    def loads(self, text: bytes) -> Any:
        return eval(text.decode().removeprefix(self.quote))


SERIALIZERS: dict[str, Serializer] = {
    "pickle": PickleSerializer(),
    "pickle-pickle": PickleSerializer(picklelib="pickle", picklelib_version="4.0"),
    "json": JSONSerializer(),
    "json-kwargs": JSONSerializer(dumps_kwargs={"indent": 1, "ensure_ascii": False}),
    "compressed-pickle": CompressedPickleSerializer(),
    "compressed-json": CompressedJSONSerializer(),
    "compressed-zlib": CompressedSerializer(serializer="json", compressionlib="zlib"),
    "custom": GoldenSerializer(),
}
PLAIN: dict[str, Any] = {
    "number": -(2**70),
    "text": 'größe ☃ 😀 "quoted" back\\slash \x00\n',
    "nested": {"a": [1, 2.5, {"b": None, "c": [True, False]}], "__class__": "mine"},
    "large": {"items": [f"größe {index}" for index in range(5_000)]},
}
OBJECTS: dict[str, Any] = {
    "scalars": [
        uuid.UUID("12345678-1234-5678-1234-567812345678"),
        decimal.Decimal("1.10"),
        1 - 2.5j,
        pathlib.PurePosixPath("a/b"),
        b"text",
        bytes(range(256)),
        {1},
        frozenset({("a", 1)}),
    ],
    "times": [
        dt.datetime(2024, 2, 29, 12, 30, 15, 9),  # noqa: DTZ001
        dt.datetime(2024, 2, 29, 12, 30, tzinfo=dt.UTC),
        dt.datetime(2024, 2, 29, 12, 30, tzinfo=dt.timezone(dt.timedelta(hours=5, minutes=30))),
        dt.date(2024, 2, 29),
        dt.time(1, 2, 3, 4),
        dt.timedelta(days=-3, microseconds=7),
    ],
    "dataclass": [Point(0.5, 1.0), Point(1.0, 2.0, b"\xff")],
}


class Block:
    """Something that has a buffer of its own beside its pickle."""

    def __init__(self, content: Any) -> None:
        self.content = bytes(content)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Block) and self.content == other.content

    __hash__ = None  # type: ignore[assignment]

    def __reduce_ex__(self, protocol: Any) -> Any:
        return Block, (pickle.PickleBuffer(self.content),)


FRAMES: dict[str, Any] = {
    "no-frames": PLAIN["nested"],
    "two-frames": [Block(bytes(range(256))), "between", Block(b"other" * 30)],
}


def values_of(serializer: str) -> dict[str, Any]:
    return PLAIN if serializer == "custom" else PLAIN | OBJECTS
