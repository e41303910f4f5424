import collections
import datetime as dt
import decimal
import enum
import ipaddress
import pathlib
import pickle
import re
import threading
import uuid
import zoneinfo
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Literal

import pydantic
import pytest

from upshot.serializers import (
    CompressedJSONSerializer,
    CompressedPickleSerializer,
    CompressedSerializer,
    FramedPickleSerializer,
    JSONSerializer,
    PickleSerializer,
    Serializer,
)
from upshot.testing import SerializerContract

PLAIN: list[Any] = [
    None,
    True,
    0,
    -(2**70),
    0.1,
    1e300,
    "",
    "text",
    'größe ☃ 😀 "quoted" back\\slash \x00\x1f\x7f\u2028 line\r\nend',
    "lone \ud800 surrogate",
    [],
    {},
    [1, "two", [3.0, None]],
    {"a": {"b": [1, 2, {"c": False}]}, "": 0},
    [{"key": f"value {index}", "index": index} for index in range(3_000)],
    "😀\\\n" * 50_000,
]


class Colour(enum.Enum):
    RED = "red"
    NESTED = ("a", 1)


class Model(pydantic.BaseModel):
    id: int
    amount: decimal.Decimal = decimal.Decimal("1.10")
    tags: tuple[str, ...] = ()
    due: dt.datetime | None = None
    anything: Any = None
    data: bytes = b""


class Node(pydantic.BaseModel):
    children: list["Node"] = []


@dataclass
class Point:
    x: float
    y: float = 0.0
    label: str = ""


@dataclass
class Record:
    name: str
    points: list[Point] = field(default_factory=list)
    data: bytes = b""
    pair: tuple[int, str] = (0, "")
    anything: Any = None
    by_id: dict[uuid.UUID, int] = field(default_factory=dict)
    total: int = field(default=0, init=False)

    class Inner(enum.Enum):
        ONE = 1


ID = uuid.UUID("12345678-1234-5678-1234-567812345678")
BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
OBJECTS: list[Any] = [
    ID,
    [b"", b"plain ascii"],
    "größe".encode(),
    bytes(range(256)),
    [{1, 2, 3}, set()],
    frozenset({"a", (1, (2, ID)), frozenset({b"\xff"})}),
    dt.datetime(2024, 2, 29, 12, 30, 15, 9),  # noqa: DTZ001
    dt.datetime(2024, 2, 29, 12, 30, tzinfo=dt.UTC),
    dt.datetime(2024, 2, 29, 12, 30, tzinfo=dt.timezone(dt.timedelta(hours=5, minutes=30))),
    dt.datetime(2024, 7, 1, 12, 30, tzinfo=BERLIN),
    dt.datetime(2024, 10, 27, 2, 30, tzinfo=BERLIN, fold=1),
    dt.date(1, 1, 1),
    dt.time(23, 59, 59, 999_999),
    dt.time(1, 2, tzinfo=dt.UTC),
    [dt.timedelta(days=-3, seconds=5, microseconds=7), dt.timedelta(0)],
    [decimal.Decimal("1.10"), decimal.Decimal("-Infinity")],
    1 - 2.5j,
    pathlib.Path("data/größe.csv"),
    [pathlib.PurePosixPath("/a/b"), pathlib.PureWindowsPath("C:\\a")],
    Colour.RED,
    [Colour.NESTED, Record.Inner.ONE],
    Model(id=1),
    Model(id=2, tags=("a",), due=dt.datetime(2024, 1, 1, tzinfo=dt.UTC), data=b"\xff\x00"),
    Model(id=3, anything={"when": dt.date(2024, 1, 1), "who": [ID, Point(1, 2)]}),
    Node(children=[Node(), Node(children=[Node()])]),
    Point(1.5, -2.0, "p"),
    Point("not", "checked", 5),  # type: ignore[arg-type]
    Record("r", [Point(0.5), Point(1.0, 2.0)], b"\xff", (1, "one"), {ID, "x"}, {ID: 1}),
    Record("s", anything=[Point(1.0), Model(id=1), {"__class__": "builtins.int", "data": "5"}]),
    ipaddress.IPv4Address("127.0.0.1"),
    re.compile("a+"),
    collections.deque([1, 2]),
    {"id": ID, "nested": [{"set": {1}}, b"\xfe"]},
    # dicts that look like what stands for an object
    {"__class__": "builtins.int", "data": "5"},
    {"__class__": "not_there.Thing", "data": 1},
    {"__exc_type__": "builtins.ValueError", "message": "no"},
    {"__bytes__": "AAAA"},
    {"list": [{"__class__": 1, "id": ID}], "text": "__class__"},
]


