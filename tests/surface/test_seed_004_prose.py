"""What the prose of the document on results promises, paragraph by paragraph."""

from __future__ import annotations

import asyncio
import bz2
import json
import logging
import sys
import warnings
from datetime import date, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import UUID

import cloudpickle
import pytest
from pydantic import BaseModel

from upshot import State, flow, task
from upshot.exceptions import MissingResult
from upshot.filesystems import LocalFileSystem
from upshot.results import (
    LiteralResult,
    PersistedResult,
    PersistedResultBlob,
    UnpersistedResult,
)
from upshot.serializers import (
    CompressedSerializer,
    JSONSerializer,
    PickleSerializer,
    Serializer,
)
from upshot.settings import get_current_settings, read_settings, temporary_settings

pytestmark = pytest.mark.usefixtures("upshot_home")


def blobs(folder: Path | None = None) -> list[Any]:
    """What lies in a storage, by default in that of the settings."""
    folder = folder or get_current_settings().local_storage_path
    return [json.loads(file.read_bytes()) for file in folder.rglob("*") if file.is_file()]


@task
def one() -> int:
    return 1


@task
async def async_one() -> int:
    return 1


@task
def failing() -> None:
    raise ValueError("mine")


# Retrieving results; handling failures


def test_an_exception_is_raised_as_in_normal_python() -> None:
    @flow
    def outer() -> None:
        with pytest.raises(ValueError, match="mine"):
            failing()
        failing()

    with pytest.raises(ValueError, match="mine"):
        outer()


def test_a_state_that_is_asked_for_tells_of_the_failure_and_raises_it_when_read() -> None:
    state = failing(return_state=True)
    assert state.is_failed()
    with pytest.raises(ValueError, match="mine"):
        state.result()
    assert isinstance(state.result(raise_on_failure=False), ValueError)


def test_a_future_raises_or_gives_the_failure_as_a_state_does() -> None:
    @flow
    def outer() -> Any:
        future = failing.submit()
        with pytest.raises(ValueError, match="mine"):
            future.result()
        assert isinstance(future.result(raise_on_failure=False), ValueError)
        return True

    assert outer() is True


# Working with async results


def test_in_async_code_a_state_gives_its_raw_result_with_a_warning() -> None:
    @flow
    async def outer() -> Any:
        state = await async_one(return_state=True)
        with pytest.warns(DeprecationWarning, match="was called from an async context"):
            return isinstance(state.result(), UnpersistedResult)

    assert asyncio.run(outer()) is True


def test_in_async_code_fetch_true_gives_the_value_once_awaited() -> None:
    async def main() -> Any:
        state = await async_one(return_state=True)
        return await state.result(fetch=True)

    assert asyncio.run(main()) == 1


def test_the_setting_has_states_fetch_in_async_code() -> None:
    async def main() -> Any:
        with temporary_settings({"UPSHOT_ASYNC_FETCH_STATE_RESULT": True}):
            state = await async_one(return_state=True)
            return await state.result()

    assert asyncio.run(main()) == 1


def test_fetch_false_gives_the_raw_result_without_a_warning_to_be_read_by_hand() -> None:
    async def main() -> Any:
        state = await async_one.with_options(persist_result=True)(return_state=True)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            raw = state.result(fetch=False)
        assert isinstance(raw, PersistedResult)
        return await raw.get()

    assert asyncio.run(main()) == 1


def test_a_future_of_an_async_task_gives_its_result_once_awaited() -> None:
    @flow
    async def outer() -> int:
        future = await async_one.submit()
        result: int = await future.result()
        return result

    assert asyncio.run(outer()) == 1


# Persisting results; toggling persistence


def test_by_default_nothing_is_persisted() -> None:
    @flow
    def outer() -> Any:
        return type(one(return_state=True).data)

    state = outer(return_state=True)
    assert state.result() is UnpersistedResult
    assert isinstance(state.data, UnpersistedResult)
    assert blobs() == []


def test_retries_of_a_flow_persist_the_results_of_its_tasks_and_not_its_own() -> None:
    @flow(retries=2)
    def outer() -> Any:
        return type(one(return_state=True).data)

    state = outer(return_state=True)
    assert state.result() is PersistedResult
    assert isinstance(state.data, UnpersistedResult)


