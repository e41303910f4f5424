"""Futures and states inside of arguments: they are found, and replaced, wherever they stand."""

from __future__ import annotations

import dataclasses
import sys
import types
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy
import pandas
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from upshot._upstreams import Found, fill, find
from upshot.annotations import allow_failure, unmapped
from upshot.states import Completed, State

DEEP = 20 * sys.getrecursionlimit()


def state(value: Any = None) -> State[Any]:
    return Completed(data=value)


def data(upstream: Any) -> Any:
    return upstream.data


def found_in(value: Any) -> list[Found]:
    found: list[Found] = []
    find(value, found)
    return found


class Point(NamedTuple):
    x: Any
    y: Any = 0


class Rows(list[Any]):
    title = ""


class Pair(tuple[Any, ...]):
    """A tuple with attributes and a constructor of its own."""

    def __new__(cls, left: Any, right: Any) -> Pair:
        return super().__new__(cls, (left, right))


@dataclasses.dataclass
class Plain:
    a: Any
    b: Any = 1


@dataclasses.dataclass(frozen=True)
class Frozen:
    a: Any
    b: Any = 1


@dataclasses.dataclass(slots=True, frozen=True)
class Slotted:
    a: Any
    b: Any = 1


@dataclasses.dataclass
class Late:
    """One field is not the constructor's, and the constructor does something."""

    a: Any
    made: list[Any] = dataclasses.field(default_factory=list, init=False)
    start: dataclasses.InitVar[int] = 0

    def __post_init__(self, start: int) -> None:
        self.made.append(start)


@dataclasses.dataclass(init=False)
class OwnConstructor:
    a: Any

    def __init__(self, *, other_name: Any) -> None:
        self.a = other_name


@dataclasses.dataclass
class Table(list[Any]):
    title: Any = None


class Model(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(arbitrary_types_allowed=True)
    a: Any
    b: int = 1


class FrozenModel(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(frozen=True, extra="allow")
    a: Any
    b: int = 1


leaves = st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.binary(max_size=3)


@st.composite
def nests(draw: st.DrawFn) -> tuple[Any, Any, int]:
    """A nest of collections with states in it, the nest with values there, and how many."""
    if draw(st.integers(0, 3)) == 0:
        value = draw(leaves)
        return (state(value), value, 1) if draw(st.booleans()) else (value, value, 0)
    parts = draw(st.lists(nests(), min_size=1, max_size=3))
    with_states, without = [part[0] for part in parts], [part[1] for part in parts]
    make: Callable[[list[Any]], Any] = draw(
        st.sampled_from(
            [
                list,
                tuple,
                Rows,
                lambda items: dict(enumerate(items)),
                lambda items: OrderedDict(enumerate(items)),
                lambda items: defaultdict(list, enumerate(items)),
                lambda items: Point(*items[:1]),
                lambda items: Plain(*items[:1]),
                lambda items: Slotted(*items[:1]),
                lambda items: Model(a=items[0]),
                lambda items: FrozenModel(a=items[0]),
            ]
        )
    )
    made, expected = make(with_states), make(without)
    kept_one = isinstance(made, Point | Plain | Slotted | pydantic.BaseModel)
    return made, expected, sum(part[2] for part in parts[: 1 if kept_one else None])


@given(nests())
def test_states_are_found_and_replaced_at_any_depth(nest: tuple[Any, Any, int]) -> None:
    value, expected, count = nest
    assert len(found_in(value)) == count
    filled = fill(value, data)
    assert filled == expected
    assert type(filled) is type(expected)
    assert found_in(filled) == []
    assert (filled is value) == (count == 0)
    assert len(found_in(value)) == count  # what was given is as it was


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({state(1): state(2)}, {1: 2}),
        ({state(1), 3}, {1, 3}),
        (frozenset([state(1), 3]), frozenset({1, 3})),
        (OrderedDict(b=state(1), a=2), OrderedDict(b=1, a=2)),
        (Counter({"a": state(1)}), Counter(a=1)),
        ({(1, state(2)): 3}, {(1, 2): 3}),
        ({Frozen(state(1))}, {Frozen(1)}),
        (Point(state(1), [state(2)]), Point(1, [2])),
        (Frozen(state(1), (state(2),)), Frozen(1, (2,))),
        (Model(a={"x": state(1)}), Model(a={"x": 1})),
        (FrozenModel(a=1, more=[state(2)]), FrozenModel(a=1, more=[2])),
        (types.SimpleNamespace(a=1), types.SimpleNamespace(a=1)),
        (unmapped([state(1)]), [1]),
        (unmapped(1), 1),
        ([allow_failure({"a": unmapped(2)})], [{"a": 2}]),
        (allow_failure([state(1), 2]), [1, 2]),
        ([allow_failure(state(1))], [1]),
    ],
)
def test_what_is_filled_is_equal_and_of_the_same_type(value: Any, expected: Any) -> None:
    filled = fill(value, data)
    assert filled == expected
    assert type(filled) is type(expected)


def test_the_items_of_a_mapping_keep_their_order_and_a_defaultdict_its_factory() -> None:
    filled = fill(defaultdict(int, z=state(1), a=2, m=state(3)), data)
    assert list(filled.items()) == [("z", 1), ("a", 2), ("m", 3)]
    assert filled["new"] == 0


def test_a_subclass_keeps_its_attributes_and_its_constructor_is_not_called() -> None:
    rows, pair = Rows([state(1)]), Pair(state(1), 2)
    rows.title, pair.note = "t", "n"  # type: ignore[attr-defined]
    filled = fill([rows, pair], data)
    assert filled == [[1], (1, 2)]
    assert [type(item) for item in filled] == [Rows, Pair]
    assert (filled[0].title, filled[1].note) == ("t", "n")


def test_a_dataclass_is_copied_without_calling_its_constructor() -> None:
    late = Late(state(1), 7)
    late.made.append(state(2))
    filled = fill(late, data)
    assert (filled.a, filled.made) == (1, [7, 2])
    assert late.made[1] is not filled.made[1]
    assert fill(OwnConstructor(other_name=state(3)), data).a == 3


def test_a_dataclass_that_is_a_list_too_has_both_filled() -> None:
    table = Table(state("t"))
    table.append(state(1))
    filled = fill(table, data)
    assert (list(filled), filled.title) == ([1], "t")


def test_fields_that_are_not_set_are_no_obstacle() -> None:
    late = Late(state(1))
    del late.made
    filled = fill(late, data)
    assert filled.a == 1
    assert not hasattr(filled, "made")


def test_a_models_validators_are_not_run_and_its_set_fields_are_kept() -> None:
    filled = fill(Model(a=state("text")), data)
    assert filled.model_fields_set == {"a"}
    assert filled.b == 1


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


def test_looking_into_a_million_numbers_takes_no_longer_than_copying_them_a_few_times() -> None:
    import timeit

    numbers = list(range(1_000_000))
    looking = min(timeit.repeat(lambda: found_in(numbers), number=1, repeat=5))
    copying = min(timeit.repeat(lambda: [x for x in numbers], number=1, repeat=5))  # noqa: C416
    assert looking < 10 * copying


def test_a_value_that_cannot_stand_in_its_place_is_an_error() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        fill({state([1])}, data)
