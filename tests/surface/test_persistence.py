"""Whether a result is persisted: what is said comes first, then what needs it, then the setting."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from upshot import flow, task
from upshot.context import get_run_context
from upshot.exceptions import MissingResult
from upshot.results import LiteralResult, PersistedResult, UnpersistedResult
from upshot.settings import temporary_settings

pytestmark = pytest.mark.usefixtures("upshot_home")


def persists(**options: Any) -> bool:
    """Whether a task with these options persists, in a flow that says nothing."""

    @task(**options)
    def one() -> list[int]:
        factory = get_run_context().result_factory
        said.append(factory.persist_result)
        return [1]

    @flow
    def around() -> bool:
        return isinstance(one(return_state=True).data, PersistedResult)

    said: list[bool] = []
    found = around()
    assert said == [found]
    return found


def by_key(context: Any, parameters: Any) -> str:
    return "key"


def test_results_are_not_persisted_unless_something_says_so() -> None:
    assert not persists()


@pytest.mark.parametrize("said", [True, False])
@pytest.mark.parametrize("default", [True, False])
def test_an_explicit_value_wins_over_the_setting(said: bool, default: bool) -> None:
    with temporary_settings({"UPSHOT_RESULTS_PERSIST_BY_DEFAULT": default}):
        assert persists(persist_result=said) is said


def test_an_explicit_false_wins_over_a_cache_key() -> None:
    assert not persists(persist_result=False, cache_key_fn=by_key)


def test_an_explicit_false_wins_over_results_out_of_memory() -> None:
    assert not persists(persist_result=False, cache_result_in_memory=False)


def test_an_explicit_false_wins_over_retries_of_the_flow_around_it() -> None:
    @task(persist_result=False)
    def one() -> list[int]:
        return [1]

    @flow(persist_result=False)
    def inner() -> list[int]:
        return [1]

    @flow(retries=1)
    def around() -> list[bool]:
        states = one(return_state=True), inner(return_state=True)
        return [isinstance(state.data, UnpersistedResult) for state in states]

    assert around() == [True, True]


def test_an_explicit_false_of_a_flow_wins_over_results_out_of_memory() -> None:
    @flow(persist_result=False, cache_result_in_memory=False)
    def one() -> list[int]:
        return [1]

    assert isinstance(one(return_state=True).data, UnpersistedResult)


def test_results_out_of_memory_make_a_task_persist() -> None:
    assert persists(cache_result_in_memory=False)


def test_results_out_of_memory_make_a_flow_persist() -> None:
    @flow(cache_result_in_memory=False)
    def one() -> list[int]:
        return [1]

    state = one(return_state=True)
    assert isinstance(state.data, PersistedResult)
    assert state.result() == [1]


def test_results_out_of_memory_make_an_async_flow_persist() -> None:
    @flow(cache_result_in_memory=False)
    async def one() -> list[int]:
        return [1]

    async def main() -> Any:
        state = await one(return_state=True)
        assert isinstance(state.data, PersistedResult)
        return await state.result(fetch=True)

    assert asyncio.run(main()) == [1]


def test_a_cache_key_makes_a_task_persist() -> None:
    assert persists(cache_key_fn=by_key)


@pytest.mark.parametrize("child", ["task", "flow"])
def test_retries_of_the_parent_flow_make_a_child_persist(child: str) -> None:
    decorate: Any = task if child == "task" else flow

    @decorate
    def one() -> list[int]:
        return [1]

    @flow(retries=1)
    def around() -> bool:
        return isinstance(one(return_state=True).data, PersistedResult)

    assert around() is True


def test_retries_of_a_flow_further_out_do_not_make_a_run_persist() -> None:
    @task
    def one() -> list[int]:
        return [1]

    @flow
    def inner() -> bool:
        return isinstance(one(return_state=True).data, PersistedResult)

    @flow(retries=1)
    def outer() -> bool:
        return inner()

    assert outer() is False


@pytest.mark.parametrize("kind", ["task", "flow"])
def test_retries_of_its_own_do_not_make_a_run_s_result_persist(kind: str) -> None:
    decorate: Any = task if kind == "task" else flow

    @decorate(retries=2)
    def one() -> list[int]:
        return [1]

    assert isinstance(one(return_state=True).data, UnpersistedResult)


@pytest.mark.parametrize("kind", ["task", "flow"])
def test_the_setting_holds_where_nothing_else_is_said(kind: str) -> None:
    decorate: Any = task if kind == "task" else flow

    @decorate
    def one() -> list[int]:
        return [1]

    with temporary_settings({"UPSHOT_RESULTS_PERSIST_BY_DEFAULT": True}):
        assert isinstance(one(return_state=True).data, PersistedResult)
    assert isinstance(one(return_state=True).data, UnpersistedResult)


def test_persistence_of_a_flow_is_not_taken_over_by_its_children() -> None:
    @task
    def one() -> list[int]:
        return [1]

    @flow
    def inner() -> list[int]:
        return [1]

    @flow(persist_result=True)
    def outer() -> list[bool]:
        states = one(return_state=True), inner(return_state=True)
        return [isinstance(state.data, UnpersistedResult) for state in states]

    assert outer() == [True, True]


def test_with_options_can_unset_what_was_said() -> None:
    @task(persist_result=True)
    def one() -> list[int]:
        return [1]

    assert isinstance(
        one.with_options(persist_result=None)(return_state=True).data, UnpersistedResult
    )


def test_a_state_of_a_result_out_of_memory_has_no_cached_object() -> None:
    @task(cache_result_in_memory=False)
    def one() -> list[int]:
        return [1]

    state = one(return_state=True)
    assert not state.data.has_cached_object()
    assert state.result() == [1]
    assert not state.data.has_cached_object()


def test_a_result_neither_persisted_nor_in_memory_is_missing() -> None:
    @task(cache_result_in_memory=False, persist_result=False)
    def one() -> list[int]:
        return [1]

    @flow(cache_result_in_memory=False, persist_result=False)
    def two() -> list[int]:
        return [1]

    for run in (one, two):
        with pytest.raises(MissingResult):
            run(return_state=True).result()


def test_none_stays_available_where_values_are_not_kept() -> None:
    @task(cache_result_in_memory=False, persist_result=False)
    def one() -> None:
        return None

    @flow(cache_result_in_memory=False, persist_result=False)
    def two() -> None:
        return None

    for run in (one, two):
        state = run(return_state=True)
        assert isinstance(state.data, UnpersistedResult)
        assert state.result() is None


def test_none_and_bools_that_are_persisted_are_literals() -> None:
    @task(persist_result=True)
    def one(value: Any) -> Any:
        return value

    for value in (None, True, False):
        state = one(value, return_state=True)
        assert isinstance(state.data, LiteralResult)
        assert state.result() is value
