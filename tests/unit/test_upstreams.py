"""Futures and states inside of arguments are replaced, wherever they stand."""

from __future__ import annotations

import types
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable
from typing import Any

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.holders import (
    Frozen,
    FrozenModel,
    Late,
    Model,
    OwnConstructor,
    Pair,
    Plain,
    Point,
    Rows,
    Slotted,
    Table,
    data,
    found_in,
    state,
)
from upshot._arguments.upstreams import fill
from upshot.annotations import allow_failure, unmapped

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
