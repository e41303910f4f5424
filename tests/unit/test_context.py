"""Contexts: what runs here, seen from inside."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
import weakref
from pathlib import Path
from typing import Any

import pytest

from upshot import flow, get_run_context, task
from upshot.context import FlowRunContext, TaskRunContext
from upshot.exceptions import MissingContextError
from upshot.records import StateType

pytestmark = pytest.mark.usefixtures("upshot_home")


def inside() -> tuple[str | None, str | None]:
    """The names of the flow and of the task that run here."""
    around, within = FlowRunContext.get(), TaskRunContext.get()
    return around and around.flow.name, within and within.task.name


def test_outside_of_runs_there_is_no_context() -> None:
    assert inside() == (None, None)
    with pytest.raises(MissingContextError, match="call this from inside a flow or task"):
        get_run_context()
    with pytest.raises(RuntimeError):
        get_run_context()


def test_the_innermost_run_is_the_context() -> None:
    seen: list[Any] = []

    @task
    def inner(x: int) -> int:
        seen.append((inside(), get_run_context().parameters))
        return x

    @flow
    def outer(y: int = 5) -> int:
        seen.append((inside(), get_run_context().parameters))
        given = inner(y + 1)
        seen.append((inside(), get_run_context().parameters))
        return given

    outer()
    assert seen == [
        (("outer", None), {"y": 5}),
        (("outer", "inner"), {"x": 6}),
        (("outer", None), {"y": 5}),
    ]
    assert inside() == (None, None)


def test_the_same_holds_for_async_functions_that_run_together() -> None:
    @task
    async def inner(x: int) -> tuple[Any, Any]:
        await asyncio.sleep(0)
        return inside(), get_run_context().parameters

    @flow
    async def outer(number: int) -> Any:
        await asyncio.sleep(0)
        many = await asyncio.gather(*(inner(x) for x in range(3)))
        return [*many, inside(), get_run_context().parameters]

    async def main() -> Any:
        flows = (outer.with_options(name=f"outer-{n}")(n) for n in range(3))
        return await asyncio.gather(*flows)

    for number, given in enumerate(asyncio.run(main())):
        name = f"outer-{number}"
        assert given[:3] == [((name, "inner"), {"x": x}) for x in range(3)]
        assert given[3:] == [(name, None), {"number": number}]


def test_a_flow_in_a_task_is_not_in_that_task() -> None:
    @flow
    def innermost() -> Any:
        return inside()

    @task
    def middle() -> Any:
        return [innermost(), inside()]

    @flow
    def outer() -> Any:
        return middle()

    assert outer() == [("innermost", None), ("outer", "middle")]


def test_a_task_alone_has_no_flow() -> None:
    @task
    def alone() -> Any:
        context = get_run_context()
        assert isinstance(context, TaskRunContext)
        return inside(), context.task_run.flow_run_id

    assert alone() == ((None, "alone"), None)


def test_a_context_ends_however_the_function_does() -> None:
    @flow
    def fails() -> None:
        task(lambda: 1 / 0, name="t")()

    for error in (ZeroDivisionError,):
        with pytest.raises(error):
            fails()
        assert inside() == (None, None)

    @flow
    def exits() -> None:
        raise SystemExit

    with pytest.raises(SystemExit):
        exits()
    assert inside() == (None, None)


def test_a_thread_sees_the_run_with_a_copied_context_only() -> None:
    @flow
    def outer() -> Any:
        seen: list[Any] = []
        copied = contextvars.copy_context()
        for target in (lambda: copied.run(lambda: seen.append(inside())),
                       lambda: seen.append(inside())):  # fmt: skip
            thread = threading.Thread(target=target)
            thread.start()
            thread.join()
        return seen

    assert outer() == [("outer", None), (None, None)]


def test_call_indexes_count_by_task_and_begin_anew_with_each_attempt() -> None:
    seen: list[list[tuple[str, int]]] = []

    @task
    def a() -> tuple[str, int]:
        return "a", get_run_context().task_run.call_index

    @task
    def b() -> tuple[str, int]:
        return "b", get_run_context().task_run.call_index

    @flow(retries=1)
    def outer() -> None:
        seen.append([a(), b(), a(), a.with_options(name="other")()])
        if len(seen) == 1:
            raise ValueError

    outer()
    assert seen == [[("a", 0), ("b", 0), ("a", 1), ("a", 2)]] * 2


def test_a_flow_counts_its_own_runs_and_not_those_of_its_tasks() -> None:
    @task
    def leaf() -> int:
        return 1

    @task
    def branch() -> int:
        return leaf() + leaf()

    @flow
    def outer() -> int:
        branch()
        context = FlowRunContext.get()
        assert context is not None
        return len([*context.made])

    assert outer() == 1


def test_the_context_is_of_the_run_that_is_recorded(upshot_home: Path) -> None:
    @task
    def one() -> Any:
        context = get_run_context()
        assert isinstance(context, TaskRunContext)
        return context.task_run.id, context.task_run.state_type, context.task_run.run_count

    state = one(return_state=True)
    assert state.result() == (state.state_details.task_run_id, StateType.RUNNING, 1)


def test_a_flow_holds_no_task_that_it_has_called() -> None:
    @task
    def one() -> int:
        return 1

    @flow
    def outer() -> int:
        alive = []
        for number in range(5):
            made = one.with_options(name=f"one-{number}")
            made()
            alive.append(weakref.ref(made))
        del made
        gc.collect()
        return len([ref for ref in alive if ref() is not None])

    assert outer() == 0
