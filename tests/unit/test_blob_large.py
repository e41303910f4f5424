"""What memory large values take when they are written and read, by the kernel's account."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from upshot.serializers import (
    CompressedSerializer,
    FramedPickleSerializer,
    PickleSerializer,
    Serializer,
)

EXTRA = 16  # MB
LZMA = 110  # MB, for its encoder
PARTS = 80  # MB, of an upload
GB = 2**30

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        not os.access("/proc/self/clear_refs", os.W_OK),
        reason="platform: the kernel keeps no account of a process's peak that can be set back",
    ),
]


def child(step: str, kind: str, serializer: Serializer, place: Any, mb: int) -> dict[str, Any]:
    description = json.dumps(serializer.description())
    command = [sys.executable, "-m", "tests.unit.large_child", step, kind, description]
    printed = subprocess.run(
        [*command, str(place), str(mb)], capture_output=True, text=True, check=True
    ).stdout
    said: dict[str, Any] = json.loads(printed.splitlines()[-1])
    return said


def check(
    kind: str, serializer: Serializer, place: Any, mb: int, *, own: tuple[int, int] = (EXTRA, EXTRA)
) -> None:
    written = child("write", kind, serializer, place, mb)
    read = child("read", kind, serializer, place, mb)
    assert written["look"] == read["look"]
    assert written["extra"] <= own[0]
    assert read["extra"] <= mb + own[1]


@pytest.mark.parametrize("serializer", [PickleSerializer(), FramedPickleSerializer()])
@pytest.mark.parametrize("kind", ["array", "bytes", "frame", "arrow"])
def test_a_large_value_takes_little_beyond_itself(
    kind: str, serializer: Serializer, tmp_path: Path
) -> None:
    if kind == "arrow":
        pytest.importorskip("pyarrow")
    check(kind, serializer, tmp_path, 128)


@pytest.mark.parametrize("library", ["zlib", "bz2", "zstandard", "lz4.frame", "lzma"])
def test_a_compressed_one_takes_no_more_but_for_lzma_s_tables(library: str, tmp_path: Path) -> None:
    pytest.importorskip(library)
    serializer = CompressedSerializer(serializer="pickle", compressionlib=library)
    own = (LZMA if library == "lzma" else EXTRA, EXTRA)
    check("array", serializer, tmp_path, 64, own=own)


def test_an_upload_to_s3_holds_some_parts_of_it(s3_server: str) -> None:
    import s3fs

    bucket = uuid4().hex
    keys = {"key": "name", "secret": "key", "endpoint_url": s3_server}
    s3fs.S3FileSystem(**keys).mkdir(bucket)
    place = f"{s3_server}/{bucket}"
    check("array", PickleSerializer(), place, 192, own=(PARTS, PARTS))


@pytest.mark.exhaustive
@pytest.mark.timeout(900)
@pytest.mark.parametrize("serializer", [PickleSerializer(), FramedPickleSerializer()])
def test_five_gigabytes_are_written_and_read(serializer: Serializer, tmp_path: Path) -> None:
    if shutil.disk_usage(tmp_path).free < 10 * GB:
        pytest.skip("platform: there are no 10 GB free where temporary files are")
    if os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") < 6 * GB:
        pytest.skip("platform: there are no 6 GB of memory free")
    try:
        check("array", serializer, tmp_path, 5 * 1024)
    finally:
        shutil.rmtree(tmp_path)
