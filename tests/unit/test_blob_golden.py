"""The formats of every release are read; what is written now fits their schemas."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.unit.blobs import put, storage
from tests.unit.golden.make import BLOCK, CREATED
from tests.unit.golden.values import FRAMES, SERIALIZERS, values_of
from upshot._blob import describe_blob, read_blob
from upshot.documents import BaseResult, LiteralResult, PersistedResult, UnpersistedResult
from upshot.filesystems import LocalFileSystem

GOLDEN = Path(__file__).with_name("golden")
RELEASES = sorted(path.name for path in GOLDEN.iterdir() if (path / "references.jsonl").exists())
BLOBS = [
    (release, str(path.relative_to(GOLDEN / release)))
    for release in RELEASES
    for path in sorted((GOLDEN / release / "blobs").rglob("*.json"))
]
FRAMED = [
    (release, str(path.relative_to(GOLDEN / release)))
    for release in RELEASES
    for path in sorted((GOLDEN / release / "frames").iterdir())
]


def fits(schema: str, document: Any) -> None:
    text = json.loads((GOLDEN / f"{schema}.schema.json").read_text("utf-8"))
    validator = jsonschema.validators.validator_for(text)
    validator.check_schema(text)
    validator(text, format_checker=validator.FORMAT_CHECKER).validate(document)


def references(release: str) -> list[str]:
    return (GOLDEN / release / "references.jsonl").read_text("utf-8").splitlines()


def test_there_are_golden_files() -> None:
    assert "0.1.0" in RELEASES
    assert len(BLOBS) >= 50


@pytest.mark.parametrize(("release", "key"), BLOBS)
def test_a_blob_of_a_release_is_read(release: str, key: str) -> None:
    storage = LocalFileSystem(basepath=GOLDEN / release)
    [text] = [line for line in references(release) if f'"{key}"' in line]
    reference = PersistedResult[Any].model_validate_json(text)
    value = read_blob(storage, key, digest=reference.digest, size=reference.size)
    _, serializer, kind = key.removesuffix(".json").split("/")
    expected = values_of(serializer)[kind]
    assert value == expected
    assert kind in ("number", "text") or list(map(type, value)) == list(map(type, expected))
    described = describe_blob(storage, key)
    assert described.serializer["type"] == reference.serializer_type
    assert (described.upshot_version, described.created) == (release, CREATED)
    fits("blob", json.loads((GOLDEN / release / key).read_text("utf-8")))


@pytest.mark.parametrize(("release", "key"), FRAMED)
def test_raw_frames_of_a_release_are_read(release: str, key: str) -> None:
    storage = LocalFileSystem(basepath=GOLDEN / release)
    [text] = [line for line in references(release) if f'"{key}"' in line]
    reference = PersistedResult[Any].model_validate_json(text)
    for mapping in (False, True, "verified"):
        value = read_blob(storage, key, digest=reference.digest, size=reference.size, mmap=mapping)
        assert value == FRAMES[key.removeprefix("frames/")]
    described = describe_blob(storage, key)
    assert described.serializer["type"] == reference.serializer_type == "framed/pickle"
    assert (described.upshot_version, described.created) == (release, CREATED)
    assert described.frames is not None
    assert len(described.frames) == (3 if "two" in key else 1)


@pytest.mark.parametrize("release", RELEASES)
def test_a_reference_of_a_release_is_parsed(release: str) -> None:
    parsed: list[BaseResult[Any]] = [
        BaseResult.model_validate_json(text) for text in references(release)
    ]
    for text, document in zip(references(release), parsed, strict=True):
        fits("reference", json.loads(text))
        assert json.loads(document.model_dump_json()) == json.loads(text)
    literals = [document for document in parsed if isinstance(document, LiteralResult)]
    assert [literal.value for literal in literals] == [None, True, False, BLOCK]
    assert sum(isinstance(document, UnpersistedResult) for document in parsed) == 1
    assert all(
        document.storage_block_id == BLOCK
        for document in parsed
        if isinstance(document, PersistedResult)
    )


@pytest.mark.parametrize("serializer", SERIALIZERS)
def test_what_is_written_now_fits_the_schemas(serializer: str) -> None:
    for kind, value in values_of(serializer).items():
        written = put(storage(), SERIALIZERS[serializer], value)
        fits("blob", json.loads(storage().read_path("key")))
        reference = PersistedResult[Any](
            serializer_type=SERIALIZERS[serializer].type,
            storage_block_id=BLOCK,
            storage_key=kind,
            size=written.size,
            digest=written.digest,
        )
        fits("reference", json.loads(reference.model_dump_json()))


@pytest.mark.parametrize(
    ("schema", "document"),
    [
        ("blob", {"serializer": {"type": "json"}, "data": "1"}),
        ("reference", {"type": "literal", "value": "text"}),
        ("reference", {"type": "reference", "storage_key": "x"}),
        ("reference", {"type": "later"}),
    ],
)
def test_the_schemas_refuse_what_is_none(schema: str, document: Any) -> None:
    with pytest.raises(jsonschema.ValidationError):
        fits(schema, document)
