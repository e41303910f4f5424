"""Flows and tasks on the real store and storage, called in every way that this release has."""

from __future__ import annotations

import asyncio
import threading
import traceback
from pathlib import Path
from typing import Any

import pytest
import trio

import upshot
from upshot import State, flow, get_run_context, task
from upshot.exceptions import DroppedFromMemory, MissingContextError, ParameterBindError
from upshot.runstore import open_store

pytestmark = pytest.mark.usefixtures("upshot_home")


@task
def add(x: int, y: int = 1) -> int:
    return x + y


@task
async def aadd(x: int, y: int = 1) -> int:
    return x + y


@task
def fail(message: str) -> None:
    raise ValueError(message)


def test_a_flow_gives_what_its_function_returns() -> None:
    @flow
    def total(n: int) -> int:
        return sum(add(i) for i in range(n))

    assert total(4) == 10
    assert total(4, return_state=True).result() == 10


def test_an_async_task_in_a_sync_flow_blocks_and_gives_its_value() -> None:
    @flow
    def total() -> int:
        return aadd(1) + aadd(2)  # type: ignore[operator]

    assert total() == 5


def test_a_sync_flow_blocks_also_where_a_loop_runs() -> None:
    @flow
    def total() -> int:
        return aadd(1) + add(2)  # type: ignore[operator]

    async def main() -> Any:
        return total()

    assert asyncio.run(main()) == 5
    assert trio.run(main) == 5


@pytest.mark.parametrize("run", [asyncio.run, lambda coroutine: trio.run(lambda: coroutine)])
def test_an_async_flow_awaits_async_tasks_and_calls_sync_ones(run: Any) -> None:
    @flow
    async def total() -> int:
        state = await aadd(1, return_state=True)
        return await state.aresult() + add(2)

    assert run(total()) == 5


def test_gathered_async_tasks_each_have_a_run_of_their_own() -> None:
    @flow
    async def total() -> list[int]:
        return await asyncio.gather(*[aadd(i) for i in range(50)])

    state = asyncio.run(total(return_state=True))
    assert state.result() == list(range(1, 51))
    runs = open_store().task_runs(state.state_details.flow_run_id)
    assert sorted(run.call_index for run in runs) == list(range(50))


def test_colours_may_alternate_as_deep_as_one_likes() -> None:
    @task
    async def innermost() -> int:
        return add(1)

    @flow
    def inner() -> int:
        return innermost() + 1  # type: ignore[operator]

    @flow
    async def middle() -> int:
        return inner() + 1

    @flow
    def outer() -> int:
        return middle() + 1  # type: ignore[operator]

    async def main() -> int:
        return outer()

    assert asyncio.run(main()) == 5


def test_a_task_runs_outside_of_flows_too() -> None:
    assert add(1) == 2
    assert asyncio.run(aadd(1)) == 2  # type: ignore[arg-type]


def test_arguments_that_do_not_fit_are_refused_before_anything_runs() -> None:
    with pytest.raises(ParameterBindError, match=r"'add'.*missing a required argument: 'x'"):
        add()  # type: ignore[call-overload]
    assert open_store().flow_runs() == []


def test_a_failed_task_can_be_asked_for_its_state() -> None:
    @flow
    def careful() -> str:
        state = fail("no", return_state=True)
        assert state.is_failed()
        assert isinstance(state.result(raise_on_failure=False), ValueError)
        with pytest.raises(ValueError, match="no"):
            state.result()
        return "went on"

    assert careful() == "went on"


def test_a_flow_that_returns_nothing_fails_with_what_it_called() -> None:
    @flow
    def careless() -> None:
        fail("inner", return_state=True)
        add(1)

    state = careless(return_state=True)
    assert state.is_failed()
    assert state.message == "1/2 states failed."
    with pytest.raises(ValueError, match="inner"):
        careless()


def test_a_flow_that_returns_a_failed_state_fails() -> None:
    @flow
    def returning() -> State[Any]:
        return fail("given", return_state=True)

    with pytest.raises(ValueError, match="given"):
        returning()


def test_a_task_is_retried_and_its_last_outcome_counts() -> None:
    left = [ValueError(), ValueError()]

    @task(retries=2)
    def flaky() -> int:
        if left:
            raise left.pop()
        run = get_run_context()
        return run.task_run.run_count  # type: ignore[union-attr]

    assert flaky() == 3


def test_a_flow_is_retried_and_starts_its_calls_anew() -> None:
    attempts: list[int] = []

    @flow(retries=1)
    def flaky() -> int:
        attempts.append(add(len(attempts)))
        if len(attempts) == 1:
            raise ValueError
        return attempts[-1]

    assert flaky() == 2


