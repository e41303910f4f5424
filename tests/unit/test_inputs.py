"""Digests of inputs: equal for equal ones, and for no others."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel

from upshot import allow_failure, task, unmapped
from upshot._arguments.inputs import digest_of
from upshot.results import UnpersistedResult
from upshot.states import Completed


@dataclass
class Point:
    x: Any
    y: Any = 0


class Shape(BaseModel):
    corners: list[Any]


class Plain:
    def __init__(self, x: Any) -> None:
        self.x = x


def unpersisted(value: Any) -> UnpersistedResult[Any]:
    result: UnpersistedResult[Any] = UnpersistedResult()
    result.hold(value)
    return result


def different() -> list[Any]:
    """Values of which no two are the same."""
    return [
        None,
        True,
        False,
        0,
        1,
        -1,
        1.0,
        10**5000,
        float("nan"),
        1j,
        "",
        "1",
        b"1",
        bytearray(b"1"),
        "\ud800",
        [],
        [1],
        [1, 2],
        [[1], 2],
        [[1, 2]],
        (1, 2),
        {1, 2},
        frozenset({1, 2}),
        {"a": 1, "b": 2},
        OrderedDict(a=1, b=2),
        ["a", "b"],
        ["ab"],
        ["a", "b", None],
        Point(1),
        Point(1, 2),
        Point([1]),
        Shape(corners=[1]),
        Shape(corners=["1"]),
        Plain(1),
        Plain(2),
        unmapped(1),
        allow_failure(1),
        date(2024, 1, 1),
        Path("a"),
        UUID(int=1),
        unpersisted(1),
        unpersisted(2),
        Completed(data=1),
        Completed(data=2),
        len,
        max,
        lambda: 1,
        lambda: 2,
        Point,
        bytes(10_000_000),
        bytes(10_000_001),
    ]


def test_no_two_different_values_have_one_digest() -> None:
    digests = [digest_of({"x": value}, None) for value in different()]
    assert None not in digests
    assert len(set(digests)) == len(digests)


def test_equal_values_that_are_other_objects_have_one_digest() -> None:
    for one, other in zip(different(), different(), strict=True):
        if getattr(one, "__name__", None) != "<lambda>":
            assert digest_of({"x": one}, None) == digest_of({"x": other}, None), one


def test_the_order_in_which_a_set_was_filled_makes_no_difference() -> None:
    names = [f"name {number}" for number in range(100)]
    one, other = set(names), set()
    for name in reversed(names):
        other.add(name)
    assert digest_of({"x": one}, None) == digest_of({"x": other}, None)


def test_the_order_of_a_dict_makes_no_difference() -> None:
    one, other = {"a": 1, "b": [2]}, {"b": [2], "a": 1}
    assert digest_of({"x": one}, None) == digest_of({"x": other}, None)


def test_sharing_parts_makes_no_difference() -> None:
    part = [1]
    assert digest_of({"x": [part, part]}, None) == digest_of({"x": [[1], [1]]}, None)


def test_the_names_of_parameters_and_what_is_waited_for_count() -> None:
    digests = {
        digest_of({"x": 1}, None),
        digest_of({"y": 1}, None),
        digest_of({"x": 1}, []),
        digest_of({"x": 1}, [Completed(data=1)]),
    }
    assert len(digests) == 4


@pytest.mark.usefixtures("upshot_home")
def test_a_future_counts_as_its_run() -> None:
    @task
    def one() -> int:
        return 1

    first, second = one.submit(), one.submit()
    assert digest_of({"x": first}, None) == digest_of({"x": first}, None)
    assert digest_of({"x": first}, None) != digest_of({"x": second}, None)
    assert digest_of({"x": first.wait()}, None) == digest_of({"x": first.wait()}, None)
    assert digest_of({"x": first.wait()}, None) != digest_of({"x": second.wait()}, None)


def test_what_cannot_be_pickled_has_no_digest() -> None:
    class Rude:
        def __reduce__(self) -> Any:
            raise KeyError("no")

    for value in (threading.Lock(), (item for item in ()), Rude()):
        assert digest_of({"x": value}, None) is None


def test_an_iterator_is_not_used_up() -> None:
    generator, iterator = (item for item in (1, 2)), iter([1, 2])
    digest_of({"x": generator}, iterator)
    assert (list(generator), list(iterator)) == ([1, 2], [1, 2])
