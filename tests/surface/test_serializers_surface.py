"""Serializers: upshot's and one's own, by themselves and as options of flows and tasks."""

from __future__ import annotations

import base64
import json
import pickle
from dataclasses import dataclass
from typing import Any, Literal
from unittest.mock import MagicMock
from uuid import UUID, uuid4

import cloudpickle
import pydantic
import pytest

from upshot import flow, get_run_context, task
from upshot.serializers import (
    CompressedSerializer,
    JSONSerializer,
    PickleSerializer,
    Serializer,
    upshot_json_object_decoder,
    upshot_json_object_encoder,
)

pytestmark = pytest.mark.usefixtures("upshot_home")


class Reversed(Serializer):
    """Text, backwards."""

    type: Literal["reversed"] = "reversed"
    times: int = 1

    def dumps(self, value: Any) -> bytes:
        return json.dumps(value)[::-1].encode()

    def loads(self, text: bytes) -> Any:
        return json.loads(text.decode()[::-1])


class Holder(pydantic.BaseModel):
    serializer: Serializer


@dataclass
class Point:
    x: int
    raw: bytes


class Order(pydantic.BaseModel):
    id: UUID
    items: list[int]


def odd_encoder(obj: Any) -> Any:
    return {"odd": type(obj).__name__}


def odd_decoder(fields: dict[str, Any]) -> Any:
    return fields.get("odd", fields)


ENCODER, DECODER = f"{__name__}.odd_encoder", f"{__name__}.odd_decoder"


def test_the_base_is_abstract() -> None:
    class Half(Serializer):
        type: Literal["half"] = "half"

        def dumps(self, value: Any) -> bytes:
            return b""

    for cls in (Serializer, Half):
        with pytest.raises(TypeError, match="abstract"):
            cls()  # type: ignore[abstract, call-arg]


def test_extra_fields_are_forbidden() -> None:
    for cls in (Reversed, PickleSerializer, JSONSerializer):
        with pytest.raises(pydantic.ValidationError, match="1 validation error"):
            cls(no_field=1)


@pytest.mark.parametrize(
    ("type", "cls"),
    [
        ("pickle", PickleSerializer),
        ("json", JSONSerializer),
        ("reversed", Reversed),
    ],
)
def test_a_type_gives_an_instance_of_the_subclass(type: str, cls: type[Serializer]) -> None:
    assert Serializer(type=type) == cls()
    assert isinstance(Serializer(type=type), cls)
    assert isinstance(Serializer.parse_raw(json.dumps({"type": type})), cls)
    assert isinstance(Holder(serializer={"type": type}).serializer, cls)  # type: ignore[arg-type]
    assert isinstance(Holder(serializer=cls()).serializer, cls)


def test_a_type_without_an_annotation_registers_too() -> None:
    class Bare(Serializer):
        type = "bare"

        def dumps(self, value: Any) -> bytes:
            return b""

        def loads(self, text: bytes) -> Any:
            return None

    assert isinstance(Serializer(type="bare"), Bare)
    assert Bare().dict() == {"type": "bare"}


def test_equal_are_serializers_of_one_class_with_equal_fields() -> None:
    assert Reversed() == Reversed()
    assert Reversed() != Reversed(times=2)
    assert PickleSerializer() == PickleSerializer()
    assert PickleSerializer() != JSONSerializer()
    assert JSONSerializer(jsonlib="orjson") != JSONSerializer()


@pytest.mark.parametrize("choice", [Reversed(times=2), "reversed"])
@pytest.mark.parametrize("on", ["flow", "task", "flow for its task"])
def test_serializers_of_ones_own_are_given_as_instance_or_type(choice: Any, on: str) -> None:
    own = {"result_serializer": choice}

    @task(persist_result=True, cache_result_in_memory=False, **own if on == "task" else {})
    def child() -> list[int]:
        return [1, 2]

    @flow(persist_result=True, cache_result_in_memory=False, **{} if on == "task" else own)
    def around() -> Any:
        factory = get_run_context().result_factory
        state = child(return_state=True)
        assert state.result() == [1, 2]
        return [factory.serializer.type, state.data.serializer_type]

    state = around(return_state=True)
    expected = ["pickle" if on == "task" else "reversed", "reversed"]
    assert state.result() == expected
    assert state.data.serializer_type == expected[0]


