"""What users of Prefect 2 know of its serializers, and what is said when something is wrong."""

import base64
import importlib
import io
import json
import lzma
import pickle
import sys
import zlib
from typing import Any
from unittest.mock import MagicMock

import cloudpickle
import pydantic
import pytest

import upshot.serializers
from tests.unit.blobs import VALUES, Shouting
from upshot.exceptions import MissingExtra, PluginConflict, UnknownPlugin
from upshot.serializers import (
    CompressedJSONSerializer,
    CompressedPickleSerializer,
    CompressedSerializer,
    JSONSerializer,
    PickleSerializer,
    Serializer,
    upshot_json_object_decoder,
    upshot_json_object_encoder,
)


@pytest.mark.parametrize(
    ("type", "cls"),
    [
        ("pickle", PickleSerializer),
        ("json", JSONSerializer),
        ("compressed/pickle", CompressedPickleSerializer),
        ("compressed/json", CompressedJSONSerializer),
        ("test shouting", Shouting),
    ],
)
def test_a_type_names_its_class(type: str, cls: type[Serializer]) -> None:
    for made in (
        Serializer(type=type),
        Serializer.model_validate({"type": type}),
        Serializer.parse_raw(json.dumps({"type": type})),
        cls(),
    ):
        assert made.__class__ is cls
        assert made == cls()
    with pytest.raises(pydantic.ValidationError):
        Serializer(type=type, extra=1)


def test_a_serializer_is_a_field_of_a_model() -> None:
    class Model(pydantic.BaseModel):
        serializer: Serializer

    given = [{"type": "compressed", "serializer": "json", "compressionlib": "zlib"}]
    given.append(Model.model_validate({"serializer": given[0]}).serializer)
    for serializer in given:
        model = Model.model_validate({"serializer": serializer})
        expected = CompressedSerializer(serializer=JSONSerializer(), compressionlib="zlib")
        assert model.serializer == expected


def test_serializers_are_equal_by_their_fields() -> None:
    assert PickleSerializer() != PickleSerializer(picklelib="pickle")
    assert CompressedPickleSerializer() != CompressedSerializer(serializer="pickle")
    assert CompressedSerializer(serializer="json") == CompressedSerializer(
        serializer=JSONSerializer()
    )


def test_an_unknown_type_is_named() -> None:
    with pytest.raises(UnknownPlugin, match="'pickel': did you mean 'pickle'"):
        Serializer(type="pickel")


def test_a_type_belongs_to_one_class() -> None:
    with pytest.raises(PluginConflict, match="'json' is claimed by"):

        class Mine(JSONSerializer):
            pass


def test_names_are_offered_lazily() -> None:
    assert set(upshot.serializers.__all__) >= {"Serializer", "upshot_json_object_encoder"}
    for name in upshot.serializers.__all__:
        assert getattr(upshot.serializers, name)
    with pytest.raises(AttributeError):
        upshot.serializers.NoSuchSerializer  # noqa: B018


def test_the_text_of_a_pickle_is_base64_of_what_its_library_gives() -> None:
    for name, library in (("cloudpickle", cloudpickle), ("pickle", pickle)):
        serializer = PickleSerializer(picklelib=name)
        assert serializer.dumps([1]) == base64.b64encode(library.dumps([1]))
        assert serializer.loads(base64.encodebytes(library.dumps(["x" * 200]))) == ["x" * 200]


def test_the_library_is_called_with_the_value_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    dumps, loads = MagicMock(return_value=b"text"), MagicMock(return_value="value")
    monkeypatch.setattr(pickle, "dumps", dumps)
    monkeypatch.setattr(pickle, "loads", loads)
    serializer = PickleSerializer(picklelib="pickle")
    assert serializer.dumps("value") == base64.b64encode(b"text")
    dumps.assert_called_once_with("value")
    assert serializer.loads(base64.b64encode(b"text")) == "value"
    loads.assert_called_once_with(b"text")


@pytest.mark.parametrize("method", ["dumps", "loads"])
def test_a_pickle_library_needs_both_methods(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(pickle, method)
    text = f"Pickle library at 'pickle' does not have a '{method}' method."
    with pytest.raises(ValueError, match=text):
        PickleSerializer(picklelib="pickle")


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: PickleSerializer(picklelib=pickle), "valid string"),
        (lambda: PickleSerializer(picklelib="no.such.lib"), "'no.such.lib' cannot be imported"),
        (lambda: CompressedPickleSerializer(compressionlib="nope"), "'nope' cannot be imported"),
        (lambda: CompressedPickleSerializer(compressionlib="json"), "'compress' method"),
        (lambda: CompressedSerializer(), "serializer"),
        (lambda: JSONSerializer(dumps_kwargs={"default": 1}), "`object_encoder` instead"),
        (lambda: JSONSerializer(loads_kwargs={"object_hook": 1}), "`object_decoder` instead"),
        (lambda: JSONSerializer(dumps_kwargs={"cls": json.JSONEncoder}), "valid JSON value"),
        (lambda: JSONSerializer(level=1), "Extra inputs"),
    ],
)
def test_wrong_options_are_named(make: Any, text: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=text):
        make()


