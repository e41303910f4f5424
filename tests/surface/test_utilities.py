"""Marks on arguments, and errors that programs catch, make and pickle."""

from __future__ import annotations

import inspect
import pickle
from typing import Any

import cloudpickle
import pydantic
import pytest

import upshot
from upshot import exceptions, flow, get_run_context, task
from upshot.exceptions import (
    InvalidNameError,
    ParameterBindError,
    ParameterTypeError,
    ReservedArgumentError,
    SignatureMismatchError,
)
from upshot.utilities.annotations import BaseAnnotation, allow_failure, quote, unmapped
from upshot.utilities.hashing import file_hash, hash_objects, stable_hash

MARKS = [BaseAnnotation, unmapped, allow_failure, quote]
BASES: dict[str, type[BaseException]] = {
    "CancelledRun": Exception,
    "CrashedRun": Exception,
    "FailedRun": Exception,
    "InvalidNameError": ValueError,
    "MappingLengthMismatch": Exception,
    "MappingMissingIterable": Exception,
    "MissingContextError": RuntimeError,
    "MissingResult": Exception,
    "PausedRun": Exception,
    "ReservedArgumentError": TypeError,
    "TerminationSignal": BaseException,
    "UnfinishedRun": Exception,
}


@pytest.mark.parametrize("mark", MARKS)
def test_a_mark_is_taken_off_and_put_on_another_value(mark: type[BaseAnnotation[Any]]) -> None:
    marked = mark([1])
    assert marked.unwrap() == [1]
    assert marked.value == [1]
    again = marked.rewrap("other")
    assert type(again) is mark
    assert again.unwrap() == "other"
    assert isinstance(marked, BaseAnnotation)


@pytest.mark.parametrize("mark", MARKS)
def test_marks_are_equal_by_type_and_value(mark: type[BaseAnnotation[Any]]) -> None:
    assert mark([1]) == mark([1])
    assert mark([1]) != mark([2])
    assert mark([1]) != [1]
    assert all(mark(1) != other(1) for other in MARKS if other is not mark)


def test_marks_of_ones_own_are_marks() -> None:
    class mine(BaseAnnotation[Any]):
        pass

    assert mine(1) == mine(1)
    assert mine(1) != BaseAnnotation(1)
    assert type(mine(1).rewrap(2)) is mine


@pytest.mark.parametrize("mark", MARKS)
def test_marks_are_pickled(mark: type[BaseAnnotation[Any]]) -> None:
    assert pickle.loads(pickle.dumps(mark([1]))) == mark([1])


def test_indexing_what_is_unmapped_gives_the_value() -> None:
    assert unmapped("value")[0] == "value"
    assert unmapped([1, 2])[7] == [1, 2]


def test_what_is_quoted_is_unquoted() -> None:
    value = [1, {"a": 2}]
    assert quote(value).unquote() is value
    assert quote(value).unwrap() is value


def test_the_marks_of_the_package_are_these() -> None:
    assert upshot.unmapped is unmapped
    assert upshot.allow_failure is allow_failure


@pytest.mark.parametrize("name", BASES)
def test_an_error_has_the_base_that_programs_catch(name: str) -> None:
    cls = getattr(exceptions, name)
    assert issubclass(cls, BASES[name])
    if BASES[name] is BaseException:
        assert not issubclass(cls, Exception)


