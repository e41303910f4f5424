"""A call's parameters: bound to the signature, and described for people."""

from __future__ import annotations

import enum
import inspect
import json
import os
import sys
import time
from collections import Counter, OrderedDict, UserDict, defaultdict, deque, namedtuple
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock
from decimal import Decimal
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn
from uuid import UUID

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from upshot._arguments.parameters import describe
from upshot._arguments.signatures import bind, signature_of
from upshot.exceptions import InvalidOption, ParameterBindError, ReservedArgumentError

LONGEST = 120_000  # bytes of a description, each character as long as UTF-8 and JSON make it

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(10**400), 10**400)
    | st.floats()
    | st.complex_numbers()
    | st.text(st.characters(), max_size=40)
    | st.binary(max_size=40)
    | st.dates()
    | st.uuids()
    | st.just(object())
    | st.builds(lambda: 10**5_000)
    | st.just("\ud800" * 5_000)
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=60)
        | st.tuples(inner, inner)
        | st.frozensets(scalars.filter(lambda value: value == value), max_size=60)
        | st.dictionaries(st.text(st.characters()) | st.integers(), inner, max_size=60)
    ),
    max_leaves=80,
)


class Raises:
    def _refuse(self, *args: object) -> NoReturn:
        raise RuntimeError

    __str__ = __repr__ = __len__ = __iter__ = __getattribute__ = _refuse  # type: ignore[assignment]


class Number(float):
    def __float__(self) -> NoReturn:
        raise LookupError


class Colour(enum.IntEnum):
    RED = 1


class Mood(enum.Enum):
    GLAD = "glad"
    ODD = object()


class Name(str):
    __slots__ = ()

    def encode(self, *args: object) -> NoReturn:  # type: ignore[override]
        raise ZeroDivisionError


def described(value: Any) -> Any:
    return json.loads(describe({"value": value}))["value"]


