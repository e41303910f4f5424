"""What `map` makes of its arguments."""

from __future__ import annotations

import inspect
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from typing import Any

import numpy
import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st

from upshot._arguments.mapping import calls, futures
from upshot.annotations import allow_failure, unmapped
from upshot.exceptions import (
    MappingLengthMismatch,
    MappingMissingIterable,
    ParameterBindError,
)
from upshot.states import Completed, Failed


def two(x: Any, y: Any = (7, 8, 9)) -> None: ...


def many(*items: Any, **named: Any) -> None: ...


def named_only(x: Any, *, y: Any = "yy") -> None: ...


def mapped(function: Callable[..., Any], *args: Any, **kwargs: Any) -> list[dict[str, Any]]:
    """The parameters of each call of `function.map(*args, **kwargs)`."""
    signature = inspect.signature(function)
    rows = calls(signature, function.__name__, args, kwargs)
    return [dict(signature.bind(*row[0], **row[1]).arguments) for row in rows]


@pytest.mark.parametrize(
    ("items", "elements"),
    [
        ([1, 2], [1, 2]),
        ((1, 2), [1, 2]),
        (range(2), [0, 1]),
        ({"a": 1, "b": 2}, ["a", "b"]),
        ({"a": 1, "b": 2}.items(), [("a", 1), ("b", 2)]),
        (OrderedDict(b=1, a=2), ["b", "a"]),
        (deque([1, 2]), [1, 2]),
        (iter([1, 2]), [1, 2]),
        ((x for x in (1, 2)), [1, 2]),
        (numpy.array([1, 2]), [1, 2]),
        (pandas.Series([1, 2]), [1, 2]),
        ([[1], "ab"], [[1], "ab"]),
        ([None], [None]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_can_be_iterated_is(items: Any, elements: list[Any]) -> None:
    assert mapped(two, items) == [{"x": element} for element in elements]


@pytest.mark.parametrize("value", ["text", b"bytes", bytearray(b"b"), 1, None, object(), int])
def test_text_bytes_and_what_cannot_be_iterated_are_the_same_for_all(value: Any) -> None:
    assert mapped(two, [1, 2], value) == [{"x": 1, "y": value}, {"x": 2, "y": value}]
    with pytest.raises(MappingMissingIterable, match="x, y"):
        mapped(two, value)


def test_what_is_not_to_be_mapped_is_the_same_object_for_all() -> None:
    same = [1, 2, 3]
    rows = mapped(two, [1, 2], unmapped(same))
    assert [row["y"] is same for row in rows] == [True, True]
    with pytest.raises(MappingMissingIterable):
        mapped(two, unmapped([1, 2]))


def test_defaults_are_never_iterated() -> None:
    assert mapped(two, [1, 2, 3]) == [{"x": 1}, {"x": 2}, {"x": 3}]
    assert mapped(named_only, [1, 2]) == [{"x": 1}, {"x": 2}]


def test_arguments_may_come_by_name() -> None:
    assert mapped(two, y=[1, 2], x="a") == [{"x": "a", "y": 1}, {"x": "a", "y": 2}]
    assert mapped(named_only, 1, y=[1, 2]) == [{"x": 1, "y": 1}, {"x": 1, "y": 2}]


def test_variadic_arguments_are_mapped_each_for_itself() -> None:
    rows = mapped(many, [1, 2], "s", [3, 4], a=[5, 6], b=unmapped([7]))
    assert rows == [
        {"items": (1, "s", 3), "named": {"a": 5, "b": [7]}},
        {"items": (2, "s", 4), "named": {"a": 6, "b": [7]}},
    ]


def test_more_than_ten_arguments_keep_their_order() -> None:
    rows = mapped(many, *[[i] for i in range(12)])
    assert rows == [{"items": tuple(range(12))}]


def test_a_failure_is_allowed_for_each_element() -> None:
    rows = mapped(two, allow_failure([1, 2]), allow_failure("ab"))
    assert rows == [
        {"x": allow_failure(1), "y": allow_failure("ab")},
        {"x": allow_failure(2), "y": allow_failure("ab")},
    ]


def test_marks_inside_of_marks_hold() -> None:
    assert mapped(two, [1, 2], unmapped(allow_failure([3]))) == [
        {"x": 1, "y": allow_failure([3])},
        {"x": 2, "y": allow_failure([3])},
    ]
    same = allow_failure(unmapped([3]))
    assert mapped(two, [1, 2], same) == [{"x": 1, "y": same}, {"x": 2, "y": same}]


def test_a_state_is_iterated_as_its_result() -> None:
    assert mapped(two, Completed(data=[1, 2])) == [{"x": 1}, {"x": 2}]
    state = Completed(data="text")
    assert mapped(two, [1], state) == [{"x": 1, "y": state}]
    assert mapped(two, [1], unmapped(Completed(data=[1, 2])))[0]["y"].data == [1, 2]


def test_a_state_that_ended_badly_cannot_be_iterated() -> None:
    with pytest.raises(ZeroDivisionError):
        mapped(two, Failed(data=ZeroDivisionError()))


def test_no_elements_are_no_calls() -> None:
    assert mapped(two, []) == []
    assert mapped(two, (x for x in ())) == []


def test_lengths_are_compared_before_anything_runs() -> None:
    signature = inspect.signature(two)
    with pytest.raises(MappingLengthMismatch, match=r"x: 2, y: 3") as caught:
        calls(signature, "two", ([1, 2], [1, 2, 3]), {})
    assert caught.value.lengths == {"x": 2, "y": 3}
    with pytest.raises(MappingLengthMismatch, match=r"items\[1\]: 1, z: 2"):
        calls(inspect.signature(many), "many", ("s", [1]), {"z": [1, 2]})
    assert mapped(many, [1], a=[2]) == [{"items": (1,), "named": {"a": 2}}]


@pytest.mark.parametrize(("short", "long"), [(1, 2), (0, 1), (2, 3)])
def test_a_generator_of_another_length_shows_when_it_ends(short: int, long: int) -> None:
    with pytest.raises(MappingLengthMismatch):
        mapped(two, range(short), iter(range(long)))
    with pytest.raises(MappingLengthMismatch):
        mapped(two, iter(range(long)), range(short))


def test_a_generators_own_error_is_its_own() -> None:
    def elements() -> Iterator[int]:
        yield 1
        raise ValueError("zip() argument 2 is mine")

    with pytest.raises(ValueError, match="is mine") as caught:
        mapped(two, elements(), range(2))
    assert type(caught.value) is ValueError


def test_a_generator_is_not_read_ahead_of_the_calls() -> None:
    read: list[int] = []

    def elements() -> Iterator[int]:
        for i in range(3):
            read.append(i)
            yield i

    rows = calls(inspect.signature(two), "two", (elements(),), {})
    assert read == []
    assert next(rows)[0] == (0,)
    assert read == [0]


def test_arguments_that_do_not_fit_are_told_of_at_once() -> None:
    with pytest.raises(ParameterBindError, match="unexpected keyword argument 'z'"):
        calls(inspect.signature(two), "two", ([1],), {"z": 1})
    with pytest.raises(ParameterBindError, match="missing a required argument: 'x'"):
        calls(inspect.signature(two), "two", (), {})


def test_one_thing_given_twice_is_iterated_for_each() -> None:
    items = [1, 2]
    assert mapped(two, items, items) == [{"x": 1, "y": 1}, {"x": 2, "y": 2}]


def test_there_are_no_futures_among_plain_arguments() -> None:
    assert futures(([1], "a", unmapped([2])), {"y": Completed(data=1)}) == []


@given(st.lists(st.lists(st.integers(), max_size=4), min_size=1, max_size=4))
def test_the_calls_are_the_rows_of_the_arguments(columns: list[list[int]]) -> None:
    if len({len(column) for column in columns}) > 1:
        with pytest.raises(MappingLengthMismatch):
            mapped(many, *columns)
    else:
        expected = [{"items": row} for row in zip(*columns, strict=True)]
        assert mapped(many, *columns) == expected
