"""The value that a document holds, reads, or does not have."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest

from upshot import _registry
from upshot.documents import (
    BaseResult,
    LiteralResult,
    PersistedResult,
    UnknownResult,
    UnpersistedResult,
)
from upshot.exceptions import BlobMissing, DroppedFromMemory, NotPersisted


def reference() -> PersistedResult[Any]:
    return PersistedResult(
        serializer_type="pickle", storage_block_id=UUID(int=1), storage_key="key"
    )


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bool]]:
    """A reader that gives a new list each time, and what it was asked for."""
    asked: list[tuple[str, bool]] = []

    def read(reference: PersistedResult[Any], *, trust: bool, mmap: Any) -> Any:
        asked.append((reference.storage_key, trust))
        return [len(asked)]

    monkeypatch.setattr(_registry, "_loaded", {**_registry._loaded, ("room", "reader"): read})
    return asked


def test_an_unpersisted_result_says_why_it_has_no_value() -> None:
    document: UnpersistedResult[int] = UnpersistedResult()
    assert not document.has_cached_object()
    with pytest.raises(NotPersisted):
        document.get()
    document.hold(1)
    assert (document.get(), document.has_cached_object()) == (1, True)
    document.drop()
    assert (document.has_cached_object(), document.is_dropped()) == (False, True)
    with pytest.raises(DroppedFromMemory):
        document.get()


def test_a_reference_reads_once_and_then_holds(reads: list[tuple[str, bool]]) -> None:
    document = reference()
    assert document.get(trust=True) is document.get()
    assert reads == [("key", True)]


def test_a_dropped_reference_reads_each_time(reads: list[tuple[str, bool]]) -> None:
    document = reference()
    document.hold("value")
    document.drop()
    assert [document.get(), document.get()] == [[1], [2]]
    assert not document.has_cached_object()


def test_a_read_that_fails_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(reference: PersistedResult[Any], *, trust: bool, mmap: Any) -> Any:
        raise BlobMissing(reference.storage_key, "here")

    loaded: dict[tuple[str, str], object] = {**_registry._loaded, ("room", "reader"): read}
    monkeypatch.setattr(_registry, "_loaded", loaded)
    document = reference()
    with pytest.raises(BlobMissing):
        document.get()
    loaded["room", "reader"] = lambda reference, trust, mmap: "there now"
    assert document.get() == "there now"


@pytest.mark.parametrize("document", [reference(), LiteralResult(value=True), UnknownResult()])
def test_an_async_caller_gets_a_coroutine_whether_the_value_is_held_or_not(
    document: BaseResult[Any], reads: list[tuple[str, bool]]
) -> None:
    async def main() -> tuple[Any, Any]:
        return await asyncio.create_task(document.get()), await asyncio.create_task(document.get())

    first, second = asyncio.run(main())
    assert first is second
