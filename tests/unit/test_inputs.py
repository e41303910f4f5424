"""Digests of inputs: equal for equal ones, and for no others."""

from __future__ import annotations

import gc
import threading
import weakref
from collections import OrderedDict
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel

from upshot import allow_failure, task, unmapped
from upshot._arguments.identities import Identities
from upshot._arguments.inputs import digest_of as digest_of_inputs
from upshot.results import UnpersistedResult
from upshot.states import Completed

IDENTITIES = Identities()


def digest_of(parameters: Any, wait_for: Any) -> bytes | None:
    return digest_of_inputs([parameters, wait_for], IDENTITIES)


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


class Rude:
    """Something that cannot be pickled."""

    def __init__(self, x: Any = None) -> None:
        self.x = x

    def __reduce__(self) -> Any:
        raise KeyError("no")


@pytest.mark.parametrize("make", [threading.Lock, lambda: (item for item in ()), Rude])
def test_what_cannot_be_pickled_is_the_same_as_long_as_it_is_there(make: Any) -> None:
    one, other = make(), make()
    assert digest_of({"x": one}, None) == digest_of({"x": one}, None)
    assert digest_of({"x": one}, None) != digest_of({"x": other}, None)
    assert digest_of({"x": [one, 1]}, None) != digest_of({"x": [one, 2]}, None)


def test_an_object_that_cannot_be_pickled_is_another_when_it_holds_something_else() -> None:
    rude = Rude(1)
    before = digest_of({"x": rude}, None)
    rude.x = 2
    assert digest_of({"x": rude}, None) != before


def test_what_can_be_neither_compared_nor_watched_is_never_the_same() -> None:
    class Slotted:
        __slots__ = ()

        def __reduce_ex__(self, protocol: Any) -> Any:
            raise KeyError("no")

    value = Slotted()
    assert digest_of({"x": value}, None) != digest_of({"x": value}, None)


def test_an_object_that_cannot_be_looked_into_has_no_digest() -> None:
    class Hidden:
        def __reduce__(self) -> Any:
            raise KeyError("no")

        def __getattribute__(self, name: str) -> Any:
            raise RuntimeError(name)

    assert digest_of({"x": Hidden()}, None) is None


def test_nothing_that_was_looked_at_is_held() -> None:
    rude = Rude()
    digest_of({"x": rude, "f": adding(1)}, None)
    watched = weakref.ref(rude)
    del rude
    gc.collect()
    assert watched() is None


def adding(n: Any) -> Any:
    def add(x: Any = None) -> Any:
        return n

    return add


def numbered(n: Any) -> Any:
    class Numbered:
        number = n

        def get(self) -> Any:
            return super().__repr__(), n

    return Numbered


def test_functions_and_classes_are_the_same_if_they_were_made_of_the_same() -> None:
    for make in (adding, numbered):
        one, again, other = make([1]), make([1]), make([2])
        assert digest_of(one, None) == digest_of(again, None) != digest_of(other, None)
    one, again, other = (numbered(n)() for n in (1, 1, 2))
    assert digest_of(one, None) == digest_of(again, None) != digest_of(other, None)
    assert digest_of(one.get, None) == digest_of(again.get, None) != digest_of(other.get, None)


def test_a_function_that_lives_on_is_the_same_whatever_it_has_counted() -> None:
    for make in (adding, numbered):
        counts: list[int] = []
        made = make(counts)
        before = digest_of(made, None)
        counts.append(1)
        assert digest_of(made, None) == before != digest_of(make(counts), None)


def test_what_the_flow_takes_from_around_it_is_the_same_for_functions_made_in_it() -> None:
    counts: list[int] = []

    def make(n: int) -> Any:
        return lambda: counts.append(n)

    def flow() -> Any:
        return make(1)

    identities = Identities(flow)
    before = digest_of_inputs(make(1), identities)
    counts.append(1)
    assert digest_of_inputs(make(1), identities) == before
    assert digest_of_inputs(make(2), identities) != before


def test_partials_and_methods_are_the_same_with_the_same_arguments_and_objects() -> None:
    digests = {
        digest_of(made, None)
        for made in (partial(max, 1), partial(max, 2), partial(max, default=1), partial(min, 1))
    }
    assert len(digests) == 4
    assert digest_of(partial(max, 1), None) in digests
    assert digest_of(Rude(1).__init__, None) != digest_of(Rude(1).__init__, None)  # type: ignore[misc]


def test_what_a_dataclass_or_a_model_holds_beside_its_fields_counts() -> None:
    def point(x: Any) -> Point:
        made = Point(1)
        made.z = x  # type: ignore[attr-defined]
        return made

    def hiding(x: Any) -> Hiding:
        made = Hiding()
        made._hidden = x
        return made

    for make in (point, hiding):
        assert digest_of(make(1), None) == digest_of(make(1), None) != digest_of(make(2), None)


class Hiding(BaseModel):
    _hidden: Any = None


def test_an_iterator_is_not_used_up() -> None:
    generator, iterator = (item for item in (1, 2)), iter([1, 2])
    digest_of({"x": generator}, iterator)
    assert (list(generator), list(iterator)) == ([1, 2], [1, 2])
