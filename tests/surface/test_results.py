"""The results: how they are made, what they say, and their JSON."""

from __future__ import annotations

import asyncio
import copy
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import BaseModel, ValidationError

from upshot import exceptions, flow, results, task
from upshot.filesystems import LocalFileSystem
from upshot.results import (
    DEFAULT_STORAGE_KEY_FN,
    BaseResult,
    LiteralResult,
    MissingResult,
    PersistedResult,
    PersistedResultBlob,
    UnknownResult,
    UnpersistedResult,
)
from upshot.serializers import JSONSerializer, PickleSerializer, Serializer
from upshot.settings import get_current_settings

pytestmark = pytest.mark.usefixtures("upshot_home")

ID = UUID("0190a0a0-0000-7000-8000-000000000001")


@pytest.fixture
def storage(tmp_path: Path) -> LocalFileSystem:
    made = LocalFileSystem(basepath=str(tmp_path / "storage"))
    made._save(is_anonymous=True)
    return made


def awaited(work: Callable[[], Any]) -> Any:
    async def main() -> Any:
        return await work()

    return asyncio.run(main())


def persisted(obj: Any, storage: Any, **options: Any) -> Any:
    return PersistedResult.create(
        obj,
        **{
            "storage_block_id": storage._block_document_id,
            "storage_block": storage,
            "storage_key_fn": DEFAULT_STORAGE_KEY_FN,
            "serializer": JSONSerializer(),
            **options,
        },
    )


def test_a_default_key_is_the_hex_of_a_uuid4() -> None:
    key = DEFAULT_STORAGE_KEY_FN()
    assert UUID(hex=key).version == 4
    assert UUID(hex=key).hex == key
    assert DEFAULT_STORAGE_KEY_FN() != key


def test_missing_result_is_importable_from_here_too() -> None:
    assert results.MissingResult is exceptions.MissingResult


def some_of_each(storage: Any) -> list[Any]:
    return [
        UnpersistedResult.create("x"),
        LiteralResult.create(True),
        UnknownResult.create(),
        persisted("x", storage),
    ]


def test_all_results_say_what_they_are(storage: LocalFileSystem) -> None:
    made = some_of_each(storage)
    assert [result.type for result in made] == ["unpersisted", "literal", "unknown", "reference"]
    assert all(result.artifact_type == "result" for result in made)
    assert all(result.artifact_description for result in made)
    assert all(result.has_cached_object() for result in made)
    assert [result.get() for result in made] == ["x", True, None, "x"]


def test_all_results_are_awaited_in_async_code(storage: LocalFileSystem) -> None:
    async def main() -> Any:
        made = [
            await UnpersistedResult.create("x"),
            await LiteralResult.create(True),
            await UnknownResult.create(),
            await persisted("x", storage),
        ]
        return [await result.get() for result in made]

    assert asyncio.run(main()) == ["x", True, None, "x"]


def test_all_results_make_a_round_trip_through_json(storage: LocalFileSystem) -> None:
    class Holder(BaseModel):
        result: BaseResult[Any]

    for result in some_of_each(storage):
        for again in (
            type(result).parse_raw(result.json()),
            BaseResult.parse_raw(result.json()),
            BaseResult.parse_obj(result.dict()),
            BaseResult(**result.dict()),
            Holder(result=result).result,
            Holder(result=result.dict()).result,
            Holder.model_validate({"result": json.loads(result.json())}).result,
        ):
            assert type(again) is type(result)
            assert again == result


def test_no_result_takes_another_field(storage: LocalFileSystem) -> None:
    for result in some_of_each(storage):
        with pytest.raises(ValidationError):
            type(result)(**result.dict(), more=1)
        with pytest.raises(ValidationError):
            BaseResult.parse_obj({**result.dict(), "more": 1})


def test_an_unpersisted_result_holds_its_value() -> None:
    result = UnpersistedResult.create("test")
    assert result.type == "unpersisted"
    assert result.has_cached_object()
    assert result.get() == "test"
    assert result.artifact_description == "Unpersisted result of type `str`"


def test_an_unpersisted_result_that_is_not_cached_is_missing() -> None:
    result = UnpersistedResult.create("test", cache_object=False)
    assert not result.has_cached_object()
    assert result.artifact_description == "Unpersisted result of type `str`"
    with pytest.raises(MissingResult):
        result.get()


def test_an_unpersisted_result_is_missing_after_a_round_trip() -> None:
    again = UnpersistedResult.parse_raw(UnpersistedResult.create("test").json())
    with pytest.raises(MissingResult):
        again.get()


@pytest.mark.parametrize("value", [True, False, None, ID])
def test_a_literal_result_is_its_own_document(value: Any) -> None:
    result = LiteralResult.create(value)
    assert (result.type, result.value) == ("literal", value)
    assert result.has_cached_object()
    assert result.get() == value
    assert result.json() != "null"
    again = LiteralResult.parse_raw(result.json())
    assert again.has_cached_object()
    assert again.get() == value
    assert result.artifact_description == f"Result with value `{value}` persisted to upshot."


