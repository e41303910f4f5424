"""Coroutines of flows and tasks that are closed or dropped: a final state, no hang, no warning."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import warnings
from collections.abc import Callable, Generator
from functools import partial
from typing import Any

import pytest

from tests.faults.test_calls_cancelled import Gate, names, outer
from tests.faults.test_calls_errors import ended
from upshot import flow, task
from upshot.documents import BaseResult
from upshot.records import TaskRun
from upshot.runstore import open_store

pytestmark = pytest.mark.usefixtures("upshot_home")


def all_task_runs() -> list[TaskRun]:
    store = open_store()
    return [run for one in store.flow_runs() for run in store.task_runs(one.id)]


def when_the_main_thread_waits(then: Callable[[], object]) -> None:
    main = threading.main_thread().ident
    assert main is not None
    while sys._current_frames()[main].f_code.co_name != "wait":
        pass
    then()


class Pause:
    """Something to await that no loop is needed for."""

    def __await__(self) -> Generator[str]:
        yield "paused"


@pytest.mark.parametrize("persist", [True, False])
def test_a_coroutine_that_is_closed_in_the_middle_has_crashed(persist: bool) -> None:
    @task(persist_result=persist)
    async def inner() -> None:
        await Pause()

    async def main() -> None:
        coroutine: Any = outer(inner)
        assert coroutine.send(None) == "paused"
        coroutine.close()

    asyncio.run(main())

    assert names() == {"inner": "Crashed", "outer": "Crashed"}


def test_a_coroutine_that_is_closed_while_a_result_is_written_waits_for_that() -> None:
    gate = Gate()

    @task(persist_result=True)
    async def inner() -> Gate:
        return gate

    async def main() -> None:
        coroutine: Any = outer(inner)
        while coroutine.send(None) is None:
            pass  # up to the future of its thread
        await asyncio.sleep(0)  # to which the loop sends it
        assert gate.begun.wait(30)
        letting = threading.Thread(target=when_the_main_thread_waits, args=[gate.let.set])
        letting.start()
        coroutine.close()
        letting.join()

    asyncio.run(main())

    assert names() == {"inner": "Completed", "outer": "Crashed"}
    assert BaseResult.model_validate_json(ended()["inner"].result).fetch() == "through"


def test_a_coroutine_that_is_closed_before_a_retry_has_crashed() -> None:
    @task(retries=1, retry_delay_seconds=1000)
    async def inner() -> None:
        raise ValueError

    @flow
    async def around() -> None:
        await inner()

    @flow
    async def outermost() -> None:
        await around()

    async def main() -> None:
        coroutine: Any = outermost()
        coroutine.send(None)
        coroutine.close()

    asyncio.run(main())

    assert set(names().values()) == {"Crashed"}
    assert {run.task_name for run in all_task_runs()} == {"inner", "around"}
    assert {run.state_name for run in all_task_runs()} == {"Crashed"}


def test_a_coroutine_that_is_dropped_in_the_middle_has_crashed() -> None:
    async def main() -> None:
        coroutine: Any = outer(Pause)
        assert coroutine.send(None) == "paused"
        del coroutine
        gc.collect()

    asyncio.run(main())

    assert names() == {"outer": "Crashed"}


def test_a_coroutine_that_is_closed_before_it_began_leaves_nothing() -> None:
    coroutine: Any = outer(Pause)
    coroutine.close()

    assert names() == {}


class Worker:
    async def work(self) -> None:
        """Is a task and a flow below."""


@pytest.mark.parametrize("kind", [task, flow])
def test_a_coroutine_has_the_name_of_the_function_that_was_called(kind: Any) -> None:
    for fn, name in ((Worker().work, "Worker.work"), (partial(Worker().work), "work")):
        for called in (kind(fn), kind(fn).with_options(name="other")):
            coroutine: Any = called()
            coroutine.close()
            assert (coroutine.__name__, coroutine.__qualname__) == ("work", name)


def test_a_coroutine_that_is_never_awaited_leaves_nothing_but_pythons_own_warning() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        outer(Pause)
        gc.collect()

    assert [str(one.message) for one in caught] == ["coroutine 'outer' was never awaited"]
    assert names() == {}