@given(st.dictionaries(st.text(st.characters(), max_size=20), values, max_size=4))
def test_any_parameters_give_a_bounded_json(parameters: dict[str, Any]) -> None:
    text = describe(parameters)
    assert isinstance(json.loads(text), dict)
    assert len(text.encode()) < LONGEST


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, None),
        (True, True),
        (2**62, 2**62),
        (10**20, str(10**20)),
        (10**5_000, "<int>"),
        (1.5, 1.5),
        (float("inf"), None),
        ("ü", "ü"),
        ("\udcff", "?"),
        (datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02T00:00:00+00:00"),
        (clock(1, 2), "01:02:00"),
        (timedelta(minutes=1), 60.0),
        (date(2026, 1, 2), "2026-01-02"),
        (UUID(int=1), str(UUID(int=1))),
        (PurePosixPath("/a/b"), "/a/b"),
        (Path(os.fsdecode(b"/\xff")), "/?"),
        (b"bytes", "<bytes>"),
        (Decimal("1.50"), "1.50"),
        (1j, "<complex>"),
        ([1, (2, {3}), frozenset()], [1, [2, [3]], []]),
        ({"a": {"b": [None]}}, {"a": {"b": [None]}}),
        ({2: 2, None: 3, True: 4, 1.5: 5}, {"2": 2, "null": 3, "true": 4, "1.5": 5}),
        ({UUID(int=1): 2, Mood.GLAD: 3}, {str(UUID(int=1)): 2, "glad": 3}),
        ({1: 2, "1": 3}, "<dict>"),
        ({(1,): 2}, "<dict>"),
        ({10**5_000: 2}, "<dict>"),
        (Mood.GLAD, "glad"),
        (Mood.ODD, "<Mood>"),
        ({}, {}),
        ([[[[[[[[[1]]]]]]]]], [[[[[[[["<list>"]]]]]]]]),
        (list(range(250)), list(range(250))),
        (list(range(251)), "<list>"),
        (OrderedDict(a=1), {"a": 1}),
        (Counter("aa"), {"a": 2}),
        (defaultdict(int, a=1), {"a": 1}),
        (type("Hiding", (dict,), {})(a=1), "<Hiding>"),
        (UserDict(a=1), "<UserDict>"),
        (deque([1]), "<deque>"),
        (namedtuple("Pair", "a")(1), [1]),
        (range(3), "<range>"),
        (int, "<type>"),
        (sys, "<module>"),
        (ValueError("x"), "<ValueError>"),
        (Raises(), "<Raises>"),
        ([Raises()], ["<Raises>"]),
        (Number(1.5), "<Number>"),
        (Name("name"), "name"),
        (Colour.RED, 1),
        (np.float64(1.5), 1.5),
        (np.int64(3), "<int64>"),
        (np.zeros(3), "<ndarray>"),
        (pd.Timestamp("2026-01-02"), "2026-01-02T00:00:00"),
        (pd.NaT, "NaT"),
        (pd.DataFrame(), "<DataFrame>"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_plain_values_are_shown_and_others_told_by_their_type(value: Any, said: Any) -> None:
    assert described(value) == said


def test_long_text_is_cut() -> None:
    assert described("x" * 5_000) == "x" * 1_000 + "…"


def test_a_value_that_holds_itself_ends() -> None:
    around: list[Any] = [1]
    around.append(around)
    assert described(around) == [1, [1, [1, [1, [1, [1, [1, [1, "<list>"]]]]]]]]


def test_a_small_object_cannot_make_a_large_description() -> None:
    bomb: Any = "x" * 1_000
    for _ in range(4):
        bomb = [bomb] * 250
    begun = time.process_time()
    text = describe({"first": bomb, "second": bomb, "third": 3})
    assert time.process_time() - begun < 1
    assert len(text) < 30_000
    assert json.loads(text)["third"] == 3
    assert "…" in text


def test_the_names_of_parameters_may_be_any_text() -> None:
    assert json.loads(describe({"\ud800": 1, "ü": 2})) == {"?": 1, "ü": 2}


def test_bound_parameters_have_the_defaults_and_the_order_of_the_signature() -> None:
    def function(a: int, b: int = 2, *rest: int, c: int = 3, **more: int) -> None: ...

    signature = signature_of(function, "function")
    assert list(bind(signature, function, [1], {"d": 4, "c": 5}).items()) == [
        ("a", 1),
        ("b", 2),
        ("rest", ()),
        ("c", 5),
        ("more", {"d": 4}),
    ]
    assert bind(signature, function, [], {"b": 7, "a": 1})["b"] == 7


@pytest.mark.parametrize(
    ("args", "kwargs", "problem"),
    [
        ([], {}, "missing a required argument: 'a'"),
        ([1, 2], {}, "too many positional arguments"),
        ([1], {"a": 1}, "multiple values for argument 'a'"),
        ([1], {"z": 1}, "unexpected keyword argument 'z'"),
    ],
)
def test_arguments_that_do_not_fit_are_named(args: Any, kwargs: Any, problem: str) -> None:
    def f(a: int) -> None: ...

    with pytest.raises(ParameterBindError, match=f"for function 'f': .*{problem}"):
        bind(inspect.signature(f), f, args, kwargs)


@pytest.mark.parametrize("name", ["return_state", "wait_for"])
@pytest.mark.parametrize("form", ["{}", "a, {}=1", "*, {}", "*{}", "**{}"])
def test_a_reserved_name_is_refused_wherever_it_stands(name: str, form: str) -> None:
    function = eval(f"lambda {form.format(name)}: None")
    with pytest.raises(ReservedArgumentError) as caught:
        signature_of(function, "mine")
    assert str(caught.value) == (
        f"'{name}' is a reserved argument name in the signature of 'mine'; rename the parameter"
    )


def test_a_function_without_a_signature_is_an_invalid_option() -> None:
    class Odd:
        __signature__ = "no signature"

        def __call__(self) -> None: ...

    with pytest.raises(InvalidOption, match="'odd' has no signature that can be read"):
        signature_of(Odd(), "odd")