@pytest.mark.parametrize("value", [{}, 1, "x", [True], 1.5])
def test_a_literal_result_is_made_of_no_other_value(value: Any) -> None:
    name = type(value).__name__
    with pytest.raises(TypeError, match=f"Unsupported type '{name}' for result literal"):
        LiteralResult.create(value)


def test_a_literal_result_of_text_may_be_built_directly() -> None:
    result = LiteralResult(value="foo")
    assert result.get() == "foo"
    assert LiteralResult.parse_raw(result.json()) == result


def test_an_unknown_result_is_none() -> None:
    result = UnknownResult.create()
    assert result.type == "unknown"
    assert result.get() is None
    assert UnknownResult.create(None) == UnknownResult.create(obj=None) == result
    assert result.artifact_description == "Unknown result persisted to upshot."
    with pytest.raises(TypeError, match="Unsupported type"):
        UnknownResult.create("x")


def test_a_persisted_result_says_where_it_is(storage: LocalFileSystem) -> None:
    result = persisted({"a": 1}, storage, storage_key_fn=lambda: "the-key")
    assert result.type == "reference"
    assert result.serializer_type == "json"
    assert result.storage_block_id == storage._block_document_id
    assert result.storage_key == "the-key"


def test_a_persisted_result_is_a_blob_in_its_storage(storage: LocalFileSystem) -> None:
    for serializer in (JSONSerializer(), PickleSerializer()):
        result = persisted({"a": 1}, storage, serializer=serializer)
        blob = PersistedResultBlob.parse_raw(storage.read_path(result.storage_key))
        assert blob.serializer == serializer
        assert serializer.loads(blob.data) == {"a": 1}
        assert result._read_blob() == blob
        assert awaited(result._read_blob) == blob


@pytest.mark.parametrize("key", [None, 1, b"x", UUID(int=1)])
def test_a_key_must_be_text(storage: LocalFileSystem, key: Any) -> None:
    with pytest.raises(TypeError, match="str"):
        persisted("x", storage, storage_key_fn=lambda: key)


def test_a_persisted_result_keeps_its_value_only_if_it_is_to(storage: LocalFileSystem) -> None:
    value = [1]
    kept = persisted(value, storage, cache_object=True)
    assert kept.has_cached_object()
    assert kept.get() is value
    for make in (
        copy.copy,
        copy.deepcopy,
        lambda it: pickle.loads(pickle.dumps(it)),
        lambda it: it,
    ):
        dropped = make(persisted(value, storage, cache_object=False))
        assert not dropped.has_cached_object()
        assert dropped.get() == value
        assert not dropped.has_cached_object()


def test_a_persisted_result_that_was_read_back_keeps_its_value(storage: LocalFileSystem) -> None:
    again = PersistedResult.parse_raw(persisted([1], storage, cache_object=False).json())
    assert not again.has_cached_object()
    assert again.get() is again.get()
    assert again.has_cached_object()


def test_a_persisted_result_tells_its_type_and_place(storage: LocalFileSystem) -> None:
    result = persisted([1], storage, cache_object=False)
    assert result.artifact_description.startswith("Result of type `list` persisted to")


def test_what_prefect_says_of_a_result_is_read_over() -> None:
    text = json.dumps(
        {
            "type": "reference",
            "artifact_type": "result",
            "artifact_description": "Result of type `int` persisted to `there`.",
            "serializer_type": "pickle",
            "storage_block_id": str(ID),
            "storage_key": "key",
        }
    )
    result = BaseResult.parse_raw(text)
    assert isinstance(result, PersistedResult)
    assert result.storage_key == "key"


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, LiteralResult),
        (True, LiteralResult),
        (False, LiteralResult),
        (1, PersistedResult),
        ("x", PersistedResult),
        ({}, PersistedResult),
    ],
)
def test_null_and_bool_become_literal_everything_else_persisted(value: Any, kind: type) -> None:
    @flow(persist_result=True)
    def returning() -> Any:
        return value

    state = returning(return_state=True)
    assert type(state.data) is kind
    assert state.result() == value


def test_a_blob_has_a_serializer_and_data(storage: LocalFileSystem) -> None:
    blob = PersistedResultBlob(serializer=JSONSerializer(), data=b'"x"')
    for again in (
        PersistedResultBlob.parse_raw(blob.to_bytes()),
        PersistedResultBlob.parse_raw(blob.json()),
        PersistedResultBlob.parse_obj({"serializer": {"type": "json"}, "data": b'"x"'}),
        PersistedResultBlob(serializer={"type": "json"}, data=b'"x"'),
    ):
        assert again.serializer == JSONSerializer()
        assert again.data == b'"x"'
        assert again.serializer.loads(again.data) == "x"
    assert isinstance(blob.to_bytes(), bytes)
    assert json.loads(blob.to_bytes())["serializer"]["type"] == "json"


def test_a_blob_that_was_put_there_by_hand_is_read(storage: LocalFileSystem) -> None:
    blob = PersistedResultBlob(serializer=JSONSerializer(), data=b'"x"')
    storage.write_path("mine", blob.to_bytes())
    result = PersistedResult(
        serializer_type="json", storage_block_id=storage._block_document_id, storage_key="mine"
    )
    assert result.get() == "x"