@pytest.mark.parametrize(
    "error",
    [
        exceptions.MissingResult("State data is missing."),
        exceptions.MissingContextError(),
        exceptions.FailedRun("its text"),
        exceptions.CrashedRun("its text"),
        exceptions.CancelledRun("its text"),
        exceptions.PausedRun("its text"),
        exceptions.UnfinishedRun("Run is in RUNNING state, its results are not available."),
        exceptions.ReservedArgumentError("wait_for"),
        exceptions.MappingLengthMismatch("its text"),
        exceptions.MappingMissingIterable("its text"),
        exceptions.TerminationSignal(15),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_are_made_by_hand_and_pickled(error: BaseException) -> None:
    for library in (pickle, cloudpickle):
        again = library.loads(library.dumps(error))
        assert type(again) is type(error)
        assert again.args == error.args
        assert str(again) == str(error)


def test_a_run_that_ended_badly_says_what_it_was_given() -> None:
    assert str(exceptions.FailedRun("its text")) == "its text"
    assert str(exceptions.CrashedRun("its text")) == "its text"


def test_no_context_is_a_runtime_error() -> None:
    with pytest.raises(RuntimeError):
        get_run_context()
    with pytest.raises(exceptions.MissingContextError):
        get_run_context()
    assert str(exceptions.MissingContextError("its text")) == "its text"


@pytest.mark.parametrize("decorate", [flow, task])
@pytest.mark.parametrize("name", ["wait_for", "return_state"])
def test_a_reserved_argument_is_a_type_error(decorate: Any, name: str) -> None:
    function = (lambda wait_for: 1) if name == "wait_for" else (lambda return_state: 1)
    with pytest.raises(ReservedArgumentError, match=f"'{name}' is a reserved argument name"):
        decorate(function)
    with pytest.raises(TypeError):
        decorate(function)


def test_an_invalid_name_is_a_value_error() -> None:
    with pytest.raises(InvalidNameError, match="contains an invalid character"):
        flow(name="a/b")(lambda: 1)


class Model(pydantic.BaseModel):
    num: int
    text: str


def invalid() -> pydantic.ValidationError:
    with pytest.raises(pydantic.ValidationError) as caught:
        Model(num="not a number", text="x")  # type: ignore[arg-type]
    return caught.value


def fn(a: int, b: str) -> str:
    return f"{a} {b}"


def test_a_parameter_type_error_is_made_of_a_validation_error_and_pickled() -> None:
    error = ParameterTypeError.from_validation_error(invalid())
    assert type(error) is ParameterTypeError
    again = cloudpickle.loads(cloudpickle.dumps(error))
    assert type(again) is ParameterTypeError
    assert str(again) == str(error)
    assert error.args == again.args
    assert "- num: Input should be a valid integer" in str(error)


def bind_failure(*args: Any, **kwargs: Any) -> TypeError:
    with pytest.raises(TypeError) as caught:
        inspect.signature(fn).bind(*args, **kwargs)
    return caught.value


def test_a_parameter_bind_error_is_made_of_a_bind_failure_and_pickled() -> None:
    failure = bind_failure(c=3, d="test")
    error = ParameterBindError.from_bind_failure(fn, failure, (), {"c": 3, "d": "test"})
    assert str(error) == (
        f"Error binding parameters for function 'fn': {failure}.\n"
        "Function 'fn' has signature 'a: int, b: str' but received args: () and kwargs:"
        " ['c', 'd']."
    )
    again = cloudpickle.loads(cloudpickle.dumps(error))
    assert type(again) is ParameterBindError
    assert str(again) == str(error)
    assert again.args == error.args


def test_arguments_by_position_stand_in_a_bind_error() -> None:
    failure = bind_failure(1, "b", 3)
    text = str(ParameterBindError.from_bind_failure(fn, failure, (1, "b", 3), {}))
    assert text == (
        "Error binding parameters for function 'fn': too many positional arguments.\n"
        "Function 'fn' has signature 'a: int, b: str' but received args: (1, 'b', 3) and"
        " kwargs: []."
    )


def test_a_signature_mismatch_is_made_of_names_and_pickled() -> None:
    error = SignatureMismatchError.from_bad_params(
        expected_params=["dog", "cat"], provided_params=["puppy", "kitty"]
    )
    assert str(error) == (
        "Function expects parameters ['dog', 'cat'] but was provided with parameters"
        " ['puppy', 'kitty']"
    )
    again = cloudpickle.loads(cloudpickle.dumps(error))
    assert type(again) is SignatureMismatchError
    assert str(again) == str(error)
    assert again.args == error.args
    assert str(SignatureMismatchError.from_bad_params(["a"], ["b"])).startswith("Function expects")


def test_hashes_are_stable(tmp_path: Any) -> None:
    assert stable_hash("a", b"b") == stable_hash("ab")
    assert hash_objects([1], key={"b": 2}) == hash_objects([1], key={"b": 2})
    assert hash_objects(1) != hash_objects(2)
    file = tmp_path / "file"
    file.write_text("text", "utf-8")
    assert file_hash(file) == stable_hash("text")


def test_an_error_of_a_name_may_be_made_of_a_text() -> None:
    error = InvalidNameError("my own text")
    again = pickle.loads(pickle.dumps(error))
    assert str(error) == str(again) == "my own text"
    assert error.args == again.args == ("my own text",)
