"""Flows and tasks called in many threads: with a context or without, in loops of their own."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path
from typing import Any

import pytest
import trio

from upshot import flow, get_run_context, task
from upshot.runstore import open_store
from upshot.settings import get_current_settings, temporary_settings

pytestmark = pytest.mark.usefixtures("upshot_home")


@task(persist_result=True)
def kept(x: int) -> list[int]:
    return [x]


@task
def unkept(x: int) -> list[int]:
    return [x]


@task(persist_result=True)
async def akept(x: int) -> list[int]:
    return [x]


@flow
def each(x: int) -> list[list[int]]:
    return [kept(x), unkept(x), akept(x)]  # type: ignore[list-item]


@flow
async def aeach(x: int) -> list[list[int]]:
    return [kept(x), unkept(x), *await asyncio.gather(akept(x), akept(x))]  # type: ignore[arg-type]


def in_threads(count: int, work: Callable[[int], Any]) -> list[Any]:
    """What `work` gives in each of these threads, which begin together."""
    barrier = threading.Barrier(count, timeout=30)

    def begin(number: int) -> Any:
        barrier.wait()
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(begin, range(count)))


def test_threads_without_a_context_call_tasks_and_flows() -> None:
    assert in_threads(8, kept) == [[x] for x in range(8)]
    assert in_threads(8, each) == [[[x]] * 3 for x in range(8)]
    runs = open_store().flow_runs()
    assert [(run.state_name, run.parent) for run in runs] == [("Completed", None)] * 8


@pytest.mark.parametrize("run", [asyncio.run, lambda coroutine: trio.run(lambda: coroutine)])
def test_threads_with_loops_of_their_own_call_async_flows(run: Any) -> None:
    def work(x: int) -> Any:
        return run(alone(x))

    @flow
    async def alone(x: int) -> list[list[int]]:
        return [kept(x), unkept(x), await akept(x), await akept(x)]  # type: ignore[misc]

    assert in_threads(8, work) == [[[x]] * 4 for x in range(8)]


def test_eight_threads_call_one_flow_two_hundred_times_each() -> None:
    def work(number: int) -> list[Any]:
        return [each(1000 * number + x, return_state=True) for x in range(200)]

    states = [state for states in in_threads(8, work) for state in states]

    store = open_store()
    for x, state in zip((1000 * n + x for n in range(8) for x in range(200)), states, strict=True):
        assert state.result() == [[x]] * 3
        runs = store.task_runs(state.state_details.flow_run_id)
        assert [(run.task_name, run.state_name, run.call_index) for run in runs] == [
            (name, "Completed", 0) for name in ("kept", "unkept", "akept")
        ]
    assert len({state.state_details.flow_run_id for state in states}) == 1_600


def test_tasks_that_threads_of_a_flow_call_in_its_context_are_its_own() -> None:
    @flow
    def outer() -> str:
        contexts = [copy_context() for _ in range(8)]
        in_threads(8, lambda n: contexts[n].run(lambda: [unkept(x) for x in range(100)]))
        return "done"

    state = outer(return_state=True)

    runs = open_store().task_runs(state.state_details.flow_run_id)
    assert sorted(run.call_index for run in runs) == list(range(800))


def called(x: int) -> Any:
    """An async flow, which gives an awaitable outside of a sync flow."""
    found: Any = aeach(x)
    return asyncio.run(found) if asyncio.iscoroutine(found) else found


@pytest.mark.parametrize("inner", [each, called])
def test_flows_in_threads_of_a_flow_are_its_subflows_only_with_its_context(inner: Any) -> None:
    @flow
    def outer() -> list[Any]:
        contexts = [copy_context() for _ in range(4)]
        return [
            in_threads(4, inner),
            in_threads(4, lambda n: contexts[n].run(inner, n)),
        ]

    state = outer(return_state=True)

    assert [len(values) for values in state.result()] == [4, 4]
    of_outer = Counter(
        run.parent and run.parent.flow_run_id == state.state_details.flow_run_id
        for run in open_store().flow_runs()
        if run.flow_name != "outer"
    )
    assert of_outer == {True: 4, None: 4}


def test_each_thread_has_settings_of_its_own(tmp_path: Path) -> None:
    home = get_current_settings().home

    def work(number: int) -> list[Path]:
        with temporary_settings({"UPSHOT_HOME": tmp_path / str(number)}) as settings:
            assert each(number) == [[number]] * 3
            assert len(open_store(settings).flow_runs()) == 1
            open_store(settings).close()
        return sorted(path for path in (tmp_path / str(number)).iterdir())

    with temporary_settings({"UPSHOT_HOME": tmp_path / "none"}):
        found = in_threads(4, work)

    assert found == [
        [tmp_path / str(n) / "runs.db", tmp_path / str(n) / "storage"] for n in range(4)
    ]
    assert list((tmp_path / "none").iterdir()) == []  # made, and used by nobody
    assert not (home / "runs.db").exists()


def test_threads_below_a_blocked_loop_are_not_made_to_wait_for_it() -> None:
    @task
    def waiting() -> list[Any]:
        return in_threads(2, each)  # which calls async tasks, while the loop above is blocked

    @task
    async def blocking() -> list[Any]:
        return waiting()

    @flow
    def outer() -> Any:
        return blocking()

    assert outer() == [[[0]] * 3, [[1]] * 3]


def test_the_current_run_is_that_of_the_thread() -> None:
    def work(number: int) -> str:
        return named.with_options(name=f"flow-{number}")()

    @flow
    def named() -> str:
        names = {get_run_context().flow.name for _ in range(100) if kept(1)}  # type: ignore[union-attr]
        (name,) = names
        return name

    assert in_threads(8, work) == [f"flow-{number}" for number in range(8)]