def test_a_cached_task_is_persisted_and_another_beside_it_is_not() -> None:
    @task(cache_key_fn=lambda: "always", cache_expiration=timedelta(seconds=20))
    def cached() -> str:
        return "hello world!"

    @flow
    def outer() -> Any:
        states = [cached(return_state=True), one(return_state=True)]
        return [type(state.data) for state in states], cached(return_state=True).name

    assert outer() == ([PersistedResult, UnpersistedResult], "Cached")


def test_a_flow_is_persisted_where_it_says_so_though_nothing_needs_it() -> None:
    @flow(persist_result=True)
    def outer() -> str:
        return "x"

    assert isinstance(outer(return_state=True).data, PersistedResult)
    assert len(blobs()) == 1


def test_a_task_that_says_so_is_never_persisted_whatever_would_need_it() -> None:
    @task(persist_result=False, cache_key_fn=lambda: "k")
    def never() -> int:
        return 1

    @flow(retries=1)
    def outer() -> Any:
        return [type(never(return_state=True).data) for _ in range(2)]

    with temporary_settings({"UPSHOT_RESULTS_PERSIST_BY_DEFAULT": True}):
        found = outer.with_options(persist_result=False)()
    assert found == [UnpersistedResult, UnpersistedResult]
    assert blobs() == []


def test_a_result_that_a_feature_needs_and_that_was_not_persisted_is_an_error() -> None:
    @task(persist_result=False, cache_result_in_memory=False)
    def never() -> int:
        return 1

    with pytest.raises(MissingResult):
        never()
    with pytest.raises(MissingResult):
        never(return_state=True).result()


def test_the_setting_persists_by_default() -> None:
    with temporary_settings({"UPSHOT_RESULTS_PERSIST_BY_DEFAULT": "true"}):
        assert isinstance(one(return_state=True).data, PersistedResult)
        never = one.with_options(persist_result=False)
        assert isinstance(never(return_state=True).data, UnpersistedResult)
        quiet = flow(persist_result=False)(lambda: "x")
        assert isinstance(quiet(return_state=True).data, UnpersistedResult)


def test_the_command_line_changes_the_setting() -> None:
    from upshot.cli import main
    from upshot.settings import forget_settings

    assert main(["config", "set", "UPSHOT_RESULTS_PERSIST_BY_DEFAULT=true"]) == 0
    forget_settings()
    assert get_current_settings().results_persist_by_default is True


# Result storage location


def test_without_a_context_results_go_to_the_local_storage_path(tmp_path: Path) -> None:
    with temporary_settings({"UPSHOT_LOCAL_STORAGE_PATH": tmp_path}):
        one.with_options(persist_result=True)()
    assert len(blobs(tmp_path)) == 1


def test_the_local_storage_path_is_in_the_home_by_default() -> None:
    assert read_settings({}).local_storage_path == Path("~/.upshot/storage").expanduser()


def test_a_task_takes_the_storage_of_its_flow_unless_it_has_its_own(tmp_path: Path) -> None:
    persisted = one.with_options(persist_result=True)

    @flow(result_storage=LocalFileSystem(basepath=str(tmp_path / "flow")))
    def outer() -> int:
        own = LocalFileSystem(basepath=str(tmp_path / "task"))
        return persisted() + persisted.with_options(result_storage=own)()

    assert outer() == 2
    assert len(blobs(tmp_path / "flow")) == len(blobs(tmp_path / "task")) == 1
    assert blobs() == []


def test_a_saved_storage_is_given_by_its_slug(tmp_path: Path) -> None:
    LocalFileSystem(basepath=str(tmp_path)).save("dev")

    @flow(result_storage="local-file-system/dev")
    def outer() -> int:
        return one.with_options(persist_result=True)()

    assert outer() == 1
    assert len(blobs(tmp_path)) == 1
    named = one.with_options(persist_result=True, result_storage="local-file-system/dev")
    assert named(return_state=True).result() == 1
    assert len(blobs(tmp_path)) == 2


def test_a_flow_is_given_another_storage_later(tmp_path: Path) -> None:
    @flow(persist_result=True)
    def outer() -> str:
        one.with_options(persist_result=True)()
        return "x"

    outer()
    assert len(blobs()) == 2
    outer.with_options(result_storage=LocalFileSystem(basepath=str(tmp_path)))()
    assert len(blobs()) == len(blobs(tmp_path)) == 2


# Result serializer; compressing results


