"""What is raised, and what stays, when a blob cannot be written, or its storage not be read."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest

from tests.unit.blobs import SERIALIZERS, Failing, Point, put, storage
from upshot._blob import describe_blob, read_blob
from upshot.exceptions import InvalidStorageKey, StorageUnavailable, UnserializableValue
from upshot.filesystems import LocalFileSystem
from upshot.serializers import PickleSerializer, Serializer

PICKLE = PickleSerializer()


class Wrong(Serializer):
    """Gives what it is told to, and nothing of the value."""

    type: Literal["test wrong"] = "test wrong"

    def dumps(self, value: Any) -> Any:
        if isinstance(value, BaseException):
            raise value
        return value

    def loads(self, text: bytes) -> Any:
        raise AssertionError


@pytest.fixture
def local(tmp_path: Path) -> Iterator[LocalFileSystem]:
    yield LocalFileSystem(basepath=tmp_path)
    assert not [path for path in tmp_path.rglob("*") if path.name.startswith(".upshot")]


@pytest.mark.parametrize("fill", [[], [bytes(300_000)]], ids=["small", "large"])
@pytest.mark.parametrize("serializer", SERIALIZERS.values(), ids=SERIALIZERS)
def test_a_value_that_cannot_be_written_leaves_what_was_there(
    serializer: Serializer, fill: list[bytes], local: LocalFileSystem
) -> None:
    put(local, serializer, "old")
    for key in ("key", "new"):
        with pytest.raises(UnserializableValue) as caught:
            put(local, serializer, [*fill, {"at": (Point(1, 2), threading.Lock())}], key)
    assert read_blob(local, "key") == "old"
    assert local.size("new") is None
    assert f"value[{len(fill)}]['at'][1]" in str(caught.value)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (b"caf\xe9", "base64"),
        ("text", "gave str"),
        (bytearray(b"text"), "gave bytearray"),
        (None, "gave NoneType"),
        (ValueError("not today"), "ValueError: not today"),
    ],
)
def test_a_serializer_that_gives_no_text_is_named(given: Any, problem: str) -> None:
    with pytest.raises(UnserializableValue, match="'test wrong'") as caught:
        put(storage("wrong"), Wrong(), given)
    assert problem in str(caught.value)
    assert storage("wrong").size("key") is None


@pytest.mark.parametrize("part", ["enter", "write", "exit"])
@pytest.mark.parametrize("value", [1, bytes(300_000)], ids=["small", "large"])
def test_a_storage_that_fails_is_unavailable(part: str, value: Any) -> None:
    for error in (OSError(28, "No space left on device"), RuntimeError("no such bucket")):
        with pytest.raises(StorageUnavailable, match="could not write 'key'") as caught:
            put(Failing(part=part, error=error), PICKLE, value)
        assert str(error) in caught.value.problem
        assert caught.value.__cause__ is error


@pytest.mark.parametrize("part", ["enter", "write", "exit"])
def test_what_a_storage_says_of_itself_is_not_changed(part: str) -> None:
    for error in (StorageUnavailable("s", "write", "p"), InvalidStorageKey("k", "r", "p")):
        with pytest.raises(type(error)) as caught:
            put(Failing(part=part, error=error), PICKLE, bytes(300_000))
        assert caught.value is error


@pytest.mark.parametrize("part", ["open", "read"])
@pytest.mark.parametrize("read", [read_blob, describe_blob])
def test_a_storage_that_cannot_be_read_is_unavailable(part: str, read: Any) -> None:
    for error in (PermissionError(13, "Permission denied"), TimeoutError("too late")):
        with pytest.raises(StorageUnavailable, match="could not read 'key'") as caught:
            read(Failing(part=part, error=error), "key")
        assert caught.value.__cause__ is error
    own = StorageUnavailable("s", "read", "p")
    with pytest.raises(StorageUnavailable) as caught:
        read(Failing(part=part, error=own), "key")
    assert caught.value is own


def test_the_end_of_a_failed_write_does_not_hide_why_it_failed() -> None:
    with pytest.raises(UnserializableValue):
        put(Failing(part="clean up", error=OSError()), PICKLE, [bytes(300_000), threading.Lock()])
