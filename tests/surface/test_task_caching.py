"""Cached tasks: when a result is taken from the cache, and when not."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from upshot import flow, task
from upshot.context import TaskRunContext
from upshot.documents import PersistedResult
from upshot.exceptions import StorageUnavailable
from upshot.filesystems import LocalFileSystem, MemoryFileSystem
from upshot.settings import temporary_settings
from upshot.states import State
from upshot.task_runners import SequentialTaskRunner

pytestmark = pytest.mark.usefixtures("upshot_home")


def key(context: Any, parameters: Any) -> str:
    return "the key"


class Counting:
    """A function that counts its calls, and gives their number, or what it is told to."""

    def __init__(self, *values: Any) -> None:
        self.values = list(values)
        self.calls = 0

    def __call__(self) -> Any:
        self.calls += 1
        return self.values.pop(0) if self.values else [self.calls]


def called(cached: Any) -> State[Any]:
    """The state of one run of a task in a flow of its own."""
    found: list[Any] = []
    flow(lambda: found.append(cached(return_state=True)) or 0, name="f")()
    return found[0]  # type: ignore[no-any-return]


def test_the_second_run_takes_the_result_of_the_first_and_calls_nothing() -> None:
    function = Counting()
    cached = task(cache_key_fn=key)(function)

    @flow
    def around() -> tuple[State[Any], ...]:
        return cached(return_state=True), cached(return_state=True)

    first, second = around()
    assert (first.name, second.name) == ("Completed", "Cached")
    assert second.type == "COMPLETED"
    assert second.is_completed()
    assert first.result() == second.result() == [1]
    assert function.calls == 1


@pytest.mark.parametrize("runner", [None, SequentialTaskRunner])
def test_submitted_and_mapped_runs_are_cached_too(runner: Any) -> None:
    calls = []

    @task(cache_key_fn=lambda context, parameters: str(parameters["x"]))
    def cached(x: int) -> int:
        calls.append(x)
        return x

    @flow(task_runner=runner)
    def around() -> list[Any]:
        cached.submit(1).wait()
        states = [cached.submit(1).wait(), *cached.map([1, 2], return_state=True)]
        return [state.name for state in states]

    assert around() == ["Cached", "Cached", "Completed"]
    assert calls == [1, 2]


def test_async_tasks_are_cached_too() -> None:
    calls = []

    @task(cache_key_fn=key)
    async def cached() -> int:
        calls.append(1)
        return 5

    @flow
    async def around() -> list[int]:
        return [await cached(), await cached(), await (await cached.submit()).aresult()]

    assert asyncio.run(around()) == [5, 5, 5]
    assert calls == [1]


def test_keys_are_shared_by_all_flows_and_tasks() -> None:
    one, other = Counting(), Counting()
    assert called(task(cache_key_fn=key, name="one")(one)).name == "Completed"
    assert called(task(cache_key_fn=key, name="other")(other)).name == "Cached"
    assert task(cache_key_fn=key)(other)() == [1]
    assert other.calls == 0


def test_without_a_key_nothing_is_cached() -> None:
    cached = task(cache_key_fn=lambda context, parameters: None)(Counting())
    assert [called(cached).result() for _ in range(2)] == [[1], [2]]
    assert called(cached).name == "Completed"


@pytest.mark.parametrize("value", [None, True, False, UUID(int=5), 0, "", [], {}, 1.5])
def test_every_result_is_cached_none_and_false_as_well(value: Any) -> None:
    function = Counting(value, "another")
    cached = task(cache_key_fn=key)(function)
    states = [called(cached) for _ in range(2)]
    assert [state.name for state in states] == ["Completed", "Cached"]
    assert states[1].result() == value
    assert type(states[1].result()) is type(value)


def test_only_completed_runs_enter_the_cache() -> None:
    def fails() -> None:
        raise ValueError

    assert called(task(cache_key_fn=key)(fails)).name == "Failed"
    assert called(task(cache_key_fn=key)(Counting())).name == "Completed"


def test_the_newest_entry_wins() -> None:
    refreshing = task(cache_key_fn=key, refresh_cache=True)(Counting("old", "new"))
    called(refreshing)
    called(refreshing)
    assert called(task(cache_key_fn=key)(Counting())).result() == "new"


def test_the_key_function_sees_all_parameters_in_the_signatures_order() -> None:
    seen = []

    def key_of(context: Any, parameters: dict[str, Any]) -> str:
        seen.append(str(parameters))
        return str(parameters)

    @task(cache_key_fn=key_of)
    def cached(x: int, y: int = 2, *more: int, z: int = 3, **named: int) -> int:
        return x

    @flow
    def around() -> list[str]:
        upstream = task(lambda: 1).submit()
        states = [
            cached(1, return_state=True),
            cached(z=3, x=1, return_state=True),
            cached(y=2, x=upstream, return_state=True),
            cached.submit(x=upstream, z=3, y=2).wait(),
        ]
        return [state.name for state in states]

    assert around() == ["Completed", "Cached", "Cached", "Cached"]
    assert set(seen) == {"{'x': 1, 'y': 2, 'more': (), 'z': 3, 'named': {}}"}


def test_the_key_function_sees_the_flow_run_and_the_task() -> None:
    seen: list[Any] = []

    def key_of(context: TaskRunContext, parameters: dict[str, Any]) -> str:
        seen.append((context.task_run.flow_run_id, context.task))
        return str(context.task_run.flow_run_id)

    cached = task(cache_key_fn=key_of)(Counting())
    first, second = called(cached), called(cached)
    assert [state.name for state in (first, second)] == ["Completed", "Completed"]
    assert seen == [(state.state_details.flow_run_id, cached) for state in (first, second)]


def test_a_key_function_that_raises_fails_the_task_and_no_other_key_is_taken() -> None:
    function = Counting()

    def broken(context: Any, parameters: Any) -> str:
        raise ZeroDivisionError("no key")

    state = called(task(cache_key_fn=broken)(function))
    assert state.is_failed()
    with pytest.raises(ZeroDivisionError, match="no key"):
        state.result()
    assert function.calls == 0


def test_an_entry_that_has_expired_is_a_miss() -> None:
    function = Counting()
    cached = task(cache_key_fn=key, cache_expiration=timedelta(hours=1))(function)
    assert [called(cached).name for _ in range(2)] == ["Completed", "Cached"]
    cached = cached.with_options(cache_expiration=timedelta(0), refresh_cache=True)
    called(cached)
    assert called(cached.with_options(refresh_cache=False)).name == "Completed"


def test_a_negative_expiration_never_hits() -> None:
    cached = task(cache_key_fn=key, cache_expiration=timedelta(seconds=-5))(Counting())
    assert [called(cached).name for _ in range(3)] == ["Completed"] * 3


def test_the_time_counts_from_the_end_of_the_run_and_stands_in_the_state() -> None:
    state = called(task(cache_key_fn=key, cache_expiration=timedelta(hours=1))(Counting()))
    expires = state.state_details.cache_expiration
    assert expires is not None
    assert abs((expires - state.timestamp) - timedelta(hours=1)) < timedelta(seconds=1)
    assert state.state_details.cache_key == "the key"


def test_refreshing_runs_again_and_replaces_the_entry() -> None:
    function = Counting()
    cached = task(cache_key_fn=key)(function)
    called(cached)
    fresh = called(cached.with_options(refresh_cache=True))
    assert (fresh.name, fresh.result()) == ("Completed", [2])
    assert called(cached).result() == [2]
    assert function.calls == 2


@pytest.mark.parametrize(
    ("own", "setting", "name"),
    [
        (None, True, "Completed"),
        (None, False, "Cached"),
        (True, False, "Completed"),
        (False, True, "Cached"),
    ],
)
def test_the_setting_refreshes_unless_the_task_says_otherwise(
    own: bool | None, setting: bool, name: str
) -> None:
    cached = task(cache_key_fn=key, refresh_cache=own)(Counting())
    called(cached.with_options(refresh_cache=True))
    with temporary_settings({"UPSHOT_TASKS_REFRESH_CACHE": setting}):
        assert called(cached).name == name


def test_a_cached_task_persists_its_result() -> None:
    state = called(task(cache_key_fn=key)(Counting()))
    assert isinstance(state.data, PersistedResult)
    assert isinstance(called(task(lambda: [1])).data, PersistedResult) is False


def test_a_cached_task_that_may_not_persist_runs_and_says_so_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    name = f"unsaved-{uuid4()}"
    cached = task(cache_key_fn=key, persist_result=False, name=name)(Counting())
    with caplog.at_level(logging.WARNING):
        assert [called(cached).result() for _ in range(3)] == [[1], [2], [3]]
    said = [record.getMessage() for record in caplog.records if name in record.getMessage()]
    assert len(said) == 1
    assert "cache_key_fn" in said[0]
    assert "persist_result=False" in said[0]
    assert called(task(cache_key_fn=key)(Counting())).name == "Completed"


class Gone:
    """A class that will not be there any more."""


@pytest.fixture
def blobs(upshot_home: Path) -> Callable[[], list[Path]]:
    """The files of results."""
    return lambda: [path for path in (upshot_home / "storage").rglob("*") if path.is_file()]


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def replace_by_another(path: Path) -> None:
    other = json.loads(path.read_text())
    path.write_text(json.dumps(other | {"data": other["data"] + "AAAA"}))


@pytest.mark.parametrize("damage", [Path.unlink, truncate, replace_by_another])
@pytest.mark.parametrize("return_state", [True, False])
def test_a_blob_that_is_gone_or_damaged_is_a_miss_that_is_logged(
    damage: Any, return_state: bool, blobs: Any, caplog: pytest.LogCaptureFixture
) -> None:
    function = Counting(["a", "b"], ["c"])
    cached = task(cache_key_fn=key)(function)
    cached()
    (path,) = blobs()
    damage(path)
    if return_state:
        state = cached(return_state=True)
        assert state.name == "Completed"
        assert state.result() == ["c"]
    else:
        assert cached() == ["c"]
    assert "the cache has no result" in caplog.text
    assert function.calls == 2
    assert cached(return_state=True).name == "Cached"


def test_a_blob_of_the_same_size_with_other_contents_is_a_miss(blobs: Any) -> None:
    function = Counting(["a"], ["b"])
    cached = task(cache_key_fn=key)(function)
    cached()
    (path,) = blobs()
    content = bytearray(path.read_bytes())
    place = content.index(b'"data"') + 12
    content[place] ^= 1
    path.write_bytes(bytes(content))
    assert cached() == ["b"]
    assert function.calls == 2


def test_a_value_whose_class_is_gone_is_a_miss(monkeypatch: pytest.MonkeyPatch) -> None:
    function = Counting(Gone(), "new")
    cached = task(cache_key_fn=key)(function)
    cached()
    monkeypatch.delattr(f"{__name__}.Gone")
    assert cached() == "new"
    assert cached(return_state=True).name == "Cached"


class Watched(MemoryFileSystem):
    """A storage that does something before it says how large a blob is."""

    def size(self, key: str) -> int | None:
        before.pop()() if before else None
        return super().size(key)


before: list[Callable[[], object]] = []


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    before.clear()
    yield
    before.clear()


def deny() -> None:
    raise PermissionError("not for you")


def late() -> None:
    raise TimeoutError("too slow")


@pytest.mark.parametrize("refuse", [deny, late])
def test_a_storage_that_refuses_or_is_too_late_is_an_error_and_no_miss(refuse: Any) -> None:
    function = Counting()
    cached = task(cache_key_fn=key, result_storage=Watched())(function)
    called(cached)
    before.append(refuse)
    state = called(cached)
    assert state.is_failed()
    with pytest.raises(StorageUnavailable):
        state.result()
    assert function.calls == 1
    assert called(cached).name == "Cached"


def test_a_storage_that_is_slow_is_waited_for() -> None:
    waited = []
    cached = task(cache_key_fn=key, result_storage=Watched())(Counting())
    called(cached)
    before.append(lambda: waited.append(True))
    assert called(cached).name == "Cached"
    assert waited == [True]


@pytest.mark.skipif(os.geteuid() == 0, reason="platform: root may read everything")
def test_a_folder_that_may_not_be_read_is_an_error(tmp_path: Path) -> None:
    cached = task(cache_key_fn=key, result_storage=LocalFileSystem(basepath=tmp_path / "s"))(
        Counting()
    )
    called(cached)
    (tmp_path / "s").chmod(0)
    try:
        assert called(cached).is_failed()
    finally:
        (tmp_path / "s").chmod(0o700)
