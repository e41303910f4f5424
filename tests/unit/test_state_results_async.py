"""What `State.result()` and `aresult()` give to async callers."""

from __future__ import annotations

import asyncio
import threading
import warnings
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest
import trio

from upshot import _registry
from upshot._bridge import caller_is_async
from upshot.documents import LiteralResult, PersistedResult, UnpersistedResult
from upshot.exceptions import BlobMissing, NotPersisted, PausedRun, UnfinishedRun
from upshot.settings import temporary_settings
from upshot.states import Cancelled, Completed, Crashed, Failed, Paused, Running, State

Run = Callable[[Callable[[], Awaitable[Any]]], Any]
ERROR = ValueError("the run's own")
INNER = Failed(data=ERROR)


@pytest.fixture(params=["asyncio", "trio"])
def run(request: pytest.FixtureRequest) -> Run:
    if request.param == "trio":
        return trio.run

    async def main(function: Callable[[], Awaitable[Any]]) -> Any:
        return await function()

    return lambda function: asyncio.run(main(function))


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What is in a storage, by key; read in which thread stands under `thread`."""
    values: dict[str, Any] = {}

    def read(reference: PersistedResult[Any], *, trust: bool, mmap: Any) -> Any:
        values["thread"] = threading.get_ident()
        try:
            return values[reference.storage_key]
        except KeyError:
            raise BlobMissing(reference.storage_key, "the storage") from None

    monkeypatch.setattr(_registry, "_loaded", {**_registry._loaded, ("room", "reader"): read})
    return values


def at(key: str) -> PersistedResult[Any]:
    return PersistedResult(serializer_type="pickle", storage_block_id=UUID(int=1), storage_key=key)


def test_fetch_true_gives_an_awaitable_of_the_value(run: Run, stored: dict[str, Any]) -> None:
    stored["key"] = "value"

    async def main() -> tuple[Any, Any, int]:
        state = Completed(data=at("key"))
        return await state.result(fetch=True), await state.aresult(), threading.get_ident()

    *values, thread = run(main)
    assert values == ["value", "value"]
    assert stored["thread"] != thread


@pytest.mark.parametrize("data", [at("key"), LiteralResult(value=True), ERROR, "text", None])
@pytest.mark.parametrize("make", [Completed, Failed, Running, Paused])
def test_without_a_word_the_data_comes_with_a_warning(run: Run, make: Any, data: Any) -> None:
    state = make(data=data)

    async def main() -> Any:
        return state.result()

    with pytest.warns(DeprecationWarning, match="was called from an async context but not") as seen:
        given = run(main)
    assert given is state.data
    assert [warning.filename for warning in seen] == [__file__]


@pytest.mark.parametrize("make", [Completed, Failed, Running, Paused])
def test_fetch_false_gives_the_data_in_silence(run: Run, make: Any) -> None:
    state = make(data=at("key"))

    async def main() -> Any:
        return state.result(fetch=False)

    assert run(main) is state.data
    assert state.result(fetch=False) is state.data


def test_the_setting_opts_in(run: Run, upshot_home: object, stored: dict[str, Any]) -> None:
    stored["key"] = "value"

    async def main() -> tuple[Any, Any]:
        state = Completed(data=at("key"))
        return await state.result(), state.result(fetch=False) is state.data

    with temporary_settings({"UPSHOT_ASYNC_FETCH_STATE_RESULT": True}):
        assert run(main) == ("value", True)


def test_a_sync_caller_in_a_running_loop_gets_the_value(run: Run, stored: dict[str, Any]) -> None:
    stored["key"] = "value"

    async def main() -> list[Any]:
        caller_is_async.set(False)  # as a sync function does when it is entered
        return [Completed(data=at("key")).result(fetch=fetch) for fetch in (None, True)]

    assert run(main) == ["value", "value"]


def test_outside_of_a_loop_no_setting_and_no_word_makes_it_an_awaitable(
    upshot_home: object,
) -> None:
    state = Completed(data=LiteralResult(value=True))
    with (
        warnings.catch_warnings(action="error"),
        temporary_settings({"UPSHOT_ASYNC_FETCH_STATE_RESULT": True}),
    ):
        assert [state.result(), state.result(fetch=True)] == [True, True]
    assert asyncio.run(state.aresult()) is True


@pytest.mark.parametrize(
    ("data", "given"),
    [(ERROR, ERROR), (at("error"), ERROR), (INNER, INNER), ([INNER], [INNER])],
)
@pytest.mark.parametrize("make", [Failed, Crashed, Cancelled])
def test_a_run_that_ended_badly_raises_its_exception_or_gives_its_data(
    run: Run, make: Any, data: Any, given: Any, stored: dict[str, Any]
) -> None:
    stored["error"] = ERROR
    state = make(data=data)

    async def main(method: Callable[..., Awaitable[Any]], **options: Any) -> Any:
        assert await method(raise_on_failure=False, **options) == given
        return await method(**options)

    for method, options in ((state.aresult, {}), (state.result, {"fetch": True})):
        with pytest.raises(ValueError) as caught:
            run(lambda method=method, options=options: main(method, **options))
        assert caught.value is ERROR


@pytest.mark.parametrize(
    ("state", "error", "said"),
    [
        (Running(), UnfinishedRun, "has not ended"),
        (Running(data=at("gone")), UnfinishedRun, "has not ended"),
        (Paused(data=at("gone")), PausedRun, "not available"),
        (Completed(), NotPersisted, "no data"),
        (Completed(data=UnpersistedResult()), NotPersisted, "not persisted"),
        (
            Completed(data=at("gone"), state_details={"task_run_id": UUID(int=7)}),
            BlobMissing,
            "of task run 00000000-0000-0000-0000-000000000007: the storage has nothing",
        ),
        (
            Failed(data=at("gone"), state_details={"flow_run_id": UUID(int=7)}),
            BlobMissing,
            "of flow run 00000000-0000-0000-0000-000000000007: the storage has nothing",
        ),
    ],
)
def test_what_cannot_be_had_is_said_alike_to_async_and_sync_callers(
    run: Run, state: State[Any], error: type[Exception], said: str, stored: dict[str, Any]
) -> None:
    for ask in (
        lambda: run(lambda: state.aresult()),
        lambda: run(lambda: state.aresult(raise_on_failure=False)),
        lambda: state.result(),
    ):
        with pytest.raises(error, match=said):
            ask()


def test_an_awaitable_of_a_result_can_become_a_task(stored: dict[str, Any]) -> None:
    stored["key"] = "value"

    async def main() -> Any:
        first, second = Completed(data=at("key")), Completed(data=LiteralResult(value=True))
        tasks = [asyncio.create_task(s.result(fetch=True)) for s in (first, second)]
        return await asyncio.gather(*tasks)

    assert asyncio.run(main()) == ["value", True]
