"""`ResultFactory`: where it comes from, and what it makes of values."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from upshot import flow, get_run_context, task
from upshot.filesystems import LocalFileSystem
from upshot.results import (
    DEFAULT_STORAGE_KEY_FN,
    LiteralResult,
    MissingResult,
    PersistedResult,
    ResultFactory,
    UnpersistedResult,
)
from upshot.serializers import JSONSerializer, PickleSerializer
from upshot.settings import get_current_settings
from upshot.testing import isolated

pytestmark = pytest.mark.usefixtures("upshot_home")


def factory_of_flow(**options: Any) -> ResultFactory:
    @flow(**options)
    def inside() -> Any:
        return [get_run_context().result_factory]

    found: ResultFactory = inside()[0]
    return found


def test_a_factory_is_made_of_these_fields(tmp_path: Path) -> None:
    storage, id = LocalFileSystem(basepath=str(tmp_path)), uuid4()
    factory = ResultFactory(
        persist_result=True,
        cache_result_in_memory=False,
        serializer=JSONSerializer(),
        storage_block=storage,
        storage_block_id=id,
        storage_key_fn=lambda: "key",
    )
    result = factory.create_result("x")
    assert (result.storage_block_id, result.storage_key) == (id, "key")
    assert (tmp_path / "key").exists()
    assert not result.has_cached_object()
    assert PersistedResult.parse_raw(result.json()).get() == "x"


def test_a_factory_makes_results() -> None:
    unpersisted = ResultFactory.default_factory()
    assert isinstance(unpersisted.create_result(1), UnpersistedResult)
    persisting = ResultFactory.default_factory(persist_result=True)
    assert isinstance(persisting.create_result(1), PersistedResult)
    assert isinstance(persisting.create_result(None), LiteralResult)
    result = persisting.create_result(1)
    assert persisting.create_result(result) is result


def test_a_factory_serves_both_worlds() -> None:
    @task
    def of() -> None: ...

    @flow
    def around() -> None: ...

    async def main() -> Any:
        made = [
            await ResultFactory.default_factory(client=None, persist_result=True),
            await ResultFactory.from_flow(around, client=None),
            await ResultFactory.from_task(of, client=None),
        ]
        return [await (await factory.create_result(1)).get() for factory in made]

    assert asyncio.run(main()) == [1, 1, 1]
    for made in (
        ResultFactory.default_factory(client=None),
        ResultFactory.from_flow(around),
        ResultFactory.from_task(of),
    ):
        assert made.create_result(1).get() == 1


def test_default_factory_takes_overrides(tmp_path: Path) -> None:
    storage = LocalFileSystem(basepath=str(tmp_path))

    def key() -> str:
        return "key"

    factory = ResultFactory.default_factory(
        persist_result=True,
        cache_result_in_memory=False,
        result_storage=storage,
        result_serializer="json",
        storage_key_fn=key,
    )
    assert factory.persist_result is True
    assert factory.cache_result_in_memory is False
    assert factory.storage_block == storage
    assert factory.serializer == JSONSerializer()
    assert factory.storage_key_fn is key
    with pytest.raises(TypeError):
        ResultFactory.default_factory(colour="red")


def test_the_context_has_the_live_factory() -> None:
    @task(persist_result=True, result_serializer="json")
    def child() -> Any:
        return get_run_context().result_factory.serializer.type

    @flow(result_serializer="compressed/json")
    def parent() -> Any:
        return [child(), get_run_context().result_factory.serializer.type]

    assert parent() == ["json", "compressed/json"]


def test_factories_are_compared() -> None:
    @flow(persist_result=True)
    def one() -> None: ...

    @flow(persist_result=False)
    def other() -> None: ...

    assert ResultFactory.from_flow(one) == ResultFactory.from_flow(one)
    assert ResultFactory.from_flow(one) != ResultFactory.from_flow(other)


def test_from_task_works_outside_of_flows() -> None:
    @task(persist_result=True, result_serializer="json", cache_result_in_memory=False)
    def child() -> None: ...

    factory = ResultFactory.from_task(child)
    assert factory.persist_result is True
    assert factory.serializer == JSONSerializer()
    assert factory.cache_result_in_memory is False


def test_by_default_results_are_pickled_into_a_local_folder() -> None:
    factory = factory_of_flow()
    assert factory.persist_result is False
    assert factory.cache_result_in_memory is True
    assert factory.serializer == PickleSerializer()
    assert factory.storage_key_fn is DEFAULT_STORAGE_KEY_FN
    folder = str(get_current_settings().local_storage_path)
    assert factory.storage_block == LocalFileSystem(basepath=folder)


def test_settings_name_the_default_serializer() -> None:
    with isolated(results_default_serializer="json"):
        assert factory_of_flow().serializer == JSONSerializer()


def test_settings_name_the_default_storage(tmp_path: Path) -> None:
    with isolated(default_result_storage_block="local-file-system/mine"):
        storage = LocalFileSystem(basepath=str(tmp_path))
        id = storage.save("mine")
        factory = factory_of_flow()
        assert factory.storage_block == storage
        assert factory.storage_block_id == id
        assert ResultFactory.default_factory().storage_block == storage


def test_a_default_storage_that_was_not_saved_is_an_error() -> None:
    with (
        isolated(default_result_storage_block="local-file-system/mine"),
        pytest.raises(ValueError, match="Unable to find block document named mine"),
    ):
        factory_of_flow()


def test_a_storage_is_meant_by_its_type_and_name(tmp_path: Path) -> None:
    storage = LocalFileSystem(basepath=str(tmp_path))
    id = storage.save("mine")
    factory = factory_of_flow(result_storage="local-file-system/mine", persist_result=True)
    assert (factory.storage_block, factory.storage_block_id) == (storage, id)
    with pytest.raises(ValueError, match="Unable to find block document named other"):
        factory_of_flow(result_storage="local-file-system/other")


@pytest.mark.parametrize("kind", ["task", "flow"])
def test_children_take_storage_and_serializer_only(tmp_path: Path, kind: str) -> None:
    storage = LocalFileSystem(basepath=str(tmp_path))
    decorate: Any = {"task": task, "flow": flow}[kind]

    @decorate
    def child() -> Any:
        return [get_run_context().result_factory]

    @flow(
        result_storage=storage,
        result_serializer="json",
        persist_result=True,
        cache_result_in_memory=False,
    )
    def parent() -> None:
        own = get_run_context().result_factory
        assert own.storage_block_id is not None
        found.extend([own, child()[0]])

    found: list[ResultFactory] = []
    parent()
    of_parent, factory = found
    assert factory.storage_block == storage
    assert factory.serializer == JSONSerializer()
    assert factory.persist_result is False
    assert factory.cache_result_in_memory is True
    assert factory.storage_block_id == of_parent.storage_block_id


@pytest.mark.parametrize("kind", ["task", "flow"])
def test_children_may_set_their_own(tmp_path: Path, kind: str) -> None:
    own = LocalFileSystem(basepath=str(tmp_path / "own"))
    decorate: Any = {"task": task, "flow": flow}[kind]

    @decorate(result_storage=own, result_serializer="pickle")
    def child() -> Any:
        return [get_run_context().result_factory]

    @flow(result_storage=LocalFileSystem(basepath=str(tmp_path)), result_serializer="json")
    def parent() -> Any:
        return [child()[0]]

    (factory,) = parent()
    assert factory.storage_block == own
    assert factory.serializer == PickleSerializer()


def test_a_storage_has_an_id_when_something_is_persisted(tmp_path: Path) -> None:
    storage = LocalFileSystem(basepath=str(tmp_path))
    assert storage._is_anonymous is None
    assert factory_of_flow(result_storage=storage).storage_block_id is None
    assert storage._is_anonymous is None
    factory = factory_of_flow(result_storage=storage, persist_result=True)
    assert isinstance(factory.storage_block_id, UUID)
    assert factory.storage_block._is_anonymous is True
    assert storage._is_anonymous is True
    assert storage._block_document_id == factory.storage_block_id


def test_a_saved_storage_has_its_id_without_persistence_too(tmp_path: Path) -> None:
    storage = LocalFileSystem(basepath=str(tmp_path))
    id = storage.save("mine")
    assert storage._is_anonymous is False
    loaded = LocalFileSystem.load("mine")
    for given in (storage, loaded):
        for persist in (True, False):
            factory = factory_of_flow(result_storage=given, persist_result=persist)
            assert factory.storage_block_id == id
            assert factory.storage_block._is_anonymous is False


def test_a_name_is_used_once(tmp_path: Path) -> None:
    LocalFileSystem(basepath=str(tmp_path)).save("mine")
    with pytest.raises(ValueError, match="already in use"):
        LocalFileSystem(basepath=str(tmp_path)).save("mine")


def test_an_id_is_read_back_to_an_equal_storage(tmp_path: Path) -> None:
    @flow(persist_result=True, result_storage=LocalFileSystem(basepath=str(tmp_path)))
    def kept() -> Any:
        return "x"

    state = kept(return_state=True)
    reference = PersistedResult.parse_raw(state.data.json())
    assert reference.get() == "x"
    again = factory_of_flow(
        persist_result=True, result_storage=LocalFileSystem(basepath=str(tmp_path))
    )
    assert (
        PersistedResult(
            serializer_type="pickle",
            storage_block_id=again.storage_block_id,
            storage_key=reference.storage_key,
        ).get()
        == "x"
    )


@pytest.mark.parametrize("kind", ["task", "flow"])
def test_a_result_that_is_not_cached_is_read_again(kind: str) -> None:
    decorate: Any = {"task": task, "flow": flow}[kind]

    @decorate(cache_result_in_memory=False)
    def big() -> Any:
        return [1]

    state = big(return_state=True)
    assert isinstance(state.data, PersistedResult)
    assert not state.data.has_cached_object()
    assert state.result() == [1]
    assert not state.data.has_cached_object()


@pytest.mark.parametrize("kind", ["task", "flow"])
def test_a_result_that_is_neither_cached_nor_persisted_is_missing(kind: str) -> None:
    decorate: Any = {"task": task, "flow": flow}[kind]

    @decorate(cache_result_in_memory=False, persist_result=False)
    def big() -> Any:
        return [1]

    state = big(return_state=True)
    assert not state.data.has_cached_object()
    with pytest.raises(MissingResult):
        state.result()
    with pytest.raises(MissingResult):
        big()


@pytest.mark.parametrize("kind", ["task", "flow"])
def test_none_stays_available(kind: str) -> None:
    decorate: Any = {"task": task, "flow": flow}[kind]

    @decorate(cache_result_in_memory=False, persist_result=False)
    def nothing() -> None: ...

    assert nothing() is None
    assert nothing(return_state=True).result() is None


def test_a_key_template_is_filled_from_the_run() -> None:
    @task(
        persist_result=True,
        result_storage_key="{flow_run.flow_name}__{parameters[x]}-{parameters[y]}/{task_run.name}",
    )
    def child(x: int, y: str = "why") -> int:
        return x

    @flow(name="outer")
    def parent() -> Any:
        return [child(5, return_state=True).data.storage_key]

    assert parent() == ["outer__5-why/child-0"]


def test_a_key_template_may_ask_for_the_flows_version() -> None:
    @task(persist_result=True, result_storage_key="{flow_run.flow_version}/key")
    def child() -> int:
        return 1

    @flow(version="v7")
    def parent() -> Any:
        return [child(return_state=True).data.storage_key]

    assert parent() == ["v7/key"]


def test_a_factory_answers_to_the_idioms_of_models(tmp_path: Path) -> None:
    @flow
    def around() -> Any:
        return [get_run_context().result_factory]

    (factory,) = around()
    assert factory.dict(exclude={"storage_key_fn", "storage_key"}) == {
        "persist_result": False,
        "cache_result_in_memory": True,
        "serializer": PickleSerializer(),
        "storage_block": factory.storage_block,
        "storage_block_id": None,
    }
    assert factory.copy() == factory
    other = LocalFileSystem(basepath=tmp_path)
    made = factory.copy(update={"persist_result": True, "storage_block": other})
    reference = made.create_result([1])
    assert (tmp_path / reference.storage_key).exists()
    assert PersistedResult.parse_raw(reference.json()).get() == [1]
    assert not factory.persist_result
    with pytest.raises(TypeError):
        factory.copy(update={"nothing": 1})
