"""Large values are written and read in pieces: what memory they take, counted with tracemalloc."""

import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
import pandas as pd
import pytest

from tests.unit.blobs import put
from upshot._blob import read_blob
from upshot.filesystems import LocalFileSystem
from upshot.serializers import (
    CompressedSerializer,
    FramedPickleSerializer,
    PickleSerializer,
    Serializer,
)

MB = 1024 * 1024
SIZE = 64 * MB
EXTRA = 16 * MB
EXTRAS = {"lz4": "lz4.frame", "zstd": "zstandard"}
LIBRARY = {"lzma": 96 * MB}  # for its own tables, whatever the size of the value


class Pieces(Serializer):
    """Zeros, as text that has to be escaped, in pieces."""

    type: Literal["test pieces"] = "test pieces"
    piece: bytes = b'"' * (100 * 1024)

    def dumps(self, value: int) -> bytes:
        raise AssertionError

    def loads(self, text: bytes) -> int:
        raise AssertionError

    def dump_to(self, value: int, write: Callable[[bytes], object]) -> None:
        for _ in range(value // len(self.piece)):
            write(self.piece)

    def load_from(self, reader: BinaryIO) -> int:
        return sum(map(len, iter(lambda: reader.read(MB), b"")))


@pytest.fixture
def storage(tmp_path: Path) -> LocalFileSystem:
    return LocalFileSystem(basepath=tmp_path)


@pytest.fixture(autouse=True)
def traced(storage: LocalFileSystem) -> Iterator[None]:
    put(storage, PickleSerializer(), np.arange(100_000))
    read_blob(storage, "key")
    tracemalloc.start()
    yield
    tracemalloc.stop()


def peak(work: Callable[[], Any]) -> tuple[Any, int]:
    """What `work` gives, and how much more memory it took at once than before."""
    before = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    given = work()
    return given, tracemalloc.get_traced_memory()[1] - before


@pytest.mark.parametrize(
    "make",
    [
        lambda: np.arange(SIZE / 8),
        lambda: np.asfortranarray(np.ones((1024, SIZE // 8192))),
        lambda: b"\1" * SIZE,
        lambda: bytearray(SIZE),
        lambda: {"arrays": [np.arange(SIZE // 32) for _ in range(4)], "name": "four"},
        lambda: pd.DataFrame({"a": np.arange(SIZE / 16), "b": np.arange(SIZE / 16)}),
    ],
    ids=["array", "fortran array", "bytes", "bytearray", "arrays", "data frame"],
)
@pytest.mark.parametrize(
    "serializer",
    [PickleSerializer(), PickleSerializer(picklelib="pickle"), FramedPickleSerializer()],
    ids=["cloudpickle", "pickle", "framed"],
)
def test_a_pickle_is_never_in_memory_as_a_whole(
    storage: LocalFileSystem, make: Callable[[], Any], serializer: Serializer
) -> None:
    value = make()
    _, to_write = peak(lambda: put(storage, serializer, value))
    assert to_write <= EXTRA
    restored, to_read = peak(lambda: read_blob(storage, "key"))
    assert to_read <= SIZE + EXTRA
    assert same(restored, value)


@pytest.mark.parametrize("library", ["zlib", "gzip", "bz2", "lz4", "lzma", "zstd"])
def test_compressed_values_take_no_more(storage: LocalFileSystem, library: str) -> None:
    pytest.importorskip(EXTRAS.get(library, library))
    value = np.zeros(SIZE // 8)
    serializer = CompressedSerializer(serializer="pickle", compressionlib=library)
    written, to_write = peak(lambda: put(storage, serializer, value))
    assert to_write <= EXTRA + LIBRARY.get(library, 0)
    assert written.size < MB
    restored, to_read = peak(lambda: read_blob(storage, "key"))
    assert to_read <= SIZE + EXTRA
    assert same(restored, value)


def test_a_frame_of_arrow_s_blocks_is_not_copied_either(storage: LocalFileSystem) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    columns = {name: pyarrow.array(np.arange(SIZE / 16)) for name in "ab"}
    value = pd.DataFrame({name: pd.arrays.ArrowExtensionArray(columns[name]) for name in "ab"})
    _, to_write = peak(lambda: put(storage, PickleSerializer(), value))
    assert to_write <= EXTRA
    restored, to_read = peak(lambda: read_blob(storage, "key"))
    assert to_read <= SIZE + EXTRA
    assert same(restored, value)


def test_text_that_is_escaped_goes_in_pieces_too(storage: LocalFileSystem) -> None:
    serializer = Pieces()
    size = SIZE - SIZE % len(serializer.piece)
    written, to_write = peak(lambda: put(storage, serializer, size))
    assert to_write <= EXTRA
    assert written.size > 2 * size
    restored, to_read = peak(lambda: read_blob(storage, "key"))
    assert to_read <= EXTRA
    assert restored == size


def same(left: Any, right: Any) -> bool:
    if isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in right)
    if isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(right, pd.DataFrame):
        return left.equals(right)
    return bool(np.array_equal(left, right)) if isinstance(right, np.ndarray) else left == right