def test_the_data_of_a_pickle_is_base64(storage: LocalFileSystem) -> None:
    import base64

    result = persisted([1], storage, serializer=PickleSerializer())
    data = result._read_blob().data
    assert pickle.loads(base64.b64decode(data, validate=True)) == [1]


@pytest.mark.parametrize("persist", [True, False])
@pytest.mark.parametrize(
    "value", [{"type": "persisted", "value": 1}, {"type": "literal", "value": True}, {}, [], [{}]]
)
def test_dicts_that_look_like_results_come_back_unchanged(value: Any, persist: bool) -> None:
    @task(persist_result=persist)
    def child() -> Any:
        return value

    @flow(persist_result=persist)
    def parent() -> Any:
        assert child() == value
        assert child.submit().result() == value
        return value

    assert parent() == value
    assert parent(return_state=True).result() == value


# --- sync-compatible calls


def test_called_in_sync_code_they_block_and_return_the_value(storage: LocalFileSystem) -> None:
    storage.write_path("key", b"content")
    assert storage.read_path("key") == b"content"
    assert UnpersistedResult.create(1).get() == 1


def test_called_where_a_loop_runs_they_return_an_awaitable(storage: LocalFileSystem) -> None:
    async def straight() -> Any:
        await storage.write_path("key", b"content")
        assert await storage.read_path("key") == b"content"
        return await (await UnpersistedResult.create(1)).get()

    @flow
    async def in_a_flow() -> Any:
        return await straight()

    assert asyncio.run(straight()) == 1
    assert asyncio.run(in_a_flow()) == 1


def test_the_innermost_function_decides_and_not_the_loop(storage: LocalFileSystem) -> None:
    @task
    def sync_task() -> Any:
        return UnpersistedResult.create(1).get()

    @flow
    def sync_flow() -> Any:
        storage.write_path("key", b"content")
        assert storage.read_path("key") == b"content"
        return [UnpersistedResult.create(1).get(), sync_task()]

    @flow
    async def async_flow() -> Any:
        return [await (await UnpersistedResult.create(1)).get(), sync_task(), sync_flow()]

    async def main() -> Any:
        return sync_flow()

    assert asyncio.run(main()) == [1, 1]
    assert asyncio.run(async_flow()) == [1, 1, [1, 1]]


def test_an_async_subflow_in_a_sync_flow_awaits_again() -> None:
    @flow
    async def inner() -> Any:
        return await (await UnpersistedResult.create(1)).get()

    @flow
    def outer() -> Any:
        return [inner(), UnpersistedResult.create(2).get()]

    async def main() -> Any:
        return outer()

    assert outer() == asyncio.run(main()) == [1, 2]


def test_aio_is_the_async_one_on_classes_and_on_instances(storage: LocalFileSystem) -> None:
    @flow
    def sync_flow() -> Any:
        async def main() -> Any:
            result = await UnpersistedResult.create.aio(1)
            assert await storage.write_path.aio("key", b"content")
            assert await LocalFileSystem.read_path.aio(storage, "key") == b"content"
            return [await result.get.aio(), await BaseResult.get.aio(result)]

        return asyncio.run(main())

    assert sync_flow() == [1, 1]


def test_a_field_of_another_model_is_written_whole(storage: LocalFileSystem) -> None:
    class Holder(BaseModel):
        result: BaseResult[Any]
        serializer: Serializer = JSONSerializer(jsonlib="orjson")

    for result in some_of_each(storage):
        again = Holder.model_validate_json(Holder(result=result).model_dump_json())
        assert again == Holder(result=result)
        assert Holder(result=result).model_dump()["result"] == result.dict()


def test_results_and_settings_answer_to_the_idioms_of_pydantic() -> None:
    result = LiteralResult(value=True)
    assert result.dict(exclude={"type"}) == {"value": True}
    assert result.copy(update={"value": None}).value is None
    assert LiteralResult.construct(value=1).value == 1
    settings = get_current_settings()
    assert "home" not in settings.dict(exclude={"home"})
    assert settings.copy(update={"run_store": "memory"}).run_store == "memory"
    assert type(settings).parse_raw(settings.json()) == settings
    assert type(settings).parse_obj(settings.dict()) == settings


def test_serializers_are_told_apart_by_their_type() -> None:
    class Holder(BaseModel):
        serializer: Serializer

    for given in (
        Serializer(type="json"),
        Serializer.parse_raw('{"type": "json"}'),
        Serializer.parse_obj({"type": "json"}),
        Holder(serializer={"type": "json"}).serializer,
        Holder(serializer=JSONSerializer()).serializer,
    ):
        assert given == JSONSerializer()
        assert type(given) is JSONSerializer


def test_results_of_random_storages_are_not_read(storage: LocalFileSystem) -> None:
    result = persisted("x", storage, cache_object=False)
    with pytest.raises(MissingResult):
        result.copy(update={"storage_block_id": uuid4(), "uri": None}).get()
