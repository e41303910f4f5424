"""What a blob consists of, and which error stands for which trouble."""

import importlib
import json
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Literal

import pytest
from xxhash import xxh3_128_hexdigest

from tests.unit.blobs import (
    CREATED,
    SERIALIZERS,
    VALUES,
    Failing,
    OneBlob,
    Shouting,
    blob_of,
    put,
    storage,
)
from upshot import __version__
from upshot._blob import describe_blob, read_blob, write_blob
from upshot.exceptions import (
    BlobMissing,
    BlobReplaced,
    UnreadableResult,
)
from upshot.serializers import JSONSerializer, PickleSerializer, Serializer

JSON = JSONSerializer()
PICKLE = PickleSerializer()


class Hostile:
    """Raises when it is unpickled, an error that cannot even say what it is."""

    class Error(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    def __reduce__(self) -> Any:
        return _fail, ()


def _fail() -> None:
    raise Hostile.Error


class Leaving:
    """Ends the process when it is unpickled."""

    def __reduce__(self) -> Any:
        return sys.exit, ()


def reason(content: bytes) -> str:
    with pytest.raises(UnreadableResult) as caught:
        read_blob(OneBlob(content=content), "key")
    return caught.value.reason


@pytest.mark.parametrize("serializer", SERIALIZERS.values(), ids=SERIALIZERS)
@pytest.mark.parametrize("value", [VALUES["dict"], ["größe\\"] * 20_000], ids=["small", "large"])
def test_a_blob_is_one_json_document(serializer: Serializer, value: Any) -> None:
    written = put(storage(), serializer, value)
    content = storage().read_path("key")
    document = json.loads(content)
    assert list(document) == ["serializer", "data", "upshot_version", "created", "digest"]
    assert document["serializer"] == serializer.description()
    assert serializer.loads(document["data"].encode()) == value
    assert document["upshot_version"] == __version__
    assert datetime.fromisoformat(document["created"]) == CREATED
    assert document["digest"] == written.digest
    assert written.size == len(content)


def test_the_digest_is_of_every_byte_up_to_the_end_of_the_data() -> None:
    content = blob_of(PICKLE, VALUES["object"])
    covered = content[: content.index(b',"upshot_version"')]
    assert json.loads(content)["digest"] == f"xxh3-128:{xxh3_128_hexdigest(covered)}"


def test_the_time_is_written_as_utc() -> None:
    created = CREATED.astimezone(timezone(timedelta(hours=-7)))
    write_blob(storage(), "key", JSON, 1, created=created)
    assert json.loads(storage().read_path("key"))["created"] == "2024-05-01T12:30:00.000005+00:00"


def test_a_blob_describes_itself() -> None:
    written = put(storage(), PICKLE, VALUES["list"])
    described = describe_blob(storage(), "key")
    assert described.serializer == PICKLE.description()
    assert (described.upshot_version, described.created) == (__version__, CREATED)
    assert (described.digest, described.size) == (written.digest, written.size)


def test_later_versions_may_say_more_after_the_data() -> None:
    content = blob_of(JSON, [1])[:-1] + b',"later":{"x":["\\"",1]},"more":null}'
    assert read_blob(OneBlob(content=content), "key") == [1]
    assert describe_blob(OneBlob(content=content), "key").upshot_version == __version__


def test_a_serializer_may_have_fields_named_as_the_blobs_own() -> None:
    serializer = Shouting(data='x"},"data":"', inner=Shouting(data='","upshot_version":"'))
    for value in (VALUES["dict"], ["x"] * 50_000):
        put(storage(), serializer, value)
        assert read_blob(storage(), "key") == value


def test_a_missing_blob_is_named() -> None:
    for read in (read_blob, describe_blob):
        with pytest.raises(BlobMissing, match="nothing under 'no such key'"):
            read(storage(), "no such key")


@pytest.mark.parametrize("size", [10, 100_000])
def test_a_blob_that_is_whole_and_another_is_replaced(size: int) -> None:
    first = put(storage(), PICKLE, bytes(size))
    second = put(storage(), PICKLE, b"\1" * size)
    assert first.size == second.size
    with pytest.raises(BlobReplaced):
        read_blob(storage(), "key", digest=first.digest)
    with pytest.raises(BlobReplaced):
        read_blob(storage(), "key", size=first.size + 1)
    assert read_blob(storage(), "key", digest=second.digest, size=second.size) == b"\1" * size


@pytest.mark.parametrize("size", [10, 100_000])
def test_a_blob_that_is_damaged_is_not_called_replaced(size: int) -> None:
    written = put(storage(), PICKLE, bytes(size))
    content = storage().read_path("key")
    for changed in (content[:-40], content.replace(b"AAAAA", b"AAAAB", 1)):
        with pytest.raises(UnreadableResult):
            read_blob(OneBlob(content=changed), "key", digest=written.digest, size=written.size)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 100_000,
        b"{}",
        b"null",
        b'{"serializer":{"type":"json"},"data":"1"}',
        b'{"serializer": {"type": "json"}, "data": "1", "prefect_version": "2.20.25"}',
        b'","upshot_version":"',
        b'{"x":"","upshot_version":"","digest":1}',
        b'","upshot_version":"'.join([b"{"] * 5000),
    ],
)
def test_what_is_no_blob_is_unreadable(content: bytes) -> None:
    assert "does not end as a blob does" in reason(content)
    with pytest.raises(UnreadableResult):
        describe_blob(OneBlob(content=content), "key")


