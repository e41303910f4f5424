"""Large values are handled in threads, a bounded piece at a time: so the loop keeps its turns.

What holds the interpreter's lock does so for a piece; `benchmarks/ticker.py` says how long that is.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, cast

import numpy as np
import pandas as pd
import pytest

from upshot import task
from upshot._blob import format
from upshot.filesystems import LocalFileSystem
from upshot.serializers import CompressedSerializer, _base64

MB = 2**20
MOST = 1 * MB
SIZE = 24 * MB


class Watched(LocalFileSystem):
    """A folder that notes the pieces that it is given."""

    @contextmanager
    def writing(self, key: str) -> Iterator[BinaryIO]:
        with super().writing(key) as file:
            yield cast("BinaryIO", _Noting(file))


class _Noting:
    def __init__(self, file: Any) -> None:
        self._file = file

    def write(self, data: Any) -> int:
        note("write", data)
        written: int = self._file.write(data)
        return written


noted: list[tuple[str, int, int]] = []


def note(what: str, data: Any) -> None:
    noted.append((what, memoryview(data).nbytes, threading.get_ident()))


class _Hash:
    def __init__(self, *start: Any) -> None:
        self._hash = real_hash(*start)

    def update(self, data: Any) -> None:
        note("hash", data)
        self._hash.update(data)

    def hexdigest(self) -> str:
        return self._hash.hexdigest()


real_hash = format.new_hash


@pytest.fixture(autouse=True)
def watched(monkeypatch: pytest.MonkeyPatch) -> None:
    def noting(what: str, call: Any) -> Any:
        def noted_call(data: Any, **options: Any) -> Any:
            note(what, data)
            return call(data, **options)

        return noted_call

    noted.clear()
    monkeypatch.setattr(format, "new_hash", _Hash)
    for name in ("b64encode", "b64decode"):
        monkeypatch.setattr(_base64, name, noting(name, getattr(_base64, name)))


VALUES = {
    "bytes": lambda: bytes(SIZE),
    "bytearray": lambda: bytearray(SIZE),
    "array": lambda: np.zeros(SIZE // 8),
    "frame": lambda: pd.DataFrame({"a": np.zeros(SIZE // 16), "b": np.ones(SIZE // 16)}),
}


@pytest.mark.usefixtures("upshot_home")
@pytest.mark.parametrize("serializer", ["pickle", "framed/pickle", "zlib"])
@pytest.mark.parametrize("kind", VALUES)
def test_a_large_value_is_written_and_read_in_bounded_pieces_off_the_loop(
    kind: str, serializer: Any, tmp_path: Any
) -> None:
    if serializer == "zlib":
        serializer = CompressedSerializer(serializer="pickle", compressionlib="zlib")

    @task(
        persist_result=True,
        cache_result_in_memory=False,
        result_serializer=serializer,
        result_storage=Watched(basepath=tmp_path),
    )
    async def keep() -> Any:
        return VALUES[kind]()

    async def keep_and_read() -> Any:
        state = await keep(return_state=True)
        return await state.data.get()

    value = asyncio.run(keep_and_read())
    assert len(value) == len(VALUES[kind]())
    assert sum(size for what, size, _ in noted if what == "hash") > 0
    assert max(size for _, size, _ in noted) <= 4 * MOST // 3 + 4
    # the loop's thread looks at small things: the digest of a reference, a storage's identity
    own = threading.get_ident()
    assert sum(size for _, size, thread in noted if thread == own) < MB // 16
