"""A flow's parameters: checked and coerced by annotation, and filled in for the record."""

import asyncio
import enum
import pickle
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, Protocol

import pytest
from pydantic import BaseModel, Field, ValidationError

from tests.surface import postponed
from upshot import flow, get_run_context, task
from upshot.exceptions import ParameterBindError, ParameterTypeError, SignatureMismatchError

MESSAGE = "Validation of flow parameters failed with error"


class Point(BaseModel):
    x: int
    y: int = 0


class Colour(enum.Enum):
    RED = "red"


class Anything:
    pass


class Speaks(Protocol):
    def speak(self) -> str: ...


@dataclass
class Size:
    width: int


@flow
def coerces(x: int, point: Point, *, day: date = date(2020, 1, 1)) -> Any:
    return x, point, day


def test_parameters_are_coerced_by_their_annotations() -> None:
    given: Any = ("1", {"x": "2"})
    assert coerces(*given, day="2026-01-02") == (1, Point(x=2), date(2026, 1, 2))  # type: ignore[call-overload]
    assert coerces(3, Point(x=1)) == (3, Point(x=1), date(2020, 1, 1))


@pytest.mark.parametrize(
    ("kind", "given", "got"),
    [
        (int, "5", 5),
        (float, 1, 1.0),
        (list[int], ["1", 2], [1, 2]),
        (dict[str, str], {"a": "b"}, {"a": "b"}),
        (dict[str, int], {"a": "1"}, {"a": 1}),
        (tuple[int, ...], ["1"], (1,)),
        (int | None, None, None),
        (Literal["a", "b"], "a", "a"),
        (Colour, "red", Colour.RED),
        (Size, {"width": "1"}, Size(1)),
        (Annotated[int, Field(gt=0)], "3", 3),
        (Any, "3", "3"),
        ("Point", {"x": 1}, Point(x=1)),
        (Iterable[int], [1, 2], [1, 2]),
        (Speaks, 5, 5),
        ("no type at all", 5, 5),
        (5, 5, 5),
    ],
    ids=str,
)
def test_all_kinds_of_annotations_are_understood(kind: Any, given: Any, got: Any) -> None:
    def function(value: Any) -> Any:
        return value

    function.__annotations__ = {"value": kind}
    found = flow(function)(given)
    assert found == got
    assert type(found) is type(got)


def test_arbitrary_types_are_taken_as_they_are() -> None:
    @flow
    def keeps(thing: Anything) -> Any:
        return thing

    thing = Anything()
    assert keeps(thing) is thing
    assert keeps(5, return_state=True).is_failed()


def test_extra_arguments_are_checked_one_by_one() -> None:
    @flow
    def variadic(first: int, *rest: int, flag: bool = False, **named: float) -> Any:
        return first, rest, flag, named

    given: Any = ("1", "2", "3")
    assert variadic(*given, flag="yes", z=1) == (1, (2, 3), True, {"z": 1.0})  # type: ignore[call-overload]
    assert variadic(1) == (1, (), False, {})
    state = variadic(1, "x", return_state=True)
    assert state.is_failed()
    assert "rest.0" in state.message


def test_annotations_that_cannot_be_resolved_do_not_fail_the_definition() -> None:
    assert postponed.unresolvable(5, "6") == (5, 6)
    assert postponed.resolvable("6") == 6


def test_postponed_annotations_may_name_what_the_function_closes_over() -> None:
    class Inner(BaseModel):
        x: int

    @flow
    def closes(value: "Inner") -> Any:
        return value, Inner

    assert closes({"x": "1"})[0] == Inner(x=1)  # type: ignore[call-overload]


def test_a_parameter_without_annotation_is_left_alone() -> None:
    @flow
    def bare(x, y=None):  # type: ignore[no-untyped-def]
        return x, y

    thing = object()
    assert bare(thing, "1") == (thing, "1")


