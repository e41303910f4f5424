"""Calls of flows and tasks, where their options and their surroundings are odd."""

from __future__ import annotations

import asyncio
import logging
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from upshot import flow, task
from upshot._bridge import caller_is_async, loop_runs_here
from upshot._calls import task_calls
from upshot.exceptions import InvalidOption, InvalidSettings, NotPersisted, ParameterBindError
from upshot.filesystems import LocalFileSystem, MemoryFileSystem
from upshot.results import PersistedResult
from upshot.runstore import open_store
from upshot.settings import temporary_settings
from upshot.states import State

pytestmark = pytest.mark.usefixtures("upshot_home")


def call_in(colour: str, function: Any, *args: Any, **kwargs: Any) -> Any:
    """Call a sync or an async task from a flow of its own colour."""
    given: list[Any] = []

    def calls() -> str:
        given.append(function(*args, **kwargs))
        return "done"

    async def acalls() -> str:
        given.append(await function(*args, **kwargs))
        return "done"

    asyncio.run(flow(acalls)()) if colour == "async" else flow(calls)()
    return given[0]


def coloured(colour: str, fn: Any, **options: Any) -> Any:
    """A task of a function, in this colour."""

    def plain(x: Any = None) -> Any:
        return fn(x)

    async def awaited(x: Any = None) -> Any:
        return fn(x)

    return task(plain if colour == "sync" else awaited, **options)


COLOURS = pytest.mark.parametrize("colour", ["sync", "async"])


@pytest.mark.parametrize("decorate", [flow, task])
def test_arguments_that_do_not_fit_are_refused_at_the_call(decorate: Any) -> None:
    ran: list[int] = []

    def plain(x: int) -> None:
        ran.append(x)

    async def aplain(x: int) -> None: ...

    for call in (decorate(plain), decorate(aplain, name="other")):
        with pytest.raises(ParameterBindError, match=r"for function 'a?plain': missing a required"):
            call()
        with pytest.raises(ParameterBindError, match="unexpected keyword argument 'z'"):
            call(1, z=2, return_state=decorate is task)
    assert ran == []


@COLOURS
def test_a_key_function_without_arguments_makes_one_entry_for_all(colour: str) -> None:
    cached = coloured(
        colour, lambda x: x, cache_key_fn=lambda: "always", cache_expiration=timedelta(hours=1)
    )
    assert [call_in(colour, cached, 1), call_in(colour, cached, 2)] == [1, 1]


@COLOURS
def test_a_key_function_sees_the_parameters_with_defaults(colour: str) -> None:
    seen: list[dict[str, Any]] = []

    def key(context: Any, parameters: dict[str, Any]) -> str:
        seen.append(parameters)
        return str(context.parameters)

    call_in(colour, coloured(colour, lambda x=None: x, cache_key_fn=key))
    call_in(colour, coloured(colour, lambda x=None: x, cache_key_fn=key), x=5)
    assert seen == [{"x": None}, {"x": 5}]


@COLOURS
def test_a_key_function_is_sync_wherever_it_is_called(colour: str) -> None:
    seen: list[tuple[Any, ...]] = []

    def key() -> str:
        seen.append((caller_is_async.get(), loop_runs_here(), earlier.result()))
        return "k"

    earlier: State[int] = task(lambda: 5, persist_result=True)(return_state=True)
    call_in(colour, coloured(colour, lambda x: caller_is_async.get(), cache_key_fn=key))
    assert seen == [(False, colour == "async", 5)]


@COLOURS
@pytest.mark.parametrize("key", [5, b"k", ["k"]])
def test_a_key_that_is_no_text_fails_the_run_before_it_begins(colour: str, key: object) -> None:
    ran: list[object] = []
    cached = coloured(colour, ran.append, cache_key_fn=lambda: key)
    state = call_in(colour, cached, return_state=True)
    with pytest.raises(InvalidOption, match=f"or None for no caching; got {type(key).__name__}"):
        state.result()
    assert ran == []


@COLOURS
def test_what_a_key_function_raises_is_what_the_call_raises(colour: str) -> None:
    error = ZeroDivisionError("mine")

    def key() -> str:
        raise error

    with pytest.raises(ZeroDivisionError) as caught:
        call_in(colour, coloured(colour, lambda x: x, cache_key_fn=key))
    assert caught.value is error