def test_a_subflow_stands_as_a_task_run_in_its_parent() -> None:
    @flow
    def child() -> int:
        return add(1)

    @flow
    def parent() -> int:
        return child()

    state = parent(return_state=True)
    (standing,) = open_store().task_runs(state.state_details.flow_run_id)
    assert standing.task_name == "child"
    assert standing.state_name == "Completed"
    children = [run for run in open_store().flow_runs() if run.flow_name == "child"]
    assert children[0].uid == standing.child_uid
    assert children[0].parent_task_run_id == standing.id


def test_a_task_that_a_task_calls_is_not_counted_among_the_flows_own() -> None:
    @task
    def outer() -> str:
        fail("inner", return_state=True)
        return "fine"

    @flow
    def around() -> None:
        outer()

    assert around(return_state=True).message == "All states completed."


def test_the_innermost_run_is_the_current_one() -> None:
    @task
    def inner() -> str:
        return get_run_context().task.name  # type: ignore[union-attr]

    @flow
    def outer() -> tuple[str, str]:
        return inner(), get_run_context().flow.name  # type: ignore[union-attr]

    assert outer() == ("inner", "outer")
    with pytest.raises(MissingContextError):
        get_run_context()


def test_a_value_neither_persisted_nor_kept_is_gone_for_its_caller() -> None:
    @task(persist_result=False, cache_result_in_memory=False)
    def large() -> str:
        return "large"

    with pytest.raises(DroppedFromMemory, match="persist_result=True"):
        large()
    with pytest.raises(DroppedFromMemory):
        large(return_state=True).result()


def test_a_value_not_kept_in_memory_is_read_from_its_storage() -> None:
    made = [1, 2]

    @task(cache_result_in_memory=False)
    def large() -> list[int]:
        return made

    state = large(return_state=True)
    assert not state.data.has_cached_object()
    assert state.result() == made
    assert state.result() is not made
    assert not state.data.has_cached_object()


def test_a_result_in_memory_is_one_object_and_its_blob_the_value_at_return() -> None:
    @task(persist_result=True)
    def listed() -> list[int]:
        return [1]

    state = listed(return_state=True)
    state.result().append(2)
    assert state.result() == [1, 2]
    document = type(state.data).model_validate_json(state.data.model_dump_json())
    assert document.get() == [1]


def refuse(*args: Any, **kwargs: Any) -> Any:
    raise AssertionError("a thread or a loop was started")


def test_a_sync_task_in_a_sync_flow_starts_no_thread_and_no_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @task(persist_result=True)
    def kept(x: int) -> list[int]:
        return [x]

    @task(cache_key_fn=lambda context, parameters: "k", retries=1)
    def cached(x: int) -> list[int]:
        return [x]

    @flow
    def around() -> list[Any]:
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", refuse)
            patch.setattr(asyncio, "new_event_loop", refuse)
            patch.setattr(asyncio.events, "new_event_loop", refuse)
            return [add(1), kept(2), cached(3), cached(4), fail("x", return_state=True).name]

    assert around() == [2, [2], [3], [3], "Failed"]


OURS = str(Path(upshot.__file__).parent)


def frames(error: BaseException) -> list[str]:
    """`us` or the function's name, for each frame of a traceback."""
    summary = traceback.extract_tb(error.__traceback__)
    return ["us" if frame.filename.startswith(OURS) else frame.name for frame in summary]


def test_a_traceback_has_the_users_frames_and_one_of_ours_for_each_call() -> None:
    @task(retries=1)
    def innermost() -> None:
        raise ValueError("deep")

    @flow(retries=1)
    def inner() -> None:
        innermost()

    @flow
    def outer() -> None:
        inner()

    with pytest.raises(ValueError, match="deep") as caught:
        outer()
    here = "test_a_traceback_has_the_users_frames_and_one_of_ours_for_each_call"
    assert frames(caught.value) == [here, "us", "outer", "us", "inner", "us", "innermost"]


def test_an_async_traceback_has_no_more_of_ours_either() -> None:
    @task(persist_result=True)
    async def innermost() -> None:
        raise ValueError("deep")

    @flow
    async def outer() -> None:
        await innermost()

    async def main() -> None:
        await outer()

    with pytest.raises(ValueError, match="deep") as caught:
        asyncio.run(main())
    assert frames(caught.value)[-5:] == ["main", "us", "outer", "us", "innermost"]


def test_the_same_failure_raised_twice_does_not_grow() -> None:
    state = fail("again", return_state=True)
    seen = []
    for _ in range(2):
        with pytest.raises(ValueError) as caught:
            state.result()
        seen.append(frames(caught.value))
    assert seen[0] == seen[1]