def resealed(content: bytes, old: bytes, new: bytes) -> bytes:
    """A blob with something else in it, and the digest that belongs to that."""
    head, end = content.replace(old, new).split(b',"upshot_version"')
    digest = json.loads(content)["digest"].encode()
    return (head + b',"upshot_version"' + end).replace(
        digest, b"xxh3-128:" + xxh3_128_hexdigest(head).encode()
    )


def test_a_blob_of_an_unknown_serializer_says_which() -> None:
    content = resealed(blob_of(JSON, 1), b'"json",', b'"parquet",')
    assert "'parquet'" in reason(content)


def test_a_blob_with_an_unknown_serializer_option_is_unreadable() -> None:
    content = resealed(blob_of(JSON, 1), b'"type":', b'"level":9,"type":')
    assert "level" in reason(content)


def test_a_blob_whose_text_is_none_of_its_serializer_is_unreadable() -> None:
    assert "JSONDecodeError" in reason(resealed(blob_of(JSON, 12), b'"12"', b'"1,"'))
    assert reason(resealed(blob_of(PICKLE, 12), b'"data":"gA', b'"data":"!A'))
    assert reason(resealed(blob_of(PICKLE, 12), b'"data":"gA', b'"data":"AA'))


def test_a_sealed_document_that_does_not_begin_as_a_blob_is_unreadable() -> None:
    assert "does not begin" in reason(resealed(blob_of(JSON, 1), b'{"serializer":', b'{"s":'))
    assert "does not begin" in reason(resealed(blob_of(JSON, 1), b',"data":', b',"date":'))


def test_a_digest_of_another_kind_says_so() -> None:
    content = blob_of(JSON, 1).replace(b"xxh3-128:", b"blake3:")
    assert "'blake3:" in reason(content)


def test_an_object_that_cannot_be_made_again_is_unreadable() -> None:
    assert reason(blob_of(PICKLE, Hostile())) == "Error"


@pytest.mark.parametrize("serializer", [PICKLE, JSON])
def test_a_class_that_is_gone_is_named(
    serializer: Serializer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone_tomorrow.py").write_text(
        "import dataclasses\n@dataclasses.dataclass\nclass Thing:\n    x: int = 1\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    content = blob_of(serializer, importlib.import_module("gone_tomorrow").Thing())
    assert read_blob(OneBlob(content=content), "key").x == 1
    del sys.modules["gone_tomorrow"]
    (tmp_path / "gone_tomorrow.py").unlink()
    importlib.invalidate_caches()
    assert "ModuleNotFoundError: No module named 'gone_tomorrow'" in reason(content)


def test_a_serializer_that_is_defined_anew_reads_with_its_new_code() -> None:
    def define(prefix: str) -> Serializer:
        class Renewed(JSONSerializer):
            type: Literal["test renewed"] = "test renewed"  # type: ignore[assignment]

            def loads(self, text: bytes) -> Any:
                return prefix + super().loads(text)

        return Renewed()

    content = blob_of(define("old "), "value")
    assert read_blob(OneBlob(content=content), "key") == "old value"
    define("new ")
    assert read_blob(OneBlob(content=content), "key") == "new value"


def test_what_kills_the_process_is_no_unreadable_result() -> None:
    with pytest.raises(KeyboardInterrupt):
        read_blob(Failing(part="open", error=KeyboardInterrupt()), "key")
    with pytest.raises(SystemExit):
        read_blob(OneBlob(content=blob_of(PICKLE, Leaving())), "key")
