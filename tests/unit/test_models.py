"""The base of all models: short names, and choosing a subclass by the field `type`."""

from __future__ import annotations

from typing import Any, ClassVar, Generic, Literal, TypeVar

import pytest
from pydantic import BaseModel, ValidationError

from upshot import _registry
from upshot._models import Dispatched, Model
from upshot.documents import BaseResult, LiteralResult, UnpersistedResult
from upshot.exceptions import PluginConflict, UnknownPlugin
from upshot.serializers import JSONSerializer, PickleSerializer, Serializer

T = TypeVar("T")


class Point(Model):
    x: int
    y: int = 0


def test_a_model_answers_to_its_short_names() -> None:
    point = Point(x=1)
    assert point.dict() == {"x": 1, "y": 0}
    assert point.dict(exclude={"y"}) == {"x": 1}
    assert point.json(exclude_unset=True) == '{"x":1}'
    assert Point.parse_raw('{"x": 2}') == Point.parse_raw(b'{"x": 2}') == Point(x=2)
    assert Point.parse_obj({"x": "3"}) == Point(x=3)
    assert point.copy(update={"y": 5}) == Point(x=1, y=5)


def test_construct_checks_nothing() -> None:
    point = Point.construct(x="no number")
    assert point.x == "no number"
    assert point.y == 0


def test_a_deep_copy_shares_nothing() -> None:
    class Holder(Model):
        items: list[int]

    holder = Holder(items=[1])
    assert holder.copy(deep=True).items is not holder.items
    assert holder.copy().items is holder.items


@pytest.mark.parametrize(
    ("fields", "cls"),
    [
        ({"type": "json"}, JSONSerializer),
        ({"type": "pickle", "picklelib": "pickle"}, PickleSerializer),
    ],
)
def test_the_root_gives_the_class_that_goes_by_the_type(fields: Any, cls: type) -> None:
    made = [Serializer(**fields), Serializer.parse_obj(fields), cls(**fields)]
    assert [type(serializer) for serializer in made] == [cls] * 3
    assert made[0] == made[1] == made[2]


def test_a_field_of_another_model_takes_a_dict_or_an_instance() -> None:
    class Holder(BaseModel):
        serializer: Serializer
        result: BaseResult[Any]

    given = Holder(serializer={"type": "json"}, result=LiteralResult(value=True))
    read = Holder.model_validate_json(
        '{"serializer": {"type": "json"}, "result": {"type": "literal", "value": true}}'
    )
    assert given == read
    assert type(given.serializer) is JSONSerializer
    assert type(given.result) is LiteralResult


@pytest.mark.parametrize("given", [LiteralResult(value=True), {"type": "literal", "value": True}])
def test_a_root_with_a_type_parameter_dispatches_as_well(given: Any) -> None:
    class Holder(BaseModel):
        result: BaseResult[bool]

    assert Holder(result=given).result == LiteralResult(value=True)
    assert BaseResult[bool].model_validate(given) == LiteralResult(value=True)
    assert BaseResult[bool](type="literal", value=True) == LiteralResult(value=True)


def test_a_subclass_keeps_to_its_own_type() -> None:
    assert LiteralResult[bool](value=True) == LiteralResult(value=True)
    with pytest.raises(ValidationError):
        LiteralResult.parse_obj({"type": "unpersisted"})
    with pytest.raises(ValidationError):
        UnpersistedResult(type="literal")
    with pytest.raises(ValidationError):
        JSONSerializer.parse_obj(PickleSerializer())


@pytest.mark.parametrize(
    "fields", [{}, {"type": None}, {"type": 1}, {"type": ["json"]}, [], "json"]
)
def test_fields_without_a_type_are_refused(fields: Any) -> None:
    with pytest.raises(ValidationError):
        Serializer.parse_obj(fields)


def test_an_unknown_type_is_named() -> None:
    for make in (lambda: Serializer(type="yaml"), lambda: Serializer.parse_raw('{"type":"yaml"}')):
        with pytest.raises(UnknownPlugin, match="'yaml'"):
            make()


def test_a_subclass_is_known_once_it_is_defined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_registry, "_loaded", dict(_registry._loaded))

    class Root(Dispatched):
        registry_kind: ClassVar[str] = "shape"
        type: str

    class Nameless(Root):
        size: int = 1

    class Round(Nameless):
        type: Literal["round"] = "round"

    assert _registry.names("shape") == ("round",)
    assert type(Root(type="round", size=2)) is Round
    with pytest.raises(PluginConflict, match=r"shape 'round' is claimed by .*Round and by .*Ball"):

        class Ball(Root):
            type: Literal["round"] = "round"


def test_a_generic_subclass_is_registered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_registry, "_loaded", dict(_registry._loaded))

    class Root(Dispatched, Generic[T]):
        registry_kind: ClassVar[str] = "box"
        type: str

    class Box(Root[T], Generic[T]):
        type: Literal["box"] = "box"
        content: T

    assert Box[int](content=1).content == 1
    with pytest.raises(ValidationError):
        Box[int](content="no number")
    assert _registry.load("box", "box") is Box
