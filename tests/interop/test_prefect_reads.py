"""Prefect 2.20.25 reads the blobs that upshot writes."""

import importlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import pytest

from upshot._blob import write_blob
from upshot.filesystems import LocalFileSystem
from upshot.serializers import (
    CompressedJSONSerializer,
    CompressedPickleSerializer,
    CompressedSerializer,
    JSONSerializer,
    PickleSerializer,
    Serializer,
)

READ = """
import json, pathlib, sys, warnings
warnings.simplefilter("ignore")
sys.path.insert(0, sys.argv[1])
from prefect.results import PersistedResultBlob

def read(path):
    blob = PersistedResultBlob.parse_raw(path.read_bytes())
    return type(blob.serializer).__name__, repr(blob.serializer.loads(blob.data))

print(json.dumps({path.name: read(path) for path in pathlib.Path(sys.argv[2]).iterdir()}))
"""
SERIALIZERS: list[Serializer] = [
    PickleSerializer(),
    PickleSerializer(picklelib="pickle"),
    JSONSerializer(),
    JSONSerializer(dumps_kwargs={"indent": 1, "ensure_ascii": False}),
    CompressedPickleSerializer(),
    CompressedJSONSerializer(),
    CompressedSerializer(serializer="json", compressionlib="zlib"),
    CompressedSerializer(serializer="pickle", compressionlib="bz2"),
    CompressedSerializer(serializer="pickle", compressionlib="gzip"),
    CompressedSerializer(serializer=CompressedJSONSerializer(), compressionlib="gzip"),
]


@pytest.fixture
def values(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(Path(__file__).parent)
    return importlib.import_module("prefect_values")


def test_prefect_2_reads_what_upshot_writes(
    run_prefect: Callable[..., str], values: ModuleType, tmp_path: Path
) -> None:
    storage = LocalFileSystem(basepath=tmp_path / "storage")
    expected = {}
    for number, serializer in enumerate(SERIALIZERS):
        chosen = values.BOTH
        if "json" not in json.dumps(serializer.description()):
            chosen = values.BOTH | values.PICKLED_ONLY
        for name, value in chosen.items():
            key = f"{number} {name}"
            write_blob(storage, key, serializer, value, created=datetime.now(UTC))
            expected[key] = [
                type(serializer).__name__,
                repr(value),
            ]
    found = json.loads(run_prefect(READ, Path(__file__).parent, tmp_path / "storage"))
    assert found == expected