@COLOURS
@pytest.mark.parametrize("lifetime", [timedelta.max, timedelta(days=10**6)])
def test_a_cache_entry_may_live_longer_than_the_calendar(colour: str, lifetime: timedelta) -> None:
    cached = coloured(colour, lambda x: x, cache_key_fn=lambda: "k", cache_expiration=lifetime)
    names = [call_in(colour, cached, 1, return_state=True).name for _ in range(2)]
    assert names == ["Completed", "Cached"]


def test_an_entry_that_has_expired_never_hits() -> None:
    for lifetime in (timedelta(0), timedelta(seconds=-1), timedelta.min):
        cached = task(lambda: 1, cache_key_fn=lambda: "k", cache_expiration=lifetime)
        assert [cached(return_state=True).name for _ in range(2)] == ["Completed"] * 2


def test_a_task_that_may_not_persist_enters_no_cache_and_says_so_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_calls, "_warned", set())
    cached = task(lambda: 1, name="t", cache_key_fn=lambda: "k", persist_result=False)
    with caplog.at_level(logging.WARNING, "upshot"):
        states = [cached(return_state=True) for _ in range(2)]
    assert [state.name for state in states] == ["Completed"] * 2
    (warning,) = caplog.messages
    assert "cache_key_fn" in warning
    assert "persist_result=False" in warning


def test_a_template_names_the_blob() -> None:
    storage = MemoryFileSystem(name="test_a_template_names_the_blob")

    @task(
        persist_result=True,
        result_storage=storage,
        result_storage_key="{flow_run.flow_name}/{task_run.task_name}-{parameters[x]:03}",
    )
    def named(x: int) -> str:
        return "value"

    @flow
    def my_flow() -> Any:
        return [named(7, return_state=True).data]

    (document,) = my_flow()
    assert document.storage_key == "my-flow/named-007"
    assert list(storage.memories[storage.name]) == ["my-flow/named-007"]
    storage.clear()


@COLOURS
def test_a_relative_storage_is_where_it_was_when_the_run_began(
    colour: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    monkeypatch.chdir(tmp_path / "a")

    def moves(x: object) -> str:
        os.chdir(tmp_path / "b")
        return "value"

    storage = LocalFileSystem(basepath="results")
    mover = coloured(colour, moves, persist_result=True, result_storage=storage)
    document = call_in(colour, mover, return_state=True).data
    assert not (tmp_path / "b" / "results").exists()
    assert (tmp_path / "a" / "results" / document.storage_key).is_file()
    again: PersistedResult[str] = PersistedResult.parse_raw(document.json())
    assert again.get() == "value"


@COLOURS
@pytest.mark.parametrize("text", ["a\udcff", "\ud800" * 3, "\0", "", "x" * 20_000], ids=len)
def test_an_exception_with_any_text_is_the_runs_own(colour: str, text: str) -> None:
    error = ValueError(text)
    error.add_note(text)

    def fails(x: object) -> None:
        raise error

    state = call_in(colour, coloured(colour, fails), return_state=True)
    assert state.result(raise_on_failure=False) is error
    store = open_store()
    store.flush()
    run = store.task_run(state.state_details.task_run_id)
    assert run is not None
    assert "ValueError" in str(run.failure)


def test_an_unknown_default_serializer_names_the_setting() -> None:
    @task(persist_result=True)
    def one() -> int:
        return 1

    with (
        temporary_settings({"UPSHOT_RESULTS_DEFAULT_SERIALIZER": "pickel"}),
        pytest.raises(InvalidSettings, match=r"^UPSHOT_RESULTS_DEFAULT_SERIALIZER: .*'pickle'\?"),
    ):
        one()


def test_a_value_that_is_neither_kept_nor_persisted_is_missed_by_who_asks() -> None:
    @task(persist_result=False, cache_result_in_memory=False)
    def big() -> str:
        return "data"

    assert big(return_state=True).is_completed()
    with pytest.raises(LookupError, match="dropped from memory"):
        big()
    with pytest.raises(LookupError, match="persist_result=True"):
        big(return_state=True).result()
    copied = task(lambda: 1)(return_state=True).copy(deep=True)
    with pytest.raises(NotPersisted):
        copied.result()
