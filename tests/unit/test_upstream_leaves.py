"""What is no place for futures and states in arguments, and places that are hard to look into."""

from __future__ import annotations

import gc
import sys
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy
import pandas
import pytest

from tests.unit.holders import (
    Model,
    Plain,
    data,
    found_in,
    state,
)
from upshot._arguments.upstreams import Found, fill
from upshot.annotations import allow_failure, unmapped

DEEP = 20 * sys.getrecursionlimit()


@pytest.mark.parametrize(
    "value",
    [
        numpy.arange(10),
        numpy.array([state(1)], dtype=object),
        pandas.DataFrame({"a": [1]}),
        pandas.Series([state(1)]),
        range(10**9),
        b"bytes",
        bytearray(9),
        memoryview(b"x"),
        "text",
        Path("x"),
        iter([1]),
        (x for x in [1]),
        object(),
        Plain,
        Model,
        int,
        lambda: None,
        sys,
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_leaf_is_the_same_object_and_is_not_looked_into(value: Any) -> None:
    assert found_in([value]) == []
    assert fill(value, data) is value
    assert fill([value, state(1)], data)[0] is value


def test_what_holds_nothing_to_fill_is_the_same_object_also_beside_what_does() -> None:
    same = {"a": [1, (2, {3}), Plain(4), Model(a=[5]), object()]}
    assert fill(same, data) is same
    filled = fill([same, [state(1)]], data)
    assert filled[0] is same
    assert filled == [same, [1]]


def test_what_stands_in_two_places_is_one_object_in_the_copy_too() -> None:
    shared = [state(1)]
    left, right = fill((shared, {"a": shared}), data)
    assert left is right["a"]


def test_the_value_of_a_state_is_not_looked_into() -> None:
    inner = [state(2)]
    assert fill([state(inner)], data)[0] is inner


def test_what_holds_itself_is_filled_once() -> None:
    ring: list[Any] = [state(1)]
    ring += [ring, {"ring": ring}, (ring,), Plain(ring)]
    assert len(found_in(ring)) == 1
    filled = fill(ring, data)
    assert filled[0] == 1
    assert filled[1] is filled
    assert filled[2]["ring"] is filled
    assert filled[3][0] is filled
    assert filled[4].a is filled
    assert ring[1] is ring


def test_what_holds_itself_and_no_state_is_the_same_object() -> None:
    ring: list[Any] = [1]
    ring.append({"ring": (ring,)})
    node = Plain(None)
    node.a = [node]
    assert fill([ring, node], data)[0] is ring
    assert fill(ring, data) is ring
    assert fill(node, data) is node


@pytest.mark.parametrize("inner", [1, state(1)])
def test_a_nest_deeper_than_the_stack_is_no_trouble(inner: Any) -> None:
    nest: Any = inner
    for _ in range(DEEP):
        nest = [nest]
    filled = fill(nest, data)
    for _ in range(DEEP):
        (filled,) = filled
    assert filled == 1


def test_a_lattice_of_shared_lists_costs_its_lists_not_its_paths() -> None:
    lattice: Any = [state(1)]
    for _ in range(200):
        lattice = [lattice, lattice]
    assert len(found_in(lattice)) == 1
    filled = fill(lattice, data)
    for _ in range(200):
        assert filled[0] is filled[1]
        filled = filled[0]
    assert filled == [1]


def test_a_failure_is_allowed_below_its_mark_and_not_beside_it() -> None:
    shared = [state(1)]
    found = found_in([allow_failure(shared), shared, unmapped(allow_failure(state(2)))])
    assert [item.may_fail for item in found] == [True, False, True]


def test_they_are_found_in_their_order_each_as_often_as_it_is_there() -> None:
    first, second, third = state(1), state(2), state(3)
    found = found_in([first, {"a": second, "b": (third, first)}, Plain(second)])
    assert [item.upstream for item in found] == [first, second, third, first, second]


class Told(list[Any]):
    """A list that tells of other items than it has."""

    def __iter__(self) -> Iterator[Any]:
        return iter([state(1)])


class Proxy:
    """What says that it is of another's class, and gives its attributes."""

    def __init__(self, of: Any) -> None:
        self._of = of

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return self._of.__class__

    def __getattr__(self, name: str) -> Any:
        return getattr(self._of, name)


@pytest.mark.parametrize("around", [list, tuple, lambda items: [items], lambda items: [[items]]])
def test_collections_and_objects_that_pretend_are_asked_themselves(
    around: Callable[[Any], Any],
) -> None:
    assert len(found_in(around([Told([2])]))) == 1
    assert len(found_in(around([Proxy(state(1))]))) == 1
    assert found_in(around([Proxy(object())])) == []
    one = state(1)
    assert len(found_in(around([weakref.proxy(one)]))) == 1
    assert found_in(around([Mock()])) == []


def test_keys_of_dicts_deep_inside_are_looked_into() -> None:
    assert len(found_in([[{(1, frozenset({state(1)})): 2}]])) == 1
    assert len(found_in([{1: [OrderedDict({2: (state(1),)})]}, {}])) == 1


def test_a_class_that_was_an_argument_s_lives_no_longer_for_that() -> None:
    class Mine:
        pass

    gone = weakref.ref(Mine)
    assert found_in([Mine(), [Mine()]]) == []
    del Mine
    gc.collect()
    assert gone() is None


def test_looking_into_a_million_numbers_takes_no_longer_than_copying_them_a_few_times() -> None:
    import timeit

    numbers = list(range(1_000_000))
    looking = min(timeit.repeat(lambda: found_in(numbers), number=1, repeat=5))
    copying = min(timeit.repeat(lambda: [x for x in numbers], number=1, repeat=5))  # noqa: C416
    assert looking < 10 * copying


def test_a_value_that_cannot_stand_in_its_place_is_an_error() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        fill({state([1])}, data)


@pytest.mark.parametrize("place", [0, 25, 49])
def test_states_among_many_collections_are_found_in_their_order(place: int) -> None:
    inner, outer = state(1), state(2)
    lists: list[Any] = [[i, {"a": (), "b": {i}}] for i in range(50)]
    lists[place].append([[], [inner]])

    assert found_in([outer, *lists]) == [Found(outer), Found(inner)]
    assert found_in([*lists, outer]) == [Found(inner), Found(outer)]
    assert found_in(lists) == [Found(inner)]


class Shy(list[Any]):
    """Says that it is empty."""

    def __bool__(self) -> bool:
        return False

    def __len__(self) -> int:
        return 0


def test_a_collection_that_says_that_it_is_empty_is_looked_into() -> None:
    one = state(1)
    assert found_in([[Shy([one])]]) == [Found(one)]
    assert found_in([Shy([[one]]), [], ()]) == [Found(one)]
