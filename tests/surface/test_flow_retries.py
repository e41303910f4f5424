"""Retries of a flow: what completed is not done again, and what failed is."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from upshot import allow_failure, flow, task
from upshot.context import get_run_context
from upshot.results import PersistedResult
from upshot.settings import temporary_settings
from upshot.states import State
from upshot.task_runners import (
    ConcurrentTaskRunner,
    ProcessPoolTaskRunner,
    SequentialTaskRunner,
)

pytestmark = pytest.mark.usefixtures("upshot_home")

RUNNERS = [ConcurrentTaskRunner, SequentialTaskRunner]


@pytest.fixture
def calls() -> Counter[Any]:
    """How often what was called."""
    return Counter()


def fails_at_first(calls: Counter[Any]) -> None:
    calls["flow"] += 1
    if calls["flow"] == 1:
        raise ValueError("the flow's first attempt")


def test_retries_are_so_many_more_attempts_of_the_function(calls: Counter[Any]) -> None:
    @flow(retries=3)
    def always_fails() -> None:
        calls["flow"] += 1
        raise ValueError

    assert always_fails(return_state=True).is_failed()
    assert calls["flow"] == 4


def test_the_run_count_of_the_flow_run_grows_and_the_run_stays_the_same() -> None:
    seen: list[Any] = []

    @flow(retries=2)
    def fails_twice() -> str:
        run = get_run_context().flow_run
        seen.append((run.id, run.run_count, run.state_name))
        if run.run_count < 3:
            raise ValueError
        return "done"

    assert fails_twice() == "done"
    assert [row[1:] for row in seen] == [(1, "Running"), (2, "Retrying"), (3, "Retrying")]
    assert len({row[0] for row in seen}) == 1


def test_the_states_of_a_retried_flow_run() -> None:
    runs: list[Any] = []

    @flow(retries=1)
    def fails_once() -> bool:
        run = get_run_context().flow_run
        runs.append(run)
        if run.run_count == 1:
            raise ValueError
        return True

    fails_once()
    names = [step.name for step in runs[0].history]
    assert names == ["Pending", "Running", "AwaitingRetry", "Retrying", "Completed"]


@pytest.mark.parametrize("value", ["hello", None, True, 0, [1, {"a": 2}]])
def test_a_task_that_completed_is_not_run_again(calls: Counter[Any], value: Any) -> None:
    @task
    def child() -> Any:
        calls["child"] += 1
        return value

    @flow(retries=1)
    def parent() -> Any:
        found = child()
        fails_at_first(calls)
        return [found]

    assert parent() == [value]
    assert calls == {"flow": 2, "child": 1}


@pytest.mark.parametrize("runner", RUNNERS)
def test_a_submitted_task_that_completed_is_not_run_again(calls: Counter[Any], runner: Any) -> None:
    @task
    def child() -> str:
        calls["child"] += 1
        return "hello"

    @flow(retries=1, task_runner=runner)
    def parent() -> Any:
        future = child.submit()
        fails_at_first(calls)
        return future

    state = parent(return_state=True)
    assert state.is_completed()
    inner = state.result()
    assert inner.result() == "hello"
    assert calls == {"flow": 2, "child": 1}


@pytest.mark.parametrize("runner", RUNNERS)
def test_of_mapped_tasks_only_those_that_failed_run_again(calls: Counter[Any], runner: Any) -> None:
    @task
    def child(x: int) -> int:
        calls[x] += 1
        if x == 2 and calls[x] == 1:
            raise ValueError
        return x * 10

    @flow(retries=1, task_runner=runner)
    def parent() -> list[int]:
        return [future.result() for future in child.map([1, 2, 3])]

    assert parent() == [10, 20, 30]
    assert calls == {1: 1, 2: 2, 3: 1}


def test_a_windowed_map_takes_up_what_completed(calls: Counter[Any]) -> None:
    @task
    def child(x: int) -> int:
        calls[x] += 1
        return x

    @flow(retries=1)
    def parent() -> list[int]:
        found = list(child.map(range(10), window=3))
        fails_at_first(calls)
        return found

    assert parent() == list(range(10))
    assert calls == {"flow": 2, **dict.fromkeys(range(10), 1)}


async def _async_parent(calls: Counter[Any], body: Any) -> Any:
    @flow(retries=1)
    async def parent() -> Any:
        found = await body()
        fails_at_first(calls)
        return found

    return await parent()


def test_an_async_task_that_completed_is_not_run_again(calls: Counter[Any]) -> None:
    @task
    async def child(x: int) -> int:
        calls["child"] += 1
        return x

    async def body() -> list[int]:
        return [await child(1), await (await child.submit(2)).result()]

    assert asyncio.run(_async_parent(calls, body)) == [1, 2]
    assert calls == {"flow": 2, "child": 2}


def test_gathered_tasks_are_known_by_their_inputs_when_their_order_changes(
    calls: Counter[Any],
) -> None:
    @task
    async def child(x: int) -> int:
        calls[x] += 1
        return x * 10

    async def body() -> list[int]:
        order = [1, 2, 3] if not calls["flow"] else [3, 1, 2]
        return sorted(await asyncio.gather(*map(child, order)))

    assert asyncio.run(_async_parent(calls, body)) == [10, 20, 30]
    assert calls == {1: 1, 2: 1, 3: 1, "flow": 2}


def test_each_of_several_calls_gets_the_result_of_its_own_position(calls: Counter[Any]) -> None:
    @task
    def count() -> int:
        calls["count"] += 1
        return calls["count"]

    @flow(retries=1)
    def parent() -> list[int]:
        found = [count(), count(), count()]
        fails_at_first(calls)
        return found

    assert parent() == [1, 2, 3]


def test_a_retry_that_takes_another_branch_does_not_get_the_result_of_the_first(
    calls: Counter[Any],
) -> None:
    @task
    def identity(x: str) -> str:
        return x

    @flow(retries=1)
    def parent() -> str:
        if calls["flow"] == 0:
            identity("foo")
        fails_at_first(calls)
        return identity("bar")

    assert parent() == "bar"


def test_a_task_that_failed_runs_again(calls: Counter[Any]) -> None:
    @task
    def child() -> str:
        calls["child"] += 1
        if calls["child"] == 1:
            raise ValueError
        return "hello"

    @flow(retries=1)
    def parent() -> str:
        calls["flow"] += 1
        return child()

    assert parent() == "hello"
    assert calls == {"flow": 2, "child": 2}


def test_a_task_that_failed_has_retries_of_its_own_again(calls: Counter[Any]) -> None:
    @task(retries=1)
    def child() -> str:
        calls["child"] += 1
        if calls["child"] < 4:
            raise ValueError
        return "hello"

    @flow(retries=1)
    def parent() -> str:
        calls["flow"] += 1
        return child()

    assert parent() == "hello"
    assert calls == {"flow": 2, "child": 4}


def test_a_task_that_failed_has_no_more_retries_than_its_own(calls: Counter[Any]) -> None:
    @task(retries=1)
    def child() -> None:
        calls["child"] += 1
        raise ValueError

    @flow(retries=2)
    def parent() -> None:
        calls["flow"] += 1
        child()

    assert parent(return_state=True).is_failed()
    assert calls == {"flow": 3, "child": 6}


def test_a_task_that_failed_goes_on_as_the_same_run(calls: Counter[Any]) -> None:
    seen: list[Any] = []

    @task
    def child() -> int:
        run = get_run_context().task_run
        seen.append((run.id, run.run_count, run.dynamic_key))
        if len(seen) == 1:
            raise ValueError
        return 1

    @flow(retries=1)
    def parent() -> int:
        return child()

    parent()
    (id, *first), (again, *second) = seen
    assert id == again
    assert (first, second) == ([1, "0"], [2, "0"])


def test_a_flow_that_returns_a_failed_state_is_retried(calls: Counter[Any]) -> None:
    @task
    def child() -> str:
        calls["child"] += 1
        if calls["child"] == 1:
            raise ValueError
        return "hello"

    @flow(retries=1)
    def parent() -> Any:
        calls["flow"] += 1
        return child(return_state=True)

    state = parent(return_state=True)
    assert state.is_completed()
    assert calls == {"flow": 2, "child": 2}


def test_a_dependant_of_a_task_that_is_taken_over_gets_its_value(calls: Counter[Any]) -> None:
    @task
    def first() -> int:
        calls["first"] += 1
        return 20

    @task
    def second(x: int) -> int:
        calls["second"] += 1
        if calls["second"] == 1:
            raise ValueError
        return x + 1

    @flow(retries=1)
    def parent() -> int:
        return second.submit(first.submit()).result()

    assert parent() == 21
    assert calls == {"first": 1, "second": 2}


def test_a_dependant_of_a_task_that_runs_again_runs_again(calls: Counter[Any]) -> None:
    @task
    def first() -> int:
        calls["first"] += 1
        if calls["first"] == 1:
            raise ValueError("no")
        return 20

    @task
    def second(x: Any) -> str:
        calls["second"] += 1
        return f"got {x}"

    @flow(retries=1)
    def parent() -> str:
        found: str = second.submit(allow_failure(first.submit())).result()
        fails_at_first(calls)
        return found

    assert parent() == "got 20"
    assert calls == {"first": 2, "second": 2, "flow": 2}


def test_a_subflow_that_completed_is_not_run_again(calls: Counter[Any]) -> None:
    @flow
    def child(x: int) -> int:
        calls["child"] += 1
        return x

    @flow(retries=1)
    def parent() -> int:
        found = child(5)
        fails_at_first(calls)
        return found

    assert parent() == 5
    assert calls == {"flow": 2, "child": 1}


def test_a_failed_subflow_gets_a_new_run_and_the_old_one_stays_failed(
    calls: Counter[Any],
) -> None:
    runs: list[Any] = []

    @flow
    def child() -> str:
        runs.append(get_run_context().flow_run)
        if len(runs) == 1:
            raise ValueError
        return "hello"

    @flow(retries=1)
    def parent() -> State[str]:
        state = child(return_state=True)
        fails_at_first(calls)
        return state

    state = parent(return_state=True)
    inner = state.result()
    assert inner.result() == "hello"
    assert [run.state_name for run in runs] == ["Failed", "Completed"]
    assert runs[0].id != runs[1].id
    assert inner.state_details.flow_run_id == runs[1].id
    # the run that stands for them in the parent is one
    assert runs[0].parent_task_run_id == runs[1].parent_task_run_id


def test_what_completed_in_a_subflow_that_failed_runs_again_with_it(calls: Counter[Any]) -> None:
    @task
    def leaf() -> int:
        calls["leaf"] += 1
        return 1

    @flow
    def child() -> int:
        found = leaf()
        fails_at_first(calls)
        return found

    @flow(retries=1)
    def parent() -> int:
        return child()

    assert parent() == 1
    assert calls["leaf"] == 2


def test_retries_of_a_subflow_are_its_own(calls: Counter[Any]) -> None:
    @task
    def leaf() -> int:
        calls["leaf"] += 1
        return 1

    @flow(retries=1)
    def child() -> int:
        found = leaf()
        fails_at_first(calls)
        return found

    @flow
    def parent() -> int:
        calls["parent"] += 1
        return child()

    assert parent() == 1
    assert calls == {"leaf": 1, "flow": 2, "parent": 1}


def test_a_recursive_flow_takes_up_what_completed(calls: Counter[Any]) -> None:
    @task
    def leaf(depth: int) -> int:
        calls["leaf", depth] += 1
        return 1

    @flow(retries=1)
    def tree(depth: int) -> int:
        calls["tree", depth] += 1
        below = tree(depth - 1) if depth else 0
        if calls["tree", depth] == 1 and depth == 2:
            raise ValueError
        return below + leaf(depth)

    assert tree(2) == 3
    assert calls == {
        ("tree", 2): 2,
        ("tree", 1): 1,
        ("tree", 0): 1,
        ("leaf", 2): 1,
        ("leaf", 1): 1,
        ("leaf", 0): 1,
    }


def test_gathered_subflows_that_completed_are_not_run_again(calls: Counter[Any]) -> None:
    @flow
    async def child(x: int) -> int:
        calls[x] += 1
        await asyncio.sleep(0)
        return x

    async def body() -> list[int]:
        return list(await asyncio.gather(*map(child, range(3))))

    assert asyncio.run(_async_parent(calls, body)) == [0, 1, 2]
    assert calls == {0: 1, 1: 1, 2: 1, "flow": 2}


def test_results_of_children_are_persisted(calls: Counter[Any]) -> None:
    @task
    def child() -> str:
        return "hello"

    @flow
    def inner() -> str:
        return "inner"

    @flow(retries=1)
    def parent() -> bool:
        states = child(return_state=True), inner(return_state=True)
        return all(isinstance(state.data, PersistedResult) for state in states)

    assert parent() is True


def test_a_flow_that_returns_none_counts_what_was_taken_over(calls: Counter[Any]) -> None:
    @task
    def child(x: int) -> int:
        calls["child"] += 1
        return x

    @flow(retries=1)
    def parent() -> None:
        child.submit(1)
        child(2)
        fails_at_first(calls)

    state = parent(return_state=True)
    assert state.message == "All states completed."
    assert sorted(inner.result() for inner in state.result()) == [1, 2]
    assert calls == {"flow": 2, "child": 2}


@pytest.mark.parametrize("harm", ["remove", "damage"])
@pytest.mark.parametrize("submitted", [False, True])
def test_a_task_whose_stored_result_is_gone_or_damaged_runs_again(
    calls: Counter[Any], upshot_home: Path, harm: str, submitted: bool
) -> None:
    @task
    def child() -> str:
        calls["child"] += 1
        return f"call {calls['child']}"

    @flow(retries=1)
    def parent() -> str:
        state = child.submit().wait() if submitted else child(return_state=True)
        if calls["flow"] == 0:
            path = Path(state.data.uri.removeprefix("file://"))
            if harm == "remove":
                path.unlink()
            else:
                path.write_bytes(path.read_bytes().replace(b'"data":"', b'"data":"AAAA', 1))
        fails_at_first(calls)
        found: str = state.result()
        return found

    assert parent() == "call 2"
    assert calls == {"flow": 2, "child": 2}


def test_without_persistence_a_value_that_is_in_memory_is_given(calls: Counter[Any]) -> None:
    @task(persist_result=False)
    def child() -> str:
        calls["child"] += 1
        return "hello"

    @flow(retries=1)
    def parent() -> str:
        found = child()
        fails_at_first(calls)
        return found

    assert parent() == "hello"
    assert calls == {"flow": 2, "child": 1}


def test_without_persistence_and_memory_the_task_runs_again(calls: Counter[Any]) -> None:
    @task(persist_result=False, cache_result_in_memory=False)
    def child() -> str:
        calls["child"] += 1
        return "hello"

    @flow(retries=1)
    def parent() -> int:
        child(return_state=True)
        fails_at_first(calls)
        return 1

    assert parent() == 1
    assert calls == {"flow": 2, "child": 2}


def test_a_value_that_is_kept_out_of_memory_is_read_and_still_kept_out(
    calls: Counter[Any],
) -> None:
    @task(cache_result_in_memory=False)
    def child() -> str:
        calls["child"] += 1
        return "hello"

    @flow(retries=1)
    def parent() -> Any:
        state = child(return_state=True)
        fails_at_first(calls)
        assert not state.data.has_cached_object()
        return state.result()

    assert parent() == "hello"
    assert calls == {"flow": 2, "child": 1}


def test_a_task_that_reuses_is_not_known_by_the_calls_of_other_tasks(calls: Counter[Any]) -> None:
    @task
    def leaf(x: int) -> int:
        calls["leaf", x] += 1
        return x

    @task
    def branch() -> int:
        calls["branch"] += 1
        return leaf(1)

    @flow(retries=1)
    def parent() -> list[int]:
        found = [branch(), leaf(2)]
        fails_at_first(calls)
        return found

    assert parent() == [1, 2]
    assert calls == {"branch": 1, ("leaf", 1): 1, ("leaf", 2): 1, "flow": 2}


def test_calls_after_the_failure_run_for_the_first_time(calls: Counter[Any]) -> None:
    @task
    def child(x: int) -> int:
        calls[x] += 1
        return x

    @flow(retries=1)
    def parent() -> list[int]:
        before = child(1)
        fails_at_first(calls)
        return [before, child(2)]

    assert parent() == [1, 2]
    assert calls == {1: 1, 2: 1, "flow": 2}


def test_several_retries_add_up(calls: Counter[Any]) -> None:
    @task
    def child(x: int) -> int:
        calls[x] += 1
        if calls[x] <= x:
            raise ValueError
        return x

    @flow(retries=3)
    def parent() -> list[int]:
        calls["flow"] += 1
        return [future.result() for future in child.map([0, 1, 2, 3])]

    assert parent() == [0, 1, 2, 3]
    assert calls == {0: 1, 1: 2, 2: 3, 3: 4, "flow": 4}


def test_the_next_run_of_the_flow_starts_anew(calls: Counter[Any]) -> None:
    @task
    def child() -> int:
        calls["child"] += 1
        return 1

    @flow(retries=1)
    def parent() -> int:
        return child()

    assert (parent(), parent()) == (1, 1)
    assert calls["child"] == 2


def test_a_sync_task_in_a_worker_process_is_not_run_again(tmp_path: Path) -> None:
    attempts: list[int] = []

    @task
    def child(folder: Path, x: int) -> int:
        with (folder / "calls").open("a") as file:
            file.write(f"{x}\n")
        return x * 10

    @flow(retries=1, task_runner=ProcessPoolTaskRunner(max_workers=1))
    def parent() -> list[int]:
        found = [future.result() for future in child.map(folder=[tmp_path] * 2, x=[1, 2])]
        attempts.append(1)
        if len(attempts) == 1:
            raise ValueError
        return found

    assert parent() == [10, 20]
    assert sorted((tmp_path / "calls").read_text().split()) == ["1", "2"]


def test_the_retries_of_the_setting_count_as_the_flow_s_own(calls: Counter[Any]) -> None:
    @task
    def child() -> str:
        calls["child"] += 1
        return "hello"

    @flow
    def parent() -> str:
        found = child()
        fails_at_first(calls)
        return found

    with temporary_settings({"UPSHOT_FLOW_DEFAULT_RETRIES": 1}):
        assert parent() == "hello"
    assert calls == {"flow": 2, "child": 1}