def serializer_of(state: State[Any]) -> str:
    assert isinstance(state.data, PersistedResult)
    return state.data.serializer_type


def test_the_default_serializer_is_pickle_and_a_setting_changes_it() -> None:
    persisted = one.with_options(persist_result=True)
    assert serializer_of(persisted(return_state=True)) == "pickle"
    with temporary_settings({"UPSHOT_RESULTS_DEFAULT_SERIALIZER": "json"}):
        assert serializer_of(persisted(return_state=True)) == "json"


def test_a_task_takes_the_serializer_of_its_flow_unless_it_has_its_own() -> None:
    persisted = one.with_options(persist_result=True)

    @flow(result_serializer="json")
    def outer() -> list[str]:
        own = persisted.with_options(result_serializer="pickle")
        return [serializer_of(each(return_state=True)) for each in (persisted, own)]

    assert outer() == ["json", "pickle"]


class Reversing(Serializer):
    """A serializer of a user's."""

    type: str = "reversing-of-the-prose"

    def dumps(self, obj: Any) -> bytes:
        return json.dumps(obj).encode()[::-1]

    def loads(self, blob: bytes) -> Any:
        return json.loads(blob[::-1])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("json", "json"),
        ("pickle", "pickle"),
        ("compressed/json", "compressed/json"),
        ("compressed/pickle", "compressed/pickle"),
        (JSONSerializer(jsonlib="orjson"), "json"),
        (CompressedSerializer(serializer="pickle", compressionlib="lzma"), "compressed"),
        (CompressedSerializer(serializer="json", compressionlib="bz2"), "compressed"),
        (CompressedSerializer(serializer="json", compressionlib="zlib"), "compressed"),
        (CompressedSerializer(serializer=Reversing()), "compressed"),
    ],
)
def test_a_serializer_is_given_by_its_type_or_as_an_instance(given: Any, expected: str) -> None:
    @task(persist_result=True, cache_result_in_memory=False, result_serializer=given)
    def listed() -> list[int]:
        return [1, 2]

    state = listed(return_state=True)
    assert serializer_of(state) == expected
    assert state.result() == [1, 2]


def test_compression_is_lzma_by_default_around_any_serializer() -> None:
    assert CompressedSerializer(serializer="pickle").compressionlib == "lzma"
    wrapped = CompressedSerializer(serializer=JSONSerializer(), compressionlib="bz2")
    assert wrapped.loads(wrapped.dumps({"x": 1})) == {"x": 1}


def test_any_library_with_compress_and_decompress_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    library: Any = ModuleType("customcompression")
    library.compress, library.decompress = bz2.compress, bz2.decompress
    monkeypatch.setitem(sys.modules, "customcompression", library)
    serializer = CompressedSerializer(serializer="json", compressionlib="customcompression")
    assert serializer.loads(serializer.dumps([1])) == [1]


# Storage of results in the run store


@pytest.mark.parametrize("value", [True, False, None])
def test_booleans_and_nulls_are_stored_without_the_storage(value: Any) -> None:
    state = task(lambda: value, name="literal", persist_result=True)(return_state=True)
    assert isinstance(state.data, LiteralResult)
    assert state.result() is value
    assert blobs() == []


@pytest.mark.parametrize("value", [True, False, None])
def test_booleans_and_nulls_are_never_stored_without_persistence(value: Any) -> None:
    state = task(lambda: value, name="literal", persist_result=False)(return_state=True)
    assert isinstance(state.data, UnpersistedResult)


# Caching of results in memory


def test_results_are_kept_in_memory_for_those_downstream() -> None:
    value = object()

    @task
    def given() -> object:
        return value

    @flow
    def outer() -> bool:
        return given.submit().result() is value and given(return_state=True).result() is value

    assert outer() is True


@pytest.fixture
def dropped() -> Any:
    @task(cache_result_in_memory=False)
    def bar() -> str:
        return "pretend this is biiiig data"

    return bar


def test_a_result_that_is_not_kept_in_memory_is_persisted(dropped: Any) -> None:
    state = dropped(return_state=True)
    assert isinstance(state.data, PersistedResult)
    assert not state.data.has_cached_object()
    assert len(blobs()) == 1


def test_a_result_that_is_not_kept_in_memory_is_read_when_it_is_needed(dropped: Any) -> None:
    @flow(cache_result_in_memory=False)
    def foo() -> list[str]:
        return [dropped(), dropped(return_state=True).result(), dropped.submit().result()]

    assert foo() == ["pretend this is biiiig data"] * 3


