"""Objects and exceptions in JSON, and the place inside of a value that a serializer cannot take."""

import json
from dataclasses import dataclass
from typing import Any

import pydantic
import pytest

from tests.unit.blobs import VALUES, Point
from upshot.exceptions import UnserializableValue
from upshot.serializers import (
    JSONSerializer,
    PickleSerializer,
    Serializer,
    upshot_json_object_encoder,
)


class Odd(Exception):
    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class Coded(Exception):
    def __init__(self, code: int, text: str) -> None:
        super().__init__(code, text)

    def __str__(self) -> str:
        return f"{self.args[0]}: {self.args[1]}"


EXCEPTIONS = [
    ValueError("nope"),
    ValueError(),
    ValueError("two", 2),
    KeyError("missing"),
    FileNotFoundError(2, "No such file or directory"),
    FileNotFoundError(2, "No such file or directory", "x.csv"),
    UnicodeDecodeError("utf-8", b"ab\xff", 2, 3, "invalid start byte"),
    Odd(1, "a text"),
    Coded(1, "a text"),
    KeyboardInterrupt("stop"),
    ExceptionGroup("group", [ValueError("nope"), ExceptionGroup("inner", [KeyError("k")])]),
]


@pytest.mark.parametrize("error", EXCEPTIONS, ids=repr)
def test_an_exception_comes_back_with_its_type_and_text(error: BaseException) -> None:
    serializer = JSONSerializer()
    restored = serializer.loads(serializer.dumps({"error": error}))["error"]
    assert type(restored) is type(error)
    assert str(restored) == str(error)
    if isinstance(error, BaseExceptionGroup):
        assert repr(restored) == repr(error)


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        (ValueError("nope"), {"__exc_type__": "builtins.ValueError", "message": "nope"}),
        (b"abc", {"__class__": "builtins.bytes", "data": "abc"}),
        (b"\xff", {"__bytes__": "/w=="}),
        (VALUES["uuid"], {"__class__": "uuid.UUID", "data": str(VALUES["uuid"])}),
        ({1}, {"__class__": "builtins.set", "data": [1]}),
        (Point(1, 2), {"__class__": "tests.unit.blobs.Point", "data": {"x": 1, "y": 2}}),
    ],
)
def test_objects_have_the_shapes_that_prefect_knows(value: Any, shape: Any) -> None:
    assert json.loads(JSONSerializer().dumps(value)) == shape
    assert upshot_json_object_encoder(value) == shape


@pytest.mark.parametrize(
    "text",
    [
        '{"__class__": "os.system", "data": "true"}',
        '{"__class__": "subprocess.Popen", "data": ["true"]}',
        '{"__exc_type__": "builtins.int", "message": "1"}',
        '{"__class__": "no_such_module.Thing", "data": 1}',
        '{"__class__": "builtins.Thing", "data": 1}',
    ],
)
def test_json_calls_nothing_that_is_no_class_of_values(text: str) -> None:
    with pytest.raises((TypeError, ImportError, pydantic.errors.PydanticUserError)):
        JSONSerializer().loads(text.encode())


class Holder:
    def __init__(self, content: Any) -> None:
        self.content = content


class Slotted:
    __slots__ = ("content", "never_set")

    def __init__(self, content: Any) -> None:
        self.content = content


@dataclass
class Boxed:
    content: Any


class Lock:
    """As one of the standard library's, but for its name, which is the same in every process."""

    def __reduce__(self) -> Any:
        raise TypeError("cannot pickle a lock")

    def __repr__(self) -> str:
        return "LOCK"


LOCK = Lock()


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (LOCK, "value"),
        ([1, 2, LOCK], "value[2]"),
        ({"a": {"b": (1, LOCK)}}, "value['a']['b'][1]"),
        ({"a": Holder([LOCK])}, "value['a'].content[0]"),
        (Slotted({"k": LOCK}), "value.content['k']"),
        ([Boxed(Boxed(LOCK))], "value[0].content.content"),
        ({LOCK: 1}, "the key LOCK of value"),
        ([{LOCK}], "the item LOCK of value[0]"),
        ({"k" * 100: LOCK}, f"value['{'k' * 58}…]"),
    ],
)
def test_the_place_inside_a_value_is_named(value: Any, path: str) -> None:
    for dump in (PickleSerializer().dumps, lambda value: PickleSerializer().dump_to(value, len)):
        with pytest.raises(UnserializableValue) as caught:
            dump(value)
        assert caught.value.path == path
        assert "a lock" in caught.value.problem
        assert "result_serializer" in str(caught.value)


@pytest.mark.parametrize(
    ("value", "path", "problem"),
    [
        ({"a": [Boxed(LOCK)]}, "value['a'][0].content", "Lock is not JSON serializable"),
        ({"a": Holder(1)}, "value['a']", "Holder is not JSON serializable"),
        ({"a": {(1, 2): 3}}, "value['a']", "keys must be str"),
        (type("Local", (Boxed,), {})(1), "value", "cannot be imported"),
        ([LOCK, LOCK], "value[0]", "Lock"),
    ],
)
def test_json_names_the_place_too(value: Any, path: str, problem: str) -> None:
    with pytest.raises(UnserializableValue) as caught:
        JSONSerializer().dumps(value)
    assert caught.value.path == path
    assert problem in caught.value.problem


@pytest.mark.parametrize("serializer", [PickleSerializer(), JSONSerializer()])
def test_what_is_nested_too_deeply_is_said(serializer: Serializer) -> None:
    value: list[Any] = []
    for _ in range(200_000):
        value = [value]
    with pytest.raises(UnserializableValue, match="nested too deeply"):
        serializer.dump_to(value, len)
    while value:
        value = value[0]


def test_a_value_in_itself_is_no_json() -> None:
    value: list[Any] = [1]
    value.append({"again": value})
    with pytest.raises(UnserializableValue, match="Circular reference"):
        JSONSerializer().dumps(value)
    text = PickleSerializer().dumps(value)
    restored = PickleSerializer().loads(text)
    assert restored[1]["again"] is restored


class Evasive:
    """Fails in everything that one could ask it."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __repr__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize("serializer", [PickleSerializer(), JSONSerializer()])
def test_an_object_that_fails_in_everything_is_an_unserializable_value(
    serializer: Serializer,
) -> None:
    for value in (Evasive(), [Evasive()], {Evasive(): 1}):
        with pytest.raises(UnserializableValue):
            serializer.dumps(value)


def test_the_search_for_the_place_ends() -> None:
    class Slow:
        def __reduce__(self) -> Any:
            raise ValueError

    value = {"many": [[index] for index in range(50_000)], "slow": Slow()}
    with pytest.raises(UnserializableValue) as caught:
        PickleSerializer().dumps(value)
    assert caught.value.path == "value['slow']"
