"""The factory: what a run's results become, by its options, its flow and the settings."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from upshot import blocks
from upshot._keys import Runtime
from upshot.documents import LiteralResult, PersistedResult, UnpersistedResult
from upshot.exceptions import (
    DroppedFromMemory,
    InvalidOption,
    InvalidSettings,
    InvalidStorageKey,
    UnknownPlugin,
    UnserializableValue,
)
from upshot.filesystems import LocalFileSystem, MemoryFileSystem
from upshot.results import DEFAULT_STORAGE_KEY_FN, ResultFactory, infer_factory
from upshot.runstore.memory import MemoryRunStore
from upshot.serializers import JSONSerializer, PickleSerializer
from upshot.settings import Settings

AT = datetime(2026, 1, 2, tzinfo=UTC)
SETTINGS = Settings(home="/nowhere")
MEMORY = MemoryFileSystem(name=__name__)


@dataclass
class Options:
    """What a flow or task says; by default nothing."""

    persist_result: bool | None = None
    result_storage: Any = None
    result_serializer: Any = None
    result_storage_key: str | None = None
    cache_result_in_memory: bool = True


@pytest.fixture(autouse=True)
def empty_memory() -> Iterator[None]:
    MEMORY.clear()
    yield
    MEMORY.clear()


def infer(
    options: Options | None = None,
    parent: ResultFactory | None = None,
    settings: Settings = SETTINGS,
    needs: bool = False,
) -> ResultFactory:
    return infer_factory(
        options or Options(), parent=parent, settings=settings, needs_persistence=needs
    )


def create(value: Any, runtime: Runtime | None = None, **options: Any) -> Any:
    factory = infer(Options(**{"persist_result": True, "result_storage": MEMORY} | options))
    return factory.create(value, at=AT, store=MemoryRunStore(), runtime=runtime)


@pytest.mark.parametrize("by_default", [False, True])
@pytest.mark.parametrize("needs", [False, True])
@pytest.mark.parametrize("in_memory", [False, True])
@pytest.mark.parametrize("own", [None, False, True])
def test_the_own_word_wins_then_what_is_needed_then_the_setting(
    own: bool | None, in_memory: bool, needs: bool, by_default: bool
) -> None:
    settings = SETTINGS.copy(update={"results_persist_by_default": by_default})
    options = Options(persist_result=own, cache_result_in_memory=in_memory)
    factory = infer(options, settings=settings, needs=needs)
    assert factory.persist_result is (
        own if own is not None else needs or not in_memory or by_default
    )
    assert factory.cache_result_in_memory is in_memory
    assert (factory.storage_block_id is not None) is factory.persist_result


def test_without_a_word_the_settings_decide() -> None:
    settings = Settings(home="/nowhere", results_default_serializer="compressed/json")
    factory = infer(settings=settings)
    assert factory.storage_block == LocalFileSystem(basepath="/nowhere/storage")
    assert factory.serializer.type == "compressed/json"
    assert factory.storage_key_fn is DEFAULT_STORAGE_KEY_FN
    assert not Path("/nowhere").exists()


def test_children_take_storage_and_serializer_and_nothing_else() -> None:
    parent = infer(
        Options(
            persist_result=True,
            result_storage=MEMORY,
            result_serializer="json",
            result_storage_key="key",
            cache_result_in_memory=False,
        )
    )
    child = infer(parent=parent)
    assert child.storage_block == MEMORY
    assert child.serializer == JSONSerializer()
    assert (child.persist_result, child.cache_result_in_memory) == (False, True)
    assert (child.storage_key, child.storage_block_id) == (None, parent.storage_block_id)


def test_a_child_with_a_word_of_its_own_keeps_to_it() -> None:
    parent = infer(Options(result_storage=MEMORY, result_serializer="json"))
    own = Options(result_storage="local-file-system", result_serializer=PickleSerializer())
    child = infer(own, parent=parent)
    assert child.storage_block == LocalFileSystem()
    assert child.serializer == PickleSerializer()


def test_factories_of_the_same_options_are_equal() -> None:
    options = Options(persist_result=True, result_storage=MEMORY)
    assert infer(options) == infer(options)
    assert infer(options) != infer(replace(options, result_serializer="json"))
    assert infer(options).storage_block_id == blocks.identify(MEMORY)[1].id


def test_an_unknown_name_is_whose_word_it_was() -> None:
    with pytest.raises(UnknownPlugin, match="no serializer is called 'x'"):
        infer(Options(result_serializer="x"))
    with pytest.raises(UnknownPlugin, match="no storage is called 'x'"):
        infer(Options(result_storage="x"))
    with pytest.raises(InvalidSettings, match=r"^UPSHOT_RESULTS_DEFAULT_SERIALIZER: no serializer"):
        infer(settings=Settings(results_default_serializer="x"))


def test_keys_are_new_each_time() -> None:
    keys = {DEFAULT_STORAGE_KEY_FN() for _ in range(100)}
    assert len(keys) == 100
    assert all(UUID(hex=key).version == 4 for key in keys)


@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize("value", [None, True, False, UUID(int=1)])
def test_a_literal_is_its_own_document(value: Any, in_memory: bool) -> None:
    document = create(value, cache_result_in_memory=in_memory)
    assert document == LiteralResult(value=value)
    assert document.get() == value
    assert MEMORY.memories.get(__name__, {}) == {}


class Number(int):
    pass


class Id(UUID):
    pass


@pytest.mark.parametrize(
    "value", [0, 1, Number(1), Id(int=1), "", [], {}, {"type": "literal", "value": True}, b"", 1.5]
)
@pytest.mark.parametrize("serializer", ["pickle", "compressed/pickle"])
def test_any_other_value_is_persisted(value: Any, serializer: str) -> None:
    document = create(value, result_serializer=serializer)
    assert type(document) is PersistedResult
    assert document.get() is value
    (written,) = MEMORY.memories[__name__].values()
    assert (document.size, document.serializer_type) == (len(written), serializer)
    assert document.storage_block_id == blocks.identify(MEMORY)[1].id


@pytest.mark.parametrize("value", [None, 1, "x"])
def test_without_persistence_a_value_is_in_memory(value: Any) -> None:
    document = create(value, persist_result=False)
    assert type(document) is UnpersistedResult
    assert document.get() is value
    assert MEMORY.memories.get(__name__) is None


def test_a_value_that_is_not_kept_in_memory_is_let_go() -> None:
    assert not create("x", cache_result_in_memory=False).has_cached_object()
    dropped = create("x", persist_result=False, cache_result_in_memory=False)
    with pytest.raises(DroppedFromMemory):
        dropped.get()
    none = create(None, persist_result=False, cache_result_in_memory=False)
    assert none.get() is None


def test_the_storage_is_recorded_before_the_blob_is_written() -> None:
    events: list[str] = []

    class Store(MemoryRunStore):
        def save_block(self, block: Any) -> None:
            events.append("storage recorded")

    class Storage(MemoryFileSystem):
        def writing(self, key: str) -> Any:
            events.append("blob written")
            return super().writing(key)

    factory = infer(Options(persist_result=True, result_storage=Storage(name=__name__)))
    for value in ("a", "b"):
        factory.create(value, at=AT, store=Store())
    assert events == ["storage recorded", "blob written"] * 2


def test_a_template_gives_the_key_and_bad_ones_leave_nothing() -> None:
    runtime = Runtime({"x": 5, "up": "../../x", "empty": ""})
    assert create("v", runtime, result_storage_key="a/{parameters[x]}").storage_key == "a/5"
    for template, error in (
        ("{parameters[y]}", InvalidOption),
        ("{task_run.id}", InvalidOption),
        ("{parameters[up]}", InvalidStorageKey),
        ("{parameters[empty]}", InvalidStorageKey),
    ):
        with pytest.raises(error):
            create("v", runtime, result_storage_key=template)
    with pytest.raises(InvalidOption):
        create("v", None, result_storage_key="{parameters[x]}")
    assert list(MEMORY.memories[__name__]) == ["a/5"]


def test_a_value_that_the_serializer_cannot_take_leaves_nothing() -> None:
    with pytest.raises(UnserializableValue, match="json"):
        create({"a": [object()]}, result_serializer="json")
    assert MEMORY.memories.get(__name__, {}) == {}


def test_create_result_serves_both_worlds(upshot_home: Path) -> None:
    factory = infer(Options(persist_result=True, result_storage=MEMORY))

    async def main() -> Any:
        return await factory.create_result("async")

    for document, value in (
        (factory.create_result("sync"), "sync"),
        (asyncio.run(main()), "async"),
    ):
        again: PersistedResult[str] = PersistedResult.parse_raw(document.json())
        assert again.get() == value