def test_a_default_may_be_of_another_type() -> None:
    @flow
    def defaults(x: int = None, y: int = "auto", z: float = 1) -> Any:  # type: ignore[assignment]  # noqa: RUF013
        return x, y, z

    assert defaults() == (None, "auto", 1.0)
    assert defaults(None, "5") == (None, 5, 1.0)  # type: ignore[arg-type]
    assert defaults(y="other", return_state=True).is_failed()


def test_a_default_may_be_described_by_a_field() -> None:
    @flow
    def fields(x: int = Field(gt=1), y: int = Field(default=5), z: Any = Field(default_factory=list)) -> Any:  # fmt: skip # noqa: E501, B008
        return x, y, z

    given: Any = "2"
    assert fields(given) == (2, 5, [])
    assert fields.validate_parameters({"x": 3}) == {"x": 3}
    for bad in (fields(1, return_state=True), fields(return_state=True)):
        assert "- x: " in bad.message


def test_names_that_models_could_not_have_are_fine() -> None:
    @flow
    def odd(_private: int, model_config: int, json: int, self: int) -> Any:
        return _private, model_config, json, self

    given: Any = ("1", "2", "3", "4")
    assert odd(*given) == (1, 2, 3, 4)


def test_parameters_that_do_not_fit_fail_the_run() -> None:
    state = coerces("one", {"x": "two"}, return_state=True)
    assert state.is_failed()
    assert state.name == "Failed"
    assert MESSAGE in state.message
    assert "invalid parameters" in state.message
    assert "- x: " in state.message
    assert "- point.x: " in state.message
    with pytest.raises(ParameterTypeError, match="invalid parameters"):
        state.result()
    assert isinstance(state.result(raise_on_failure=False), ParameterTypeError)


def test_a_call_with_parameters_that_do_not_fit_raises() -> None:
    given: Any = ("one", {})
    with pytest.raises(ParameterTypeError, match="invalid parameters"):
        coerces(*given)


def test_the_function_is_not_called_with_parameters_that_do_not_fit() -> None:
    calls = []

    @flow(retries=3)
    def never(x: int) -> None:
        calls.append(x)

    assert never("x", return_state=True).is_failed()
    assert calls == []


def test_async_flows_check_their_parameters_too() -> None:
    @flow
    async def doubled(x: int) -> int:
        return 2 * x

    async def main() -> Any:
        given: Any = "4"
        return await doubled(given), await doubled("x", return_state=True)

    value, state = asyncio.run(main())
    assert value == 8
    assert MESSAGE in state.message


def test_subflows_check_their_parameters_too() -> None:
    @flow
    def child(x: int) -> int:
        return x

    @flow
    def parent(bad: str) -> Any:
        given: Any = "7"
        assert child(given) == 7
        return child(bad, return_state=True)

    state = parent("bad", return_state=True)
    assert state.is_failed()
    (child_state,) = [state.data] if not isinstance(state.data, list) else state.data
    assert MESSAGE in child_state.message
    assert "invalid parameters" in child_state.message
    with pytest.raises(ParameterTypeError):
        state.result()


def test_an_error_of_the_users_own_validator_fails_the_run() -> None:
    def refuse(value: Any) -> Any:
        raise RuntimeError("no")

    from pydantic import BeforeValidator

    @flow
    def refuses(x: Annotated[int, BeforeValidator(refuse)]) -> None: ...

    state = refuses(1, return_state=True)
    assert state.message == f"{MESSAGE}: RuntimeError: no"
    with pytest.raises(RuntimeError, match="no"):
        state.result()


def test_without_validation_nothing_is_coerced() -> None:
    @flow(validate_parameters=False)
    def as_it_is(x: int) -> Any:
        return x

    given: Any = "x"
    assert as_it_is(given) == "x"


def test_arguments_that_do_not_fit_the_signature_fail_the_run() -> None:
    state = coerces(return_state=True)
    assert state.is_failed()
    assert MESSAGE in state.message
    with pytest.raises(ParameterBindError, match="for function 'coerces': missing a required"):
        state.result()
    with pytest.raises(TypeError, match="unexpected keyword argument 'z'"):
        coerces(1, Point(x=1), z=2)  # type: ignore[call-overload]


