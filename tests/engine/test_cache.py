"""The cache, under every driver."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.engine.conftest import Drive, World, names, raising
from upshot import caching
from upshot._engine.endings import Ended
from upshot._engine.task_run import run_task
from upshot.documents import LiteralResult, PersistedResult
from upshot.exceptions import BlobMissing, InvalidOption, StorageUnavailable
from upshot.records import CacheEntry, StateType


def cached_call(drive: Drive, world: World, value: Any, **options: Any) -> Ended:
    options.setdefault("cache_key", lambda: "the key")
    call = world.call(lambda: value, persists=True, **options)
    return drive(run_task(call, world.ports), world.slept)


def reference() -> PersistedResult[Any]:
    return PersistedResult(serializer_type="json", storage_block_id=uuid4(), storage_key="k")


def test_a_second_run_with_the_same_key_takes_the_result_and_calls_nothing(
    drive: Drive, world: World
) -> None:
    cached_call(drive, world, True)
    world.log.clear()
    end = cached_call(drive, world, False)
    assert (end.take_value(), end.run.state_name) == (True, "Cached")
    assert end.run.state_type is StateType.COMPLETED
    assert "call" not in world.log
    assert [step.name for step in end.run.history] == ["Pending", "Cached"]


def test_another_key_is_another_result(drive: Drive, world: World) -> None:
    cached_call(drive, world, True)
    assert cached_call(drive, world, False, cache_key=lambda: "other").take_value() is False


def test_without_a_key_nothing_is_looked_for_and_nothing_kept(drive: Drive, world: World) -> None:
    cached_call(drive, world, True, cache_key=lambda: None)
    end = cached_call(drive, world, False, cache_key=lambda: None)
    assert end.run.state_name == "Completed"


def test_an_entry_is_taken_until_it_expires_and_not_after(drive: Drive, world: World) -> None:
    first = cached_call(drive, world, True, cache_expiration=timedelta(seconds=20))
    assert cached_call(drive, world, False).run.state_name == "Cached"
    while next(world.clock) < first.run.ended + 20:
        pass
    assert cached_call(drive, world, False).take_value() is False


def test_a_negative_expiration_never_hits(drive: Drive, world: World) -> None:
    for value in (True, False):
        end = cached_call(drive, world, value, cache_expiration=timedelta(seconds=-1))
        assert end.take_value() is value


def test_refreshing_runs_again_and_replaces_the_entry(drive: Drive, world: World) -> None:
    cached_call(drive, world, True)
    assert cached_call(drive, world, False, refresh_cache=True).take_value() is False
    assert cached_call(drive, world, True).take_value() is False


def test_a_failure_enters_no_cache(drive: Drive, world: World) -> None:
    call = world.call(raising(ValueError()), persists=True, cache_key=lambda: "the key")
    drive(run_task(call, world.ports), world.slept)
    assert world.store.cached("the key") is None
    assert cached_call(drive, world, True).run.state_name == "Completed"


def test_a_result_that_was_not_persisted_enters_no_cache(drive: Drive, world: World) -> None:
    call = world.call(lambda: 5, cache_key=lambda: "the key")
    drive(run_task(call, world.ports), world.slept)
    assert world.store.cached("the key") is None


def test_a_key_function_that_raises_fails_the_run_without_calling_it(
    drive: Drive, world: World
) -> None:
    end = cached_call(drive, world, True, cache_key=raising(ZeroDivisionError("key")))
    assert isinstance(end.error, ZeroDivisionError)
    assert "call" not in world.log


def test_a_key_that_is_no_text_fails_the_run(drive: Drive, world: World) -> None:
    end = cached_call(drive, world, True, cache_key=lambda: 5)
    assert isinstance(end.error, InvalidOption)
    assert "got int" in str(end.error)


def test_an_entry_whose_blob_is_gone_is_struck_out_and_the_run_goes_on(
    drive: Drive, world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def gone(document: Any, *, read: bool) -> None:
        raise BlobMissing("k", "nowhere")

    stale = CacheEntry(key="the key", document=reference().model_dump_json(), created=1.0)
    world.store.commit(world.call(lambda: 1).run, stale)
    with monkeypatch.context() as patch:
        patch.setattr(caching, "look_for", gone)
        end = cached_call(drive, world, True)
    assert end.run.state_name == "Completed"
    assert "has nothing under 'k'" in caplog.text
    assert cached_call(drive, world, False).run.state_name == "Cached"


def test_an_entry_of_a_kind_that_is_unknown_here_is_a_miss(drive: Drive, world: World) -> None:
    strange = CacheEntry(key="the key", document='{"type": "hologram"}', created=1.0)
    world.store.commit(world.call(lambda: 1).run, strange)
    assert cached_call(drive, world, True).run.state_name == "Completed"


def test_a_storage_that_refuses_is_a_failure_and_not_a_miss(
    drive: Drive, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(document: Any, *, read: bool) -> None:
        raise StorageUnavailable("there", "read 'k'", "permission denied")

    cached_call(drive, world, True)
    world.log.clear()
    monkeypatch.setattr(caching, "look_for", refuse)
    end = cached_call(drive, world, True)
    assert isinstance(end.error, StorageUnavailable)
    assert "call" not in world.log
    assert world.store.cached("the key") is not None


class Present:
    """A storage that has every blob."""

    def size(self, key: str) -> int | None:
        return 1


def test_a_damaged_blob_is_found_by_a_call_that_wants_the_value(
    drive: Drive, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(self: Any, *, trust: bool = False) -> None:
        raise BlobMissing("k", "there")

    stale = CacheEntry(key="the key", document=reference().model_dump_json(), created=1.0)
    monkeypatch.setattr(caching, "place_of", lambda document: (Present(), "k"))
    monkeypatch.setattr(PersistedResult, "fetch", damaged)
    world.store.commit(world.call(lambda: 1).run, stale)
    as_state = cached_call(drive, world, True, wants_value=False)
    assert as_state.run.state_name == "Cached"
    as_value = cached_call(drive, world, True)
    assert as_value.run.state_name == "Completed"


def test_a_hit_writes_one_row_and_commits_nothing(drive: Drive, world: World) -> None:
    cached_call(drive, world, True)
    world.log.clear()
    cached_call(drive, world, True)
    assert world.log == ["record Cached"]


def test_the_key_stands_in_the_record_of_the_run(drive: Drive, world: World) -> None:
    end = cached_call(drive, world, True)
    assert end.state().state_details.cache_key == "the key"
    assert isinstance(end.data, LiteralResult)
    assert names(world.call(lambda: 1)) == []