def test_json_is_called_with_text_and_hooks(monkeypatch: pytest.MonkeyPatch) -> None:
    dumps, loads = MagicMock(return_value='"text"'), MagicMock(return_value="value")
    monkeypatch.setattr(json, "dumps", dumps)
    monkeypatch.setattr(json, "loads", loads)
    serializer = JSONSerializer(dumps_kwargs={"indent": 1}, loads_kwargs={"strict": False})
    assert serializer.dumps("value") == b'"text"'
    dumps.assert_called_once_with("value", default=upshot_json_object_encoder, indent=1)
    assert serializer.loads(b'"text"') == "value"
    loads.assert_called_once_with('"text"', object_hook=upshot_json_object_decoder, strict=False)


def test_without_encoder_and_decoder_json_gets_no_hooks(monkeypatch: pytest.MonkeyPatch) -> None:
    dumps, loads = MagicMock(return_value=b"1"), MagicMock(return_value=1)
    monkeypatch.setattr("orjson.dumps", dumps)
    monkeypatch.setattr("orjson.loads", loads)
    serializer = JSONSerializer(jsonlib="orjson", object_encoder=None, object_decoder=None)
    assert serializer.dumps(1) == b"1"
    dumps.assert_called_once_with(1)
    assert serializer.loads(b"1") == 1
    loads.assert_called_once_with("1")


def test_orjson_reads_what_it_wrote_with_the_default_hooks() -> None:
    serializer = JSONSerializer(jsonlib="orjson")
    value = {"id": [VALUES["uuid"], {1}, {"__class__": "x", "data": 1}]}
    restored = serializer.loads(serializer.dumps(value))
    assert restored == {"id": [str(VALUES["uuid"]), {1}, {"__class__": "x", "data": 1}]}


def encode(obj: Any) -> Any:
    return {"odd": type(obj).__name__}


def decode(fields: dict[str, Any]) -> Any:
    return fields.get("odd", fields)


def test_hooks_are_looked_up_by_import_path_when_they_are_needed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    serializer = JSONSerializer(
        object_encoder=f"{__name__}.encode", object_decoder=f"{__name__}.decode"
    )
    assert serializer.loads(serializer.dumps([{1}, {"a": 1}])) == ["set", {"a": 1}]
    module = importlib.import_module(__name__)
    monkeypatch.setattr(module, "decode", lambda fields: None)
    assert serializer.loads(serializer.dumps([{1}])) == [None]


def test_descriptions_hold_prefects_fields_and_no_default_hooks() -> None:
    pickled = {"type": "pickle", "picklelib": "cloudpickle", "picklelib_version": None}
    jsoned = {"type": "json", "jsonlib": "json", "dumps_kwargs": {}, "loads_kwargs": {}}
    assert PickleSerializer().description() == pickled
    assert JSONSerializer().description() == jsoned
    assert JSONSerializer(object_decoder=None).description() == jsoned | {"object_decoder": None}
    assert CompressedJSONSerializer().description() == {
        "type": "compressed/json",
        "serializer": jsoned,
        "compressionlib": "lzma",
    }


@pytest.mark.parametrize("library", ["bz2", "lzma", "zlib", "gzip"])
def test_compressed_text_is_base64_of_the_others_text(library: str) -> None:
    serializer = CompressedSerializer(serializer="pickle", compressionlib=library)
    decompress = importlib.import_module(library).decompress
    pieces: list[bytes] = []
    serializer.dump_to([1, "x" * 1000], pieces.append)
    for text in (b"".join(pieces), serializer.dumps([1, "x" * 1000])):
        inner = decompress(base64.b64decode(text, validate=True))
        assert pickle.loads(base64.b64decode(inner, validate=True)) == [1, "x" * 1000]


@pytest.mark.parametrize("library", ["bz2", "lzma", "zlib", "gzip"])
def test_compressed_text_that_ends_early_is_an_error(library: str) -> None:
    serializer = CompressedSerializer(serializer="json", compressionlib=library)
    text = base64.b64decode(serializer.dumps(list(range(1000))))[:-30]
    for load in (serializer.loads, lambda text: serializer.load_from(io.BytesIO(text))):
        with pytest.raises((EOFError, OSError, ValueError, lzma.LZMAError, zlib.error)):
            load(base64.b64encode(text))


@pytest.mark.parametrize(("name", "path"), [("lz4", "lz4.frame"), ("zstd", "zstandard")])
def test_libraries_of_extras_have_short_names(name: str, path: str) -> None:
    pytest.importorskip(path)
    short = CompressedSerializer(serializer="json", compressionlib=name)
    assert short == CompressedSerializer(serializer="json", compressionlib=path)
    assert short.description()["compressionlib"] == path
    assert importlib.import_module(path).decompress(base64.b64decode(short.dumps("text"))) == (
        b'"text"'
    )


@pytest.mark.parametrize(("name", "package"), [("lz4", "lz4"), ("zstd", "zstandard")])
def test_a_library_that_is_not_installed_is_named_with_its_pip_line(
    name: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (package, f"{package}.frame"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtra) as caught:
        CompressedSerializer(serializer="pickle", compressionlib=name)
    assert f"needs {package}: pip install 'upshot[{name}]'" in str(caught.value)
    assert isinstance(caught.value, ImportError)
