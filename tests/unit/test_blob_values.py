"""Any value that a serializer takes comes back from a blob as it was."""

import math
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.blobs import SERIALIZERS, put, storage
from upshot._blob import format, read_blob
from upshot.serializers import CompressedPickleSerializer, JSONSerializer, PickleSerializer

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
texts = st.text() | st.text(st.characters(exclude_categories=[]))
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts
json_values = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(texts, inner), max_leaves=20
)
MARKS = ("__class__", "__exc_type__", "__bytes__", "data", "message", "zone")
look_alikes = st.recursive(
    st.sampled_from(["builtins.int", "builtins.dict", "5", 5, [], None]),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(MARKS), inner),
)
times = st.datetimes() | st.datetimes(timezones=st.timezones()) | st.dates() | st.times()
objects = times | st.timedeltas() | st.uuids() | st.decimals(allow_nan=False) | st.binary()
hashable = st.recursive(
    scalars | objects,
    lambda inner: st.frozensets(inner) | st.tuples(inner, inner),
    max_leaves=8,
)
sets = st.sets(hashable) | st.frozensets(hashable)
picklable = st.recursive(
    scalars | objects | st.complex_numbers(allow_nan=False),
    lambda inner: (
        st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(hashable, inner) | sets
    ),
    max_leaves=20,
)


def read_back(serializer: Any, value: Any) -> Any:
    written = put(storage("values"), serializer, value)
    return read_blob(storage("values"), "key", digest=written.digest, size=written.size)


@unhurried
@given(json_values | look_alikes)
def test_whatever_json_knows_comes_back_from_json(value: Any) -> None:
    restored = read_back(JSONSerializer(), value)
    assert restored == value
    assert repr(restored) == repr(value)


@unhurried
@given(st.lists(objects | sets | st.complex_numbers(allow_nan=False)))
def test_objects_come_back_from_json(value: Any) -> None:
    restored = read_back(JSONSerializer(), value)
    assert restored == value
    assert list(map(type, restored)) == list(map(type, value))


@unhurried
@given(picklable)
def test_whatever_can_be_pickled_comes_back(value: Any) -> None:
    for serializer in (PickleSerializer(), CompressedPickleSerializer(compressionlib="zlib")):
        assert read_back(serializer, value) == value


@settings(unhurried, max_examples=30)
@given(json_values, st.integers(1, 40))
def test_pieces_may_be_cut_anywhere(value: Any, size: int) -> None:
    small, piece = format.SMALL, format.PIECE
    format.SMALL, format.PIECE = 2, size
    try:
        for name in ("json", "pickle", "custom"):
            assert read_back(SERIALIZERS[name], value) == value
    finally:
        format.SMALL, format.PIECE = small, piece


@pytest.mark.parametrize("serializer", SERIALIZERS.values(), ids=SERIALIZERS)
@pytest.mark.parametrize("value", [math.inf, -math.inf, -0.0, 5e-324])
def test_odd_numbers_come_back(serializer: Any, value: float) -> None:
    assert repr(read_back(serializer, value)) == repr(value)
    assert math.isnan(read_back(serializer, math.nan))
