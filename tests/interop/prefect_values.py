"""Values that upshot writes and Prefect reads; a module of its own that both sides import."""

import collections
import datetime as dt
import decimal
import enum
import ipaddress
import pathlib
import uuid
from dataclasses import dataclass, field
from typing import Any


class Colour(enum.Enum):
    RED = "red"
    PAIR = ("a", 1)


@dataclass
class Point:
    x: float
    y: float = 0.0


@dataclass
class Record:
    name: str
    points: list[Point] = field(default_factory=list)
    data: bytes = b""
    pair: tuple[int, str] = (0, "")
    anything: Any = None


class OddError(Exception):
    pass


ID = uuid.UUID("12345678-1234-5678-1234-567812345678")
BOTH = {
    "null": None,
    "bool": True,
    "int": -(2**70),
    "float": 0.1,
    "nan": float("nan"),
    "text": 'größe ☃ 😀 "quoted" back\\slash \x00\x7f\u2028\n',
    "list": [1, "two", [3.0, None]],
    "dict": {"a": {"b": [1, {"c": False}]}},
    "large": [f"item {index}" for index in range(20_000)],
    "uuid": ID,
    "bytes": b"plain",
    "utf-8": "größe".encode(),
    "set": {"a"},
    "frozenset": frozenset({("a", 1)}),
    "datetime": dt.datetime(2024, 2, 29, 12, 30, 15, 9),  # noqa: DTZ001
    "utc": dt.datetime(2024, 2, 29, 12, 30, tzinfo=dt.timezone.utc),  # noqa: UP017
    "date": dt.date(2024, 1, 1),
    "time": dt.time(1, 2, 3),
    "timedelta": dt.timedelta(days=-3, seconds=5, microseconds=7),
    "decimal": decimal.Decimal("1.10"),
    "path": pathlib.Path("a/b"),
    "enum": [Colour.RED, Colour.PAIR],
    "dataclass": Record("r", [Point(0.5)], b"abc", (1, "one")),
    "dataclass of anything": Record("s", [Point(0.5)], anything={"id": ID, "dates": (1, 2)}),
    "address": ipaddress.IPv4Address("127.0.0.1"),
    "deque": collections.deque([1, 2]),
    "look-alike": {"__class__": "builtins.int", "data": "5"},
    "nested": {"id": ID, "list": [{"set": {1}}]},
    "exception": OddError("nope"),
}
PICKLED_ONLY = {
    "tuple": (1, (2,)),
    "complex": 1 - 2.5j,
    "raw bytes": bytes(range(256)),
    "many bytes": b"\x00\xff" * 500_000,
    "exception with arguments": KeyError("missing"),
}
