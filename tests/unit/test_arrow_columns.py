"""DataFrames whose columns are Arrow's come back as they were, and without a copy in between."""

import base64
import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.unit.blobs import put, storage
from upshot._blob import read_blob
from upshot.serializers import FramedPickleSerializer, PickleSerializer, Serializer

pa = pytest.importorskip("pyarrow")

SERIALIZERS = [PickleSerializer(), PickleSerializer(picklelib="pickle"), FramedPickleSerializer()]


def column(*chunks: Any) -> pd.Series:
    return pd.Series(pd.arrays.ArrowExtensionArray(pa.chunked_array(list(chunks))))


NUMBERS = pa.array(np.arange(50_000))
FRAMES = {
    "numbers": pd.DataFrame({"a": column(NUMBERS)}),
    "chunks": pd.DataFrame({"a": column(NUMBERS, NUMBERS)}),
    "slice": pd.DataFrame({"a": column(NUMBERS.slice(10, 20))}),
    "missing": pd.DataFrame({"a": column(pa.array([1, None, 3]))}),
    "texts": pd.DataFrame({"a": pd.array(["größe", None, "b"] * 999, dtype="string[pyarrow]")}),
    "strs": pd.DataFrame({"a": ["x", "y"] * 50_000}),
    "none": pd.DataFrame({"a": pd.array([], dtype="int64[pyarrow]")}),
    "lists": pd.DataFrame({"a": column(pa.array([[1, 2], [], None]))}),
}


@pytest.mark.parametrize("serializer", SERIALIZERS, ids=["cloudpickle", "pickle", "framed"])
@pytest.mark.parametrize("name", FRAMES)
def test_a_frame_comes_back(serializer: Serializer, name: str) -> None:
    value = FRAMES[name]
    put(storage("columns"), serializer, [value, value["a"]])
    frame, series = read_blob(storage("columns"), "key")
    pd.testing.assert_frame_equal(frame, value)
    pd.testing.assert_series_equal(series, value["a"])
    assert (frame["a"] == value["a"]).equals(value["a"] == value["a"])


def test_what_pandas_alone_reads_is_what_pandas_alone_would_write() -> None:
    texts: list[bytes] = []
    value = FRAMES["chunks"]
    PickleSerializer(picklelib="pickle").dump_to(value, texts.append)
    restored = pickle.loads(base64.b64decode(b"".join(texts)))
    pd.testing.assert_frame_equal(restored, value)


def test_the_buffers_of_a_column_are_not_copied() -> None:
    frames = FramedPickleSerializer().dump_frames(FRAMES["chunks"], lambda piece: None)
    there = {chunk.buffers()[1].address for chunk in FRAMES["chunks"]["a"].array._pa_array.chunks}
    assert {pa.py_buffer(frame).address for frame in frames} == there


def test_a_slice_takes_its_part_along_alone() -> None:
    texts: list[bytes] = []
    PickleSerializer().dump_to(FRAMES["slice"], texts.append)
    assert sum(map(len, texts)) < 10_000
