"""The marks that arguments carry."""

import pickle

import pytest

import upshot
from upshot.annotations import BaseAnnotation, allow_failure, unmapped

MARKS = [unmapped, allow_failure]


@pytest.mark.parametrize("mark", MARKS)
def test_a_mark_gives_its_argument_back_and_marks_another(mark: type[BaseAnnotation]) -> None:
    value = [1]
    assert mark(value).unwrap() is value
    assert mark(value).value is value
    again = mark(value).rewrap({"b": 2})
    assert type(again) is mark
    assert again.unwrap() == {"b": 2}


@pytest.mark.parametrize("mark", MARKS)
def test_equal_are_marks_of_one_kind_on_equal_arguments(mark: type[BaseAnnotation]) -> None:
    assert mark([1]) == mark([1])
    assert mark([1]) != mark([2])
    assert mark([1]) != [1]
    assert mark(1) != BaseAnnotation(1)
    assert unmapped(1) != allow_failure(1)
    assert len({mark(1), mark(1), mark(2)}) == 2


@pytest.mark.parametrize("mark", MARKS)
def test_a_mark_has_the_hash_of_its_argument_or_none(mark: type[BaseAnnotation]) -> None:
    assert hash(mark("a")) == hash(mark("a"))
    with pytest.raises(TypeError, match="unhashable"):
        hash(mark([1]))


@pytest.mark.parametrize("mark", MARKS)
def test_marks_nest_survive_pickling_and_say_what_they_are(mark: type[BaseAnnotation]) -> None:
    marked = mark(allow_failure([1]))
    assert pickle.loads(pickle.dumps(marked)) == marked
    assert repr(marked) == f"{mark.__name__}(allow_failure([1]))"


def test_what_is_not_mapped_is_the_same_at_each_index() -> None:
    assert unmapped("value")[7] == "value"
    assert unmapped([1])["any"] == [1]


def test_marks_hold_nothing_but_their_argument() -> None:
    for mark in MARKS:
        assert not hasattr(mark(1), "__dict__")


def test_the_package_offers_them() -> None:
    assert upshot.unmapped is unmapped
    assert upshot.allow_failure is allow_failure
