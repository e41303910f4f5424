"""Which runs a run takes results of."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import Any

import pytest

from upshot import allow_failure, flow, get_run_context, task, unmapped
from upshot.filesystems import LocalFileSystem
from upshot.records import TaskRunResult
from upshot.runstore import open_store
from upshot.states import State
from upshot.utilities.engine import get_state_for_result

pytestmark = pytest.mark.usefixtures("upshot_home")


def in_flow(function: Any, **options: Any) -> Any:
    """What a function gives inside of a flow."""
    found: list[Any] = []
    flow(lambda: found.append(function()) or "done", name="around", **options)()
    return found[0]


@task
def make(value: Any) -> Any:
    return value


@task
def take(x: Any, y: Any = None) -> Any:
    return x


@task
def variadic(*args: Any, **kwargs: Any) -> None: ...


def inputs(state: State[Any]) -> dict[str, list[TaskRunResult]]:
    """What the run of a state takes, as its record tells."""
    store = open_store()
    store.flush()
    id = state.state_details.task_run_id
    assert id is not None
    run = store.task_run(id)
    assert run is not None
    return run.task_inputs


def result_of(*states: State[Any]) -> list[TaskRunResult]:
    return [TaskRunResult(id=state.state_details.task_run_id) for state in states]  # type: ignore[arg-type]


def test_results_of_runs_are_hashable_and_comparable() -> None:
    state = make(1, return_state=True)
    assert {*result_of(state)} == {*result_of(state)}
    assert result_of(state) != result_of(make(1, return_state=True))


def test_a_run_that_takes_nothing_has_an_empty_list_for_each_parameter() -> None:
    assert inputs(in_flow(lambda: take(5, return_state=True))) == {"x": [], "y": []}
    assert inputs(in_flow(lambda: variadic(return_state=True))) == {"args": [], "kwargs": []}
    assert inputs(take(5, return_state=True)) == {"x": [], "y": []}


def test_futures_and_states_count_also_inside_of_collections() -> None:
    def calls() -> Any:
        future, state = make.submit(1), make(2, return_state=True)
        took = take.submit([future, {"k": state}], y=state)
        return inputs(took.wait()), future.wait(), state

    found, first, second = in_flow(calls)
    assert {*found["x"]} == {*result_of(first, second)}
    assert found["y"] == result_of(second)


def test_variadic_parameters_have_one_key_each() -> None:
    def calls() -> Any:
        one, two = make(1, return_state=True), make(2, return_state=True)
        return inputs(variadic(one, 5, two, k=one, return_state=True)), one, two

    found, one, two = in_flow(calls)
    assert found == {"args": result_of(one, two), "kwargs": result_of(one)}


def test_what_is_waited_for_is_listed_only_when_given() -> None:
    def calls() -> Any:
        one = make.submit(1)
        took = take.submit(2, wait_for=[one]).wait()
        return inputs(took), inputs(take(2, return_state=True)), one.wait()

    waiting, plain, one = in_flow(calls)
    assert waiting == {"x": [], "y": [], "wait_for": result_of(one)}
    assert "wait_for" not in plain


def test_one_future_or_state_can_be_waited_for_without_a_list() -> None:
    @task
    def fail() -> None:
        raise ValueError("no")

    def run() -> Any:
        failed = fail.submit()
        return [
            take.submit(1, wait_for=failed).wait(),
            take(1, wait_for=failed.wait(), return_state=True),
            take(1, wait_for=allow_failure(failed), return_state=True),
        ]

    assert [state.name for state in in_flow(run)] == ["NotReady", "NotReady", "Completed"]


def test_all_are_waited_for_that_a_dict_or_an_iterator_holds() -> None:
    @task
    def fail() -> None:
        raise ValueError("no")

    def run() -> Any:
        failed, made = fail.submit(), make.submit(1)
        mapped = take.map([1, 2], wait_for=(future for future in (made, failed)))
        return [
            take(1, wait_for={"first": made, "second": [failed]}, return_state=True),
            take(1, wait_for=iter([made]), return_state=True),
            *[future.wait() for future in mapped],
        ]

    names = [state.name for state in in_flow(run)]
    assert names == ["NotReady", "Completed", "NotReady", "NotReady"]


@pytest.mark.parametrize("value", [3, "a text", make], ids=["number", "text", "task"])
def test_what_cannot_be_waited_for_is_refused_at_the_call(value: Any) -> None:
    problem = "'wait_for': must be a future, a state, or several"
    child = flow(lambda: None, name="child")
    calls: list[Any] = [take, take.submit, lambda x, **how: take.map([x], **how)]

    def refused() -> None:
        for call in calls:
            with pytest.raises(TypeError, match=problem):
                call(1, wait_for=value)
        with pytest.raises(TypeError, match=problem):
            child(wait_for=value)

    in_flow(refused)


def test_a_state_says_whether_its_value_cannot_be_tracked() -> None:
    values: list[Any] = [None, True, ..., NotImplemented, -5, 256, 257, "a text", [1]]
    states = in_flow(lambda: [make(value, return_state=True) for value in values])
    untrackable = [state.state_details.untrackable_result for state in states]
    assert untrackable == [True] * 6 + [False] * 3


@pytest.mark.parametrize(
    "value", [1000, "text", 1.5, [1, 2], {"a": 1}, {1, 2}, (1, 2), object(), b"bytes"]
)
def test_the_very_object_that_a_task_returned_counts(value: Any) -> None:
    def calls() -> Any:
        made = make(value, return_state=True)
        return inputs(take(made.result(), return_state=True)), made

    found, made = in_flow(calls)
    assert found == {"x": result_of(made), "y": []}


def test_a_result_of_a_call_counts_inside_of_collections_too() -> None:
    def calls() -> Any:
        states = [make(object(), return_state=True) for _ in range(2)]
        one, two = (state.result() for state in states)
        return inputs(take([one, {"k": two}], return_state=True)), states

    found, states = in_flow(calls)
    assert {*found["x"]} == {*result_of(*states)}


@pytest.mark.parametrize(
    ("collection", "item"),
    [
        (lambda item: [1, item], lambda value: value[1]),
        (lambda item: (item,), lambda value: value[0]),
        (lambda item: {"k": item}, lambda value: value["k"]),
        (lambda item: {item}, lambda value: next(iter(value))),
    ],
)
def test_an_item_of_a_collection_that_a_task_returned_counts(collection: Any, item: Any) -> None:
    def calls() -> Any:
        made = make(collection(object()), return_state=True)
        return inputs(take(item(made.result()), y=1, return_state=True)), made

    found, made = in_flow(calls)
    assert found == {"x": result_of(made), "y": []}


def test_items_count_one_level_deep() -> None:
    def calls() -> Any:
        made = make([[object()]], return_state=True)
        return inputs(take(made.result()[0][0], return_state=True))

    assert in_flow(calls) == {"x": [], "y": []}


@pytest.mark.parametrize("value", [None, True, False, ..., NotImplemented, -5, 0, 256])
def test_what_there_is_only_one_of_cannot_be_tracked(value: Any) -> None:
    def calls() -> Any:
        make(value)
        assert get_state_for_result(value) is None
        return inputs(take(value, return_state=True))

    assert in_flow(calls) == {"x": [], "y": []}


def test_an_equal_object_is_not_the_same() -> None:
    def calls() -> Any:
        make([1, 2])
        return inputs(take([1, 2], return_state=True))

    assert in_flow(calls) == {"x": [], "y": []}


def test_a_subflow_counts_by_the_task_run_that_stands_for_it() -> None:
    @flow
    def child() -> list[int]:
        return [5]

    def calls() -> Any:
        state = child(return_state=True)
        return state, inputs(take(state, y=state.result(), return_state=True))

    state, found = in_flow(calls)
    assert found == {"x": result_of(state), "y": result_of(state)}


def test_what_a_subflow_takes_is_noted_with_the_run_that_stands_for_it() -> None:
    @flow
    def child(x: Any, y: Any = None) -> int:
        return 1

    def calls() -> Any:
        made, waited = make(object(), return_state=True), make.submit(2)
        state = child(made.result(), waited, wait_for=[waited], return_state=True)
        return inputs(state), made, waited.wait()

    found, made, waited = in_flow(calls)
    waits = result_of(waited)
    assert found == {"x": result_of(made), "y": waits, "wait_for": waits}


def test_the_state_of_a_result_can_be_asked_for() -> None:
    def calls() -> None:
        made = make(object(), return_state=True)
        found = get_state_for_result(made.result())
        assert found == made
        assert get_state_for_result(object()) is None

    in_flow(calls)
    assert get_state_for_result("anything") is None


def test_each_child_of_a_map_lists_its_own_element_and_what_is_static() -> None:
    def calls() -> Any:
        elements, static = [make.submit(n) for n in range(3)], make.submit([9])
        children = take.map(elements, y=unmapped(static))
        return (
            [inputs(child.wait()) for child in children],
            [one.wait() for one in elements],
            static.wait(),
        )

    found, elements, static = in_flow(calls)
    assert found == [{"x": result_of(one), "y": result_of(static)} for one in elements]


def test_each_child_of_a_map_over_a_future_lists_that_future() -> None:
    def calls() -> Any:
        numbers = make.submit([1, 2])
        return [inputs(child.wait()) for child in take.map(numbers)], numbers.wait()

    found, numbers = in_flow(calls)
    assert found == [{"x": result_of(numbers), "y": []}] * 2


def test_each_child_of_a_map_over_a_result_lists_its_run() -> None:
    def calls() -> Any:
        numbers = make([1, 2], return_state=True)
        return [inputs(child.wait()) for child in take.map(numbers.result())], numbers

    found, numbers = in_flow(calls)
    assert found == [{"x": result_of(numbers), "y": []}] * 2


def test_results_of_async_tasks_count() -> None:
    @task
    async def amake() -> Any:
        return object()

    @task
    async def atake(x: Any) -> None: ...

    @flow
    async def around() -> Any:
        made = await amake(return_state=True)
        value = await made.result(fetch=True)
        return made, await atake(value, return_state=True)

    state = asyncio.run(around(return_state=True))
    made, took = state.data.fetch()
    assert inputs(took) == {"x": result_of(made)}


def test_the_context_of_a_task_has_its_inputs() -> None:
    @task
    def looks(x: Any) -> Any:
        return get_run_context().task_run.task_inputs  # type: ignore[union-attr]

    def calls() -> Any:
        made = make(1, return_state=True)
        return looks(made), made

    found, made = in_flow(calls)
    assert found == {"x": result_of(made)}


class Large:
    """What weak references can be made to."""


def test_a_value_that_is_not_kept_in_memory_counts_while_it_lives(tmp_path: Any) -> None:
    dropping = make.with_options(cache_result_in_memory=False, persist_result=True)
    storage = LocalFileSystem(basepath=str(tmp_path))
    seen: list[Any] = []

    def calls() -> Any:
        value = dropping(Large())
        seen.append(weakref.ref(value))
        found = inputs(take.with_options(cache_result_in_memory=False)(value, return_state=True))
        state = get_state_for_result(value)
        del value
        gc.collect()
        assert seen[0]() is None
        return found, state

    found, state = in_flow(calls, result_storage=storage)
    assert found["x"] == result_of(state)


def test_an_item_that_was_taken_out_of_a_result_counts_no_more() -> None:
    def calls() -> Any:
        value = make([object(), object()])
        item = value.pop()
        return inputs(take(item, return_state=True))

    assert in_flow(calls) == {"x": [], "y": []}


def test_the_dynamic_key_counts_the_calls_of_a_task_in_a_flow_run() -> None:
    @task
    def key() -> str:
        return get_run_context().task_run.dynamic_key  # type: ignore[union-attr]

    def calls() -> list[str]:
        return [key(), make(1) and key(), key()]

    assert in_flow(calls) == ["0", "1", "2"]
    assert in_flow(calls) == ["0", "1", "2"]