def test_validate_parameters_gives_the_coerced_dict() -> None:
    assert coerces.validate_parameters({"x": "1", "point": {"x": 2}}) == {
        "x": 1,
        "point": Point(x=2),
    }
    with pytest.raises(ParameterTypeError, match="- x: "):
        coerces.validate_parameters({"x": "one", "point": Point(x=1)})
    with pytest.raises(ParameterTypeError, match="- point: is required"):
        coerces.validate_parameters({"x": 1})
    with pytest.raises(SignatureMismatchError):
        coerces.validate_parameters({"x": 1, "point": {}, "z": 3})


def recorded(call: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
    """What the record of a flow run says of its parameters."""
    found: list[dict[str, Any]] = []

    @flow
    def outer() -> None:
        state = call(*args, **kwargs, return_state=True)
        state.result()

    original = call.fn

    def noting(*args: Any, **kwargs: Any) -> Any:
        found.append(get_run_context().flow_run.parameters)  # type: ignore[union-attr, arg-type]
        return original(*args, **kwargs)

    noting.__wrapped__ = original  # type: ignore[attr-defined]
    call.fn = noting
    outer()
    return found[0]


def test_defaults_are_filled_in_for_the_record() -> None:
    @flow
    def two(x: int, y: int = 2) -> int:
        return x + y

    assert recorded(two, x="1") == {"x": 1, "y": 2}


def test_lists_of_some_length_and_dicts_by_other_keys_than_texts_are_recorded() -> None:
    @flow
    def takes(numbers: list[int], by_number: dict[int, Any]) -> None: ...

    many = list(range(100))
    assert recorded(takes, many, {1: [Colour.RED]}) == {
        "numbers": many,
        "by_number": {"1": ["red"]},
    }


def test_what_cannot_be_made_json_is_recorded_as_a_placeholder() -> None:
    @flow
    def takes(thing: Any, text: str = "a") -> None: ...

    assert recorded(takes, Anything()) == {"thing": "<Anything>", "text": "a"}


def test_moments_durations_enums_and_decimals_are_recorded_as_json_has_them() -> None:
    @flow
    def takes(
        moment: datetime, day: date, long: timedelta, colour: Colour, price: Decimal
    ) -> None: ...

    moment, day = datetime(2020, 1, 2, 3, 4, tzinfo=UTC), date(2020, 1, 2)
    assert recorded(takes, moment, day, timedelta(minutes=1), Colour.RED, Decimal("1.50")) == {
        "moment": "2020-01-02T03:04:00+00:00",
        "day": "2020-01-02",
        "long": 60.0,
        "colour": "red",
        "price": "1.50",
    }


def test_a_task_does_not_coerce() -> None:
    @task
    def as_it_is(x: int) -> Any:
        return x

    given: Any = "x"
    assert as_it_is(given) == "x"


class Model(BaseModel):
    num: int
    string: str


def the_errors() -> list[Exception]:
    def fn(a: int, b: str) -> None: ...

    with pytest.raises(ValidationError) as caught:
        Model(num="not an int", string=[1, 2])  # type: ignore[arg-type]
    return [
        ParameterTypeError.from_validation_error(caught.value),
        ParameterBindError.from_bind_failure(fn, TypeError("invalid"), (), {"c": 3, "d": "test"}),
        SignatureMismatchError.from_bad_params(["dict", "list"], ["int", "float"]),
    ]


def test_the_errors_say_what_was_wrong() -> None:
    typed, bound, mismatched = map(str, the_errors())
    assert "invalid parameters" in typed
    assert "- num: Input should be a valid integer" in typed
    assert "- string: " in typed
    assert bound == (
        "Error binding parameters for function 'fn': invalid.\nFunction 'fn' has signature"
        " 'a: int, b: str' but received args: () and kwargs: ['c', 'd']."
    )
    assert mismatched == (
        "Function expects parameters ['dict', 'list'] but was provided with parameters"
        " ['int', 'float']"
    )


def test_the_errors_can_be_pickled() -> None:
    for error in the_errors():
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is type(error)
        assert str(again) == str(error)