@pytest.mark.parametrize("choice", ["compressed/pickle", "compressed/json", "json", "pickle"])
def test_upshots_serializers_are_given_by_type(choice: str) -> None:
    @task(persist_result=True, result_serializer=choice, cache_result_in_memory=False)
    def value() -> dict[str, Any]:
        return {"a": [1, 2.5, None]}

    state = value(return_state=True)
    assert state.data.serializer_type == choice
    assert state.result() == {"a": [1, 2.5, None]}


def test_an_unknown_type_is_refused_where_it_is_given() -> None:
    with pytest.raises(LookupError, match="'pickel'"):
        flow(result_serializer="pickel")(lambda: 1)
    with pytest.raises(KeyError, match="no serializer is called 'pickel'"):
        Serializer(type="pickel")


def test_pickles_are_base64_of_what_the_library_gives() -> None:
    assert PickleSerializer().picklelib == "cloudpickle"
    assert PickleSerializer().picklelib_version is None
    assert PickleSerializer().type == "pickle"
    value = {"a": {1, 2}}
    assert base64.b64decode(PickleSerializer().dumps(value)) == cloudpickle.dumps(value)
    assert PickleSerializer().loads(base64.encodebytes(pickle.dumps(value))) == value
    assert PickleSerializer().loads(PickleSerializer().dumps(lambda x: x + 1))(1) == 2


def test_the_pickle_library_is_called_with_the_object_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dumps, loads = MagicMock(return_value=b"test"), MagicMock(return_value="test")
    monkeypatch.setattr("pickle.dumps", dumps)
    monkeypatch.setattr("pickle.loads", loads)
    serializer = PickleSerializer(picklelib="pickle")
    serializer.dumps("test")
    dumps.assert_called_once_with("test")
    serializer.loads(b"test")
    loads.assert_called_once_with(base64.decodebytes(b"test"))


def test_the_pickle_library_is_an_import_path() -> None:
    with pytest.raises(ValueError, match="string"):
        PickleSerializer(picklelib=pickle)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"no\.such\.library"):
        PickleSerializer(picklelib="no.such.library")