def test_the_storage_is_asked_each_time_for_what_is_not_kept_in_memory(dropped: Any) -> None:
    state = dropped(return_state=True)
    state.result()
    for file in get_current_settings().local_storage_path.rglob("*"):
        file.unlink()
    with pytest.raises(MissingResult):
        state.result()


@pytest.fixture
def nowhere() -> Any:
    @task(persist_result=False, cache_result_in_memory=False)
    def bar() -> str:
        return "pretend this is biiiig data"

    return bar


def test_a_result_that_is_nowhere_raises_when_it_is_asked_for(nowhere: Any) -> None:
    @flow
    def foo() -> bool:
        with pytest.raises(MissingResult):
            nowhere()
        state = nowhere(return_state=True)  # this is okay
        assert state.is_completed()
        with pytest.raises(MissingResult):
            state.result()
        future = nowhere.submit()  # this is okay
        with pytest.raises(MissingResult):
            future.result()
        return True

    assert foo() is True


# Serializer types


def test_pickles_are_made_by_cloudpickle_unless_another_library_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert PickleSerializer().picklelib == "cloudpickle"
    function = PickleSerializer().loads(PickleSerializer().dumps(lambda: 5))
    assert function() == 5
    calls: list[Any] = []
    library: Any = ModuleType("custompickle")
    library.dumps = lambda value: calls.append(value) or cloudpickle.dumps(value)
    library.loads = cloudpickle.loads
    monkeypatch.setitem(sys.modules, "custompickle", library)
    serializer = PickleSerializer(picklelib="custompickle")
    assert serializer.loads(serializer.dumps([1])) == [1]
    assert calls == [[1]]


class Model(BaseModel):
    when: date
    id: UUID


def test_json_takes_what_pydantic_does_and_is_readable() -> None:
    value = Model(when=date(2024, 1, 2), id=UUID(int=1))
    serializer = JSONSerializer()
    assert b"2024-01-02" in serializer.dumps(value)
    assert serializer.loads(serializer.dumps(value)) == value
    assert serializer.jsonlib == "json"
    other = JSONSerializer(jsonlib="orjson")
    assert other.loads(other.dumps({"x": [1]})) == {"x": [1]}


# Result types


@pytest.fixture
def persisted() -> State[Any]:
    task_of_two = task(persist_result=True, cache_result_in_memory=False)(lambda: [1, 2])
    return task_of_two(return_state=True)


def test_every_type_of_result_gives_its_value(persisted: State[Any]) -> None:
    assert persisted.data.get() == [1, 2]
    assert LiteralResult(value=None).get() is None
    assert one(return_state=True).data.get() == 1


def test_a_literal_result_holds_its_value_as_json() -> None:
    result: LiteralResult[Any] = LiteralResult(value=True)
    assert json.loads(result.json())["value"] is True


def test_a_persisted_result_says_where_the_value_is_and_how_it_is_serialized(
    persisted: State[Any],
) -> None:
    result = persisted.data
    assert isinstance(result.storage_block_id, UUID)
    assert isinstance(result.storage_key, str)
    assert result.serializer_type == "pickle"
    folder = get_current_settings().local_storage_path
    assert (folder / result.storage_key).is_file()


def test_a_persisted_result_caches_what_it_has_read() -> None:
    value = one.with_options(persist_result=True, name="cached")(return_state=True).data
    read = type(value).model_validate_json(value.model_dump_json())
    assert not read.has_cached_object()
    assert read.get() == 1
    assert read.has_cached_object()
    for file in get_current_settings().local_storage_path.rglob("*"):
        file.unlink()
    assert read.get() == 1


def test_a_blob_is_a_json_document_with_data_serializer_and_version(
    persisted: State[Any],
) -> None:
    (blob,) = blobs()
    serializer = Serializer.model_validate(blob["serializer"])
    assert serializer == PickleSerializer()
    assert serializer.loads(blob["data"].encode()) == [1, 2]
    assert blob["upshot_version"]
    parsed = PersistedResultBlob.parse_raw(json.dumps(blob))
    assert parsed.serializer == serializer
    assert serializer.loads(parsed.data) == [1, 2]


def test_none_of_this_warns_or_logs_an_error(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        one.with_options(persist_result=True)()
    assert caplog.records == []
