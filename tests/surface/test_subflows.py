"""Flows that are called in flows."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest

from upshot import Flow, flow, get_run_context, task
from upshot.filesystems import LocalFileSystem
from upshot.runstore import open_store
from upshot.states import State
from upshot.task_runners import ConcurrentTaskRunner, SequentialTaskRunner

pytestmark = pytest.mark.usefixtures("upshot_home")


@task
def one() -> int:
    return 1


@task
def bad() -> int:
    raise ValueError("bad")


def in_flow(function: Any, **options: Any) -> Any:
    """What a function gives inside of a flow."""
    found: list[Any] = []
    flow(lambda: found.append(function()) or "done", name="around", **options)()
    return found[0]


@flow(version="7")
def child(x: Any = 1, y: Any = 2) -> Any:
    return x, y


def run_of(id: Any) -> Any:
    store = open_store()
    store.flush()
    return store.task_run(id)


def test_parameters_may_be_futures() -> None:
    assert in_flow(lambda: child(one.submit(), y=[one.submit()])) == (1, [1])


def test_parameters_may_be_states() -> None:
    assert in_flow(lambda: child(one(return_state=True), y={"k": one(return_state=True)})) == (
        1,
        {"k": 1},
    )


def test_parameters_of_async_subflows_may_be_futures() -> None:
    @task
    async def aone() -> int:
        return 1

    @flow
    async def achild(x: int) -> int:
        return x + 1

    @flow
    async def around() -> int:
        return await achild(await aone.submit())  # type: ignore[no-any-return]

    assert asyncio.run(around()) == 2


def test_parameters_of_sync_subflows_in_async_flows_may_be_futures_of_async_tasks() -> None:
    @task
    async def aone() -> int:
        await asyncio.sleep(0)
        return 1

    @flow
    async def around() -> Any:
        futures = [await aone.submit() for _ in range(3)]
        return child(futures[0], y={"k": futures[1:]})

    assert asyncio.run(around()) == (1, {"k": [1, 1]})


def test_the_record_has_the_values_of_the_futures_as_parameters() -> None:
    seen: list[Any] = []

    @flow
    def looks(x: int) -> None:
        context = get_run_context()
        seen.append((dict(context.parameters), context.flow_run.parameters))  # type: ignore[union-attr]

    in_flow(lambda: looks(one.submit()))
    assert seen == [({"x": 1}, {"x": 1})]


def test_a_failed_upstream_among_the_parameters_leaves_the_subflow_not_ready() -> None:
    state = in_flow(lambda: child(bad.submit(), return_state=True))
    assert (state.is_pending(), state.name) == (True, "NotReady")


def test_subflows_run_in_their_order() -> None:
    order: list[int] = []

    @flow
    def nth(n: int) -> None:
        order.append(n)

    in_flow(lambda: [nth(n) for n in range(4)])
    assert order == [0, 1, 2, 3]


def test_a_subflow_has_a_task_runner_of_its_own() -> None:
    runners: list[Any] = []

    @task
    def look() -> None: ...

    def note() -> str:
        look.submit().wait()
        context: Any = get_run_context()
        runners.append(context.runner)
        return "done"

    inner = Flow(note, name="inner", task_runner=SequentialTaskRunner())

    @flow(task_runner=ConcurrentTaskRunner())
    def outer() -> str:
        note()
        inner()
        inner()
        return "done"

    outer()
    kinds = [type(runner) for runner in runners]
    assert kinds == [ConcurrentTaskRunner, SequentialTaskRunner, SequentialTaskRunner]
    assert runners[0] is not runners[1]


def test_a_subflow_takes_the_storage_and_the_serializer_of_its_parent(tmp_path: Any) -> None:
    storage = LocalFileSystem(basepath=str(tmp_path))
    factories: list[Any] = []

    @flow
    def inner() -> None:
        factories.append(get_run_context().result_factory)

    in_flow(inner, result_storage=storage, result_serializer="json")
    assert factories[0].storage_block == storage
    assert factories[0].serializer.type == "json"
    assert factories[0].persist_result is False


def test_a_task_run_stands_for_the_subflow_in_its_parent() -> None:
    parents: list[Any] = []

    def call() -> Any:
        parents.append(get_run_context().flow_run)  # type: ignore[union-attr]
        return child(return_state=True)

    state = in_flow(call)
    details = state.state_details
    run = run_of(details.task_run_id)
    assert run.task_version == "7"
    assert run.flow_run_id == parents[0].id
    assert run.state.state_details.child_flow_run_id == details.flow_run_id
    assert run.state.type == state.type
    found = open_store().flow_run(details.flow_run_id)
    assert found is not None
    assert found.parent_task_run_id == details.task_run_id


def test_a_root_flow_has_no_parent() -> None:
    state = child(return_state=True)
    assert state.state_details.task_run_id is None
    assert isinstance(state.state_details.flow_run_id, UUID)


def test_a_subflow_that_waits_for_a_failed_run_is_not_ready_and_does_not_run() -> None:
    ran: list[int] = []

    @flow
    def waits() -> None:
        ran.append(1)

    state = in_flow(lambda: waits(return_state=True, wait_for=[bad.submit()]))
    assert (state.type.value, state.name) == ("PENDING", "NotReady")
    assert "did not reach a 'COMPLETED' state" in state.message
    assert ran == []


def test_a_subflow_that_waits_for_a_completed_run_runs_after_it() -> None:
    order: list[str] = []

    @task
    def first() -> None:
        order.append("first")

    @flow
    def second() -> int:
        order.append("second")
        return 2

    assert in_flow(lambda: second(wait_for=[first.submit()])) == 2
    assert in_flow(lambda: second._run(wait_for=[first.submit()])).result() == 2
    assert order == ["first", "second"] * 2


@pytest.mark.parametrize("return_state", [True, False])
def test_a_root_flow_has_nothing_to_wait_for(return_state: bool) -> None:
    with pytest.raises(ValueError, match="wait_for"):
        child(wait_for=[1], return_state=return_state)


def test_waiting_for_nothing_in_particular_is_allowed_everywhere() -> None:
    assert child(wait_for=None) == (1, 2)


def test_recursion_works() -> None:
    @flow
    def countdown(n: int) -> list[int]:
        return [n, *countdown(n - 1)] if n else [0]

    assert countdown(4) == [4, 3, 2, 1, 0]


def test_async_subflows_can_be_gathered() -> None:
    @task
    async def double(n: int) -> int:
        await asyncio.sleep(0)
        return 2 * n

    @flow
    async def inner(n: int) -> int:
        return await double(n)

    @flow
    async def outer() -> list[int]:
        return await asyncio.gather(*(inner(n) for n in range(5)))

    assert asyncio.run(outer()) == [0, 2, 4, 6, 8]


def test_a_subflow_may_be_called_in_a_task() -> None:
    @task
    def calls() -> Any:
        return child(5)

    assert in_flow(calls) == (5, 2)


def test_an_async_subflow_blocks_in_a_sync_flow() -> None:
    @flow
    async def inner() -> int:
        return 3

    assert in_flow(inner) == 3


def test_a_failed_subflow_raises_in_its_parent_and_its_state_does_not() -> None:
    @flow
    def failing() -> None:
        raise ValueError("inner")

    with pytest.raises(ValueError, match="inner"):
        in_flow(failing)
    state: State[Any] = in_flow(lambda: failing(return_state=True))
    assert state.is_failed()


def test_an_interrupted_subflow_interrupts_its_parent() -> None:
    seen: list[str] = []

    @flow(on_crashed=[lambda **given: seen.append("inner")])
    def inner() -> None:
        raise KeyboardInterrupt

    @flow(on_crashed=[lambda **given: seen.append("outer")])
    def outer() -> None:
        inner(return_state=True)

    with pytest.raises(KeyboardInterrupt):
        outer()
    assert seen == ["inner", "outer"]
