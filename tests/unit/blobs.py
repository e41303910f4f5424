"""What the tests of blobs share."""

import decimal
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, BinaryIO, Literal
from uuid import UUID

from pydantic import Field

from upshot._blob import Written, write_blob
from upshot.filesystems import FileSystem, MemoryFileSystem
from upshot.serializers import (
    CompressedJSONSerializer,
    CompressedPickleSerializer,
    JSONSerializer,
    PickleSerializer,
    Serializer,
)

CREATED = datetime(2024, 5, 1, 12, 30, 0, 5, tzinfo=UTC)


@dataclass
class Point:
    x: float
    y: float


class Shouting(Serializer):
    """A user's serializer. Its text has everything that JSON escapes."""

    type: Literal["test shouting"] = "test shouting"
    inner: Serializer = JSONSerializer()
    data: str = "a field as the blob's own"

    def dumps(self, value: Any) -> bytes:
        return b'"!\\' + self.inner.dumps(value)

    def loads(self, text: bytes) -> Any:
        return self.inner.loads(text.removeprefix(b'"!\\'))


class OneBlob(FileSystem):
    """Holds the same bytes under every key."""

    content: bytes = Field(repr=False)

    def read_path(self, path: str) -> bytes:
        return self.content

    def write_path(self, path: str, content: bytes) -> None:
        raise AssertionError


class Failing(FileSystem):
    """Raises `error` in one of its parts."""

    part: str = ""
    error: Any = None

    def read_path(self, path: str) -> bytes:
        raise AssertionError

    def write_path(self, path: str, content: bytes) -> None:
        raise AssertionError

    def open(self, key: str) -> BinaryIO:
        if self.part == "open":
            raise self.error
        return _FailingFile(self.error)

    @contextmanager
    def writing(self, key: str) -> Iterator[BinaryIO]:
        if self.part == "enter":
            raise self.error
        try:
            yield _FailingFile(self.error if self.part == "write" else None)
            if self.part == "exit":
                raise self.error
        finally:
            if self.part == "clean up":
                raise self.error


class _FailingFile(io.BytesIO):
    def __init__(self, error: Exception | None) -> None:
        self.error = error

    def read(self, size: int | None = -1, /) -> bytes:
        raise self.error or AssertionError

    def write(self, data: Any, /) -> int:
        if self.error:
            raise self.error
        return len(data)


SERIALIZERS: dict[str, Serializer] = {
    "pickle": PickleSerializer(),
    "json": JSONSerializer(),
    "compressed pickle": CompressedPickleSerializer(),
    "compressed json": CompressedJSONSerializer(),
    "custom": Shouting(),
}
VALUES: dict[str, Any] = {
    "number": 42,
    "text": 'größe ☃ 😀 "quoted" back\\slash \x00\n',
    "list": [1, "two", [3.0, None, True]],
    "dict": {"a": {"b": [1, {"c": False}]}, "d": "e" * 60},
    "uuid": UUID("12345678-1234-5678-1234-567812345678"),
    "bytes": bytes(range(40)),
    "date": date(2024, 2, 29),
    "set": {decimal.Decimal("1.10")},
    "object": Point(0.5, 1.5),
    "objects": [Point(0.25, 1.5), {"id": UUID(int=0)}],
}


def storage(name: str = "blobs") -> MemoryFileSystem:
    return MemoryFileSystem(name=f"tests.{name}")


def put(storage: FileSystem, serializer: Serializer, value: Any, key: str = "key") -> Written:
    return write_blob(storage, key, serializer, value, created=CREATED)


def blob_of(serializer: Serializer, value: Any) -> bytes:
    put(storage("one"), serializer, value)
    content = storage("one").read_path("key")
    assert isinstance(content, bytes)
    return content