@pytest.mark.parametrize("method", ["dumps", "loads"])
def test_a_pickle_library_without_a_method_is_refused(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(f"pickle.{method}")
    text = f"Pickle library at 'pickle' does not have a '{method}' method."
    with pytest.raises(ValueError, match=text):
        PickleSerializer(picklelib="pickle")


@pytest.mark.parametrize("library", ["json", "orjson"])
def test_the_json_library_is_called_with_text_and_hooks(
    library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    dumps, loads = MagicMock(return_value='"test"'), MagicMock(return_value="test")
    monkeypatch.setattr(f"{library}.dumps", dumps)
    monkeypatch.setattr(f"{library}.loads", loads)
    serializer = JSONSerializer(
        jsonlib=library,
        object_encoder=ENCODER,
        object_decoder=DECODER,
        dumps_kwargs={"indent": 2},
        loads_kwargs={"strict": False},
    )
    serializer.dumps("value")
    dumps.assert_called_once_with("value", default=odd_encoder, indent=2)
    assert serializer.loads(b'"text"') == "test"
    loads.assert_called_once_with('"text"', object_hook=odd_decoder, strict=False)


@pytest.mark.parametrize("library", ["json", "orjson"])
def test_none_leaves_the_hooks_of_json_out(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    dumps, loads = MagicMock(return_value=b'"test"'), MagicMock(return_value="test")
    monkeypatch.setattr(f"{library}.dumps", dumps)
    monkeypatch.setattr(f"{library}.loads", loads)
    serializer = JSONSerializer(jsonlib=library, object_encoder=None, object_decoder=None)
    serializer.dumps("value")
    dumps.assert_called_once_with("value")
    serializer.loads(b'"text"')
    loads.assert_called_once_with('"text"')


def test_hooks_of_json_are_used() -> None:
    serializer = JSONSerializer(object_encoder=ENCODER, object_decoder=DECODER)
    assert json.loads(serializer.dumps([{1}])) == [{"odd": "set"}]
    assert serializer.loads(serializer.dumps([{1}])) == ["set"]


@pytest.mark.parametrize("value", [{"a": [1, None, "ü"]}, [], "text", 1.5])
def test_orjson_works_without_hooks(value: Any) -> None:
    serializer = JSONSerializer(jsonlib="orjson", object_encoder=None, object_decoder=None)
    assert serializer.loads(serializer.dumps(value)) == value
    assert (
        JSONSerializer(jsonlib="orjson").loads(JSONSerializer(jsonlib="orjson").dumps(value))
        == value
    )


def test_the_hooks_of_json_are_no_further_arguments() -> None:
    with pytest.raises(pydantic.ValidationError, match="default"):
        JSONSerializer(dumps_kwargs={"default": "mine"})
    with pytest.raises(pydantic.ValidationError, match="object_hook"):
        JSONSerializer(loads_kwargs={"object_hook": "mine"})
    assert JSONSerializer(dumps_kwargs={"indent": 1}).dumps([1]) == b"[\n 1\n]"


@pytest.mark.parametrize(
    "value",
    [
        uuid4(),
        b"bytes",
        b"\xff\x00",
        Order(id=uuid4(), items=[1, 2]),
        Point(1, b"raw"),
        [Point(1, b"\xff"), {"order": Order(id=uuid4(), items=[])}],
    ],
)
def test_json_gives_objects_back(value: Any) -> None:
    restored = JSONSerializer().loads(JSONSerializer().dumps(value))
    assert restored == value
    assert type(restored) is type(value)


def test_classes_stand_in_json_by_their_qualified_name() -> None:
    shape = upshot_json_object_encoder(Point(1, b"raw"))
    assert shape["__class__"] == f"{Point.__module__}.Point"
    again = json.loads(
        json.dumps(shape, default=upshot_json_object_encoder),
        object_hook=upshot_json_object_decoder,
    )
    assert again == Point(1, b"raw")


def test_json_gives_exceptions_back_with_type_and_message() -> None:
    restored = JSONSerializer().loads(JSONSerializer().dumps(ValueError("its text")))
    assert type(restored) is ValueError
    assert str(restored) == "its text"


@pytest.mark.parametrize("library", ["bz2", "lzma", "zlib"])
@pytest.mark.parametrize("inner", ["pickle", "json", PickleSerializer(), Reversed()])
def test_compressed_is_base64_of_what_the_library_makes(library: str, inner: Any) -> None:
    serializer = CompressedSerializer(serializer=inner, compressionlib=library)
    text = serializer.dumps(["value"])
    compressed = base64.b64decode(text, validate=True)
    made = pytest.importorskip(library).decompress(compressed)
    assert serializer.serializer.loads(made) == ["value"]
    assert serializer.loads(text) == ["value"]


def test_the_compression_library_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    compress, decompress = MagicMock(return_value=b"test"), MagicMock(return_value=b'"test"')
    monkeypatch.setattr("zlib.compress", compress)
    monkeypatch.setattr("zlib.decompress", decompress)
    serializer = CompressedSerializer(serializer="json", compressionlib="zlib")
    assert base64.b64decode(serializer.dumps("value")) == b"test"
    compress.assert_called_once_with(b'"value"')
    assert serializer.loads(base64.b64encode(b"text")) == "test"
    decompress.assert_called_once_with(b"text")


def test_compression_is_lzma_if_nothing_is_said() -> None:
    assert CompressedSerializer(serializer="json").compressionlib == "lzma"
    assert CompressedSerializer(serializer="json") == CompressedSerializer(
        serializer=JSONSerializer(), compressionlib="lzma"
    )


@pytest.mark.parametrize("inner", ["pickle", "json"])
def test_compressed_types_are_preset(inner: str) -> None:
    serializer = Serializer(type=f"compressed/{inner}")
    assert isinstance(serializer, CompressedSerializer)
    assert serializer.type == f"compressed/{inner}"
    assert serializer.serializer == Serializer(type=inner)
    assert serializer.loads(serializer.dumps([1])) == [1]


@pytest.mark.parametrize("kind", ["json", "compressed/json"])
def test_what_json_has_no_form_for_is_a_type_error(kind: str) -> None:
    with pytest.raises(TypeError, match="object is not JSON serializable"):
        Serializer(type=kind).dumps({"key": object()})
