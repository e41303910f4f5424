"""Writes or reads a large value, and says what memory that took, as the kernel counts it.

python -m tests.unit.large_child write|read KIND SERIALIZER STORAGE MB
"""

from __future__ import annotations

import gc
import hashlib
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from upshot._blob import read_blob, write_blob
from upshot.filesystems import S3, FileSystem, LocalFileSystem
from upshot.serializers import Serializer

MB = 1024 * 1024


def array(mb: int) -> Any:
    # pages that nobody wrote to take no memory, so that 5 GB can be tested where there are 8
    made = np.zeros(mb * MB // 8)
    made[:: MB // 8] = np.arange(len(made[:: MB // 8]))
    return made


def frame(mb: int) -> Any:
    return pd.DataFrame({"a": array(mb // 2), "b": array(mb // 2).view("int64")}, copy=False)


def arrow(mb: int) -> Any:
    import pyarrow

    columns = {name: pyarrow.array(array(mb // 2)) for name in "ab"}
    made = {name: pd.arrays.ArrowExtensionArray(column) for name, column in columns.items()}
    return pd.DataFrame(made, copy=False)


KINDS = {
    "array": array,
    "bytes": lambda mb: bytes(array(mb).data),
    "frame": frame,
    "arrow": arrow,
}


def look(value: Any) -> str:
    """What tells values of a kind apart, without a copy of them."""
    if isinstance(value, pd.DataFrame):
        columns = [value[name].array for name in "ab"]
        return "".join(look(getattr(column, "_pa_array", column)) for column in columns)
    if hasattr(value, "chunks"):
        return "".join(look(np.asarray(chunk)) for chunk in value.chunks)
    return hashlib.sha256(memoryview(np.asarray(value) if len(value) else b"")).hexdigest()


def bytes_of(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise LookupError(field)


def storage_of(text: str) -> FileSystem:
    if not text.startswith("http"):
        return LocalFileSystem(basepath=text)
    endpoint, _, bucket = text.rpartition("/")
    return S3(
        bucket_path=bucket,
        aws_access_key_id="name",
        aws_secret_access_key="key",
        settings={"endpoint_url": endpoint},
    )


def main(step: str, kind: str, serializer: str, place: str, mb: int) -> None:
    storage, chosen = storage_of(place), Serializer.model_validate(json.loads(serializer))
    now = datetime.now(UTC)
    write_blob(storage, "small", chosen, KINDS[kind](4), created=now)
    read_blob(storage, "small")
    value = KINDS[kind](mb) if step == "write" else None
    seen = look(value) if step == "write" else ""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak until now
    before = bytes_of("VmRSS")
    if step == "write":
        write_blob(storage, "large", chosen, value, created=now)
    else:
        value = read_blob(storage, "large")
    extra = (bytes_of("VmHWM") - before) / MB
    print(json.dumps({"extra": extra, "look": seen or look(value)}))


if __name__ == "__main__":
    main(*sys.argv[1:5], int(sys.argv[5]))  # type: ignore[call-arg]