class Reversed(Serializer):
    """A serializer as a user writes it; its text holds everything that JSON escapes."""

    type: Literal["test reversed"] = "test reversed"
    prefix: str = '"\\\n'

    def dumps(self, value: str) -> bytes:
        return (self.prefix + value)[::-1].encode()

    def loads(self, text: bytes) -> str:
        return text.decode()[::-1].removeprefix(self.prefix)


class Chunked(Serializer):
    """One that speaks in pieces, and cuts characters in two."""

    type: Literal["test chunked"] = "test chunked"

    def dumps(self, value: str) -> bytes:
        return value.encode()

    def loads(self, text: bytes) -> str:
        return text.decode()

    def dump_to(self, value: str, write: Callable[[bytes], object]) -> None:
        text = self.dumps(value)
        for start in range(0, len(text), 7):
            write(text[start : start + 7])

    def load_from(self, reader: BinaryIO) -> str:
        return b"".join(iter(lambda: reader.read(11), b"")).decode()


class _Contract(SerializerContract):
    @pytest.fixture(params=[*PLAIN, *OBJECTS], ids=lambda value: type(value).__name__)
    def value(self, request: pytest.FixtureRequest) -> Any:
        return request.param

    @pytest.fixture
    def refused(self) -> list[Any]:
        return [threading.Lock()]


class TestPickle(_Contract):
    @pytest.fixture(params=["cloudpickle", "tests.contracts.test_serializers"])
    def serializer(self, request: pytest.FixtureRequest) -> Serializer:
        return PickleSerializer(picklelib=request.param)

    @pytest.mark.parametrize("value", [(1, (2,)), bytearray(b"x"), bytes(3_000_001), range(3)])
    def test_it_also_takes_what_json_cannot(self, serializer: Serializer, value: Any) -> None:
        self.test_a_value_comes_back_equal(serializer, value)
        self.test_it_comes_back_in_pieces_as_well(serializer, value)


class TestFramedPickle(_Contract):
    @pytest.fixture(params=["cloudpickle", "pickle"])
    def serializer(self, request: pytest.FixtureRequest) -> Serializer:
        return FramedPickleSerializer(picklelib=request.param)


class TestJSON(_Contract):
    @pytest.fixture(params=[{}, {"indent": 2, "ensure_ascii": True}])
    def serializer(self, request: pytest.FixtureRequest) -> Serializer:
        return JSONSerializer(dumps_kwargs=request.param)


class TestCompressedPickle(_Contract):
    @pytest.fixture
    def serializer(self) -> Serializer:
        return CompressedPickleSerializer(compressionlib="zlib")


class TestCompressedJSON(_Contract):
    @pytest.fixture
    def serializer(self) -> Serializer:
        return CompressedJSONSerializer(compressionlib="zlib")


EXTRAS = {"lz4": "lz4.frame", "zstd": "zstandard"}


class TestCompression(SerializerContract):
    @pytest.fixture(
        params=["bz2", "gzip", "lz4", "lzma", "zlib", "zstd", "tests.contracts.test_serializers"]
    )
    def library(self, request: pytest.FixtureRequest) -> str:
        if request.param in EXTRAS:
            pytest.importorskip(EXTRAS[request.param])
        return request.param

    @pytest.fixture(params=["json", "pickle", "test reversed", "compressed/pickle"])
    def serializer(self, request: pytest.FixtureRequest, library: str) -> Serializer:
        return CompressedSerializer(serializer=request.param, compressionlib=library)

    @pytest.fixture(params=["", "text", "größe\n" * 100_000])
    def value(self, request: pytest.FixtureRequest) -> str:
        return request.param

    @pytest.fixture
    def refused(self) -> list[Any]:
        return []


class TestCustomSerializers(SerializerContract):
    @pytest.fixture(params=[Reversed(), Reversed(prefix="other"), Chunked()])
    def serializer(self, request: pytest.FixtureRequest) -> Serializer:
        return request.param

    @pytest.fixture(params=["", "text", 'größe "😀" \\ \n\0\x7f', "\\" * 70_000])
    def value(self, request: pytest.FixtureRequest) -> str:
        return request.param

    @pytest.fixture
    def refused(self) -> list[Any]:
        return []


# this module is a pickle library, and a compression library, of its own
def dumps(value: Any) -> bytes:
    return b"own" + pickle.dumps(value)


def loads(data: bytes) -> Any:
    return pickle.loads(data.removeprefix(b"own"))


def compress(data: bytes) -> bytes:
    return data[::-1]


decompress = compress
