"""upshot's own task runners, in flows and by hand."""

from __future__ import annotations

import asyncio
import threading
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import anyio
import cloudpickle
import pytest

from upshot import flow, task
from upshot.states import Completed, State
from upshot.task_runners import (
    BaseTaskRunner,
    ConcurrentTaskRunner,
    ProcessPoolTaskRunner,
    SequentialTaskRunner,
    TaskConcurrencyType,
    TaskRunner,
)

pytestmark = pytest.mark.usefixtures("upshot_home")

PATIENCE = 60.0
TYPES = {
    SequentialTaskRunner: TaskConcurrencyType.SEQUENTIAL,
    ConcurrentTaskRunner: TaskConcurrencyType.CONCURRENT,
    ProcessPoolTaskRunner: TaskConcurrencyType.PARALLEL,
}


@pytest.fixture(params=TYPES)
def runner(request: pytest.FixtureRequest) -> BaseTaskRunner:
    """One of each."""
    made: BaseTaskRunner = request.param()
    return made


async def completed(value: Any) -> State[Any]:
    await asyncio.sleep(0)
    return Completed(data=value)


async def raising() -> State[Any]:
    raise ValueError("its text")


def test_each_says_how_concurrent_it_is(runner: BaseTaskRunner) -> None:
    assert isinstance(runner, BaseTaskRunner)
    assert isinstance(runner, TaskRunner)
    assert runner.concurrency_type is TYPES[type(runner)]
    assert {kind.name for kind in TaskConcurrencyType} == {"SEQUENTIAL", "CONCURRENT", "PARALLEL"}


def test_a_duplicate_is_equal_and_not_identical(runner: BaseTaskRunner) -> None:
    twin = runner.duplicate()
    assert twin is not runner
    assert twin == runner
    assert type(twin) is type(runner)


def test_runners_with_other_options_or_of_other_classes_are_not_equal() -> None:
    assert ConcurrentTaskRunner(max_workers=1) != ConcurrentTaskRunner(max_workers=2)
    assert ConcurrentTaskRunner() != SequentialTaskRunner()


@pytest.mark.anyio
async def test_a_run_is_submitted_by_hand_and_waited_for(runner: BaseTaskRunner) -> None:
    keys = [uuid4(), uuid4()]
    async with runner.start() as started:
        assert started is runner
        for number, key in enumerate(keys):
            await runner.submit(key=key, call=partial(completed, number))
        states = [await runner.wait(key, PATIENCE) for key in keys]
    assert [await state.result(fetch=True) for state in states if state] == [0, 1]


@pytest.mark.anyio
async def test_a_call_that_raises_has_crashed(runner: BaseTaskRunner) -> None:
    key = uuid4()
    async with runner.start():
        await runner.submit(key, raising)
        state = await runner.wait(key, PATIENCE)
    assert state is not None
    assert state.is_crashed()
    assert "ValueError: its text" in (state.message or "")


@pytest.mark.anyio
async def test_a_wait_ends_without_a_state_when_the_run_takes_longer() -> None:
    key, end = uuid4(), anyio.Event()

    async def waiting() -> State[Any]:
        await end.wait()
        return Completed()

    runner = ConcurrentTaskRunner()
    async with runner.start():
        await runner.submit(key, waiting)
        assert await runner.wait(key, 0.01) is None
        end.set()
        assert (await runner.wait(key, PATIENCE)).is_completed()  # type: ignore[union-attr]


@pytest.mark.anyio
async def test_starting_twice_is_an_error(runner: BaseTaskRunner) -> None:
    async with runner.start():
        with pytest.raises(RuntimeError, match="already started"):
            async with runner.start():
                pass
    async with runner.start():
        pass


@pytest.mark.anyio
async def test_what_is_not_started_takes_no_runs(runner: BaseTaskRunner) -> None:
    with pytest.raises(RuntimeError, match="not started"):
        await runner.submit(uuid4(), partial(completed, 1))
    with pytest.raises(RuntimeError, match="not started"):
        await runner.wait(uuid4(), 1)


@pytest.mark.anyio
async def test_what_is_raised_in_the_block_is_raised_as_it_is(runner: BaseTaskRunner) -> None:
    with pytest.raises(KeyError, match="mine"):
        async with runner.start():
            raise KeyError("mine")


@pytest.mark.anyio
async def test_it_is_pickled_while_it_is_started(runner: BaseTaskRunner) -> None:
    async with runner.start():
        twin = cloudpickle.loads(cloudpickle.dumps(runner))
    assert type(twin) is type(runner)
    assert twin == runner
    async with twin.start():
        pass


@pytest.mark.anyio
async def test_sequential_runs_end_on_submit_by_hand() -> None:
    runner, events = SequentialTaskRunner(), []

    async def noted(name: str) -> State[Any]:
        events.append(f"{name} begins")
        await asyncio.sleep(0)
        events.append(f"{name} ends")
        return Completed()

    async with runner.start():
        for name in ("first", "second"):
            await runner.submit(uuid4(), partial(noted, name))
            assert events[-1] == f"{name} ends"
    assert events == ["first begins", "first ends", "second begins", "second ends"]


@pytest.mark.anyio
async def test_concurrent_runs_overlap_by_hand() -> None:
    met = asyncio.Barrier(2)

    async def meeting() -> State[Any]:
        await met.wait()
        return Completed()

    runner, keys = ConcurrentTaskRunner(), [uuid4(), uuid4()]
    async with runner.start():
        for key in keys:
            await runner.submit(key, meeting)
        states = [await runner.wait(key, PATIENCE) for key in keys]
    assert all(state and state.is_completed() for state in states)


def test_in_a_sequential_flow_a_task_has_run_when_submit_returns() -> None:
    events: list[str] = []

    @task
    def noted(name: str) -> None:
        events.append(name)

    @flow(task_runner=SequentialTaskRunner())
    def around() -> list[str]:
        future = noted.submit("first")
        events.append("submitted")
        assert future.get_state().is_completed()
        noted.submit("second")
        return events

    assert around() == ["first", "submitted", "second"]


@pytest.mark.anyio
async def test_in_a_sequential_flow_async_tasks_run_one_after_the_other() -> None:
    events: list[str] = []

    @task
    async def noted(name: str) -> None:
        events.append(f"{name} begins")
        await asyncio.sleep(0.01)
        events.append(f"{name} ends")

    @flow(task_runner=SequentialTaskRunner())
    async def around() -> None:
        await noted.submit("first")
        await noted.submit("second")

    await around()
    assert events == ["first begins", "first ends", "second begins", "second ends"]


@pytest.mark.parametrize("how", ["call", "submit"])
@pytest.mark.anyio
async def test_in_a_sequential_flow_async_tasks_of_a_task_group_overlap(how: str) -> None:
    begun: list[UUID] = []
    all_begun = asyncio.Event()

    @task
    async def meeting() -> None:
        begun.append(uuid4())
        if len(begun) == 2:
            all_begun.set()
        await asyncio.wait_for(all_begun.wait(), PATIENCE)

    @flow(task_runner=SequentialTaskRunner())
    async def around() -> int:
        async with anyio.create_task_group() as group:
            for _ in range(2):
                group.start_soon(meeting if how == "call" else meeting.submit)
        return len(begun)

    assert await around() == 2


def test_flows_are_given_a_concurrent_runner_by_default() -> None:
    assert flow(lambda: 1).task_runner == ConcurrentTaskRunner()


@pytest.mark.parametrize("asynchronous", [False, True])
def test_concurrent_sync_tasks_overlap_in_threads(asynchronous: bool) -> None:
    meet = threading.Barrier(3, timeout=PATIENCE)

    @task
    def meeting() -> int:
        meet.wait()
        return threading.get_ident()

    def submitted() -> list[Any]:
        futures = [meeting.submit() for _ in range(3)]
        return [future.result() for future in futures]

    @flow
    async def around() -> list[Any]:
        return submitted()

    threads = asyncio.run(around()) if asynchronous else flow(submitted)()
    assert len(set(threads)) == 3
    assert threading.get_ident() not in threads


@pytest.mark.anyio
async def test_concurrent_async_tasks_overlap() -> None:
    begun: list[int] = []
    all_begun = asyncio.Event()

    @task
    async def meeting() -> int:
        begun.append(1)
        if len(begun) == 3:
            all_begun.set()
        await asyncio.wait_for(all_begun.wait(), PATIENCE)
        return threading.get_ident()

    @flow
    async def around() -> list[int]:
        futures = [await meeting.submit() for _ in range(3)]
        return [await future.result() for future in futures]

    assert await around() == [threading.get_ident()] * 3


@pytest.mark.parametrize("kind", TYPES)
def test_direct_calls_run_to_the_end_first(kind: type[BaseTaskRunner]) -> None:
    events: list[str] = []

    @task
    def noted(name: str) -> str:
        events.append(f"{name} begins")
        events.append(f"{name} ends")
        return name

    @flow(task_runner=kind())
    def around() -> list[str]:
        noted("first")
        events.append("after")
        noted("second")
        return events

    assert around() == ["first begins", "first ends", "after", "second begins", "second ends"]


@pytest.mark.anyio
async def test_direct_calls_of_async_tasks_run_to_the_end_first() -> None:
    events: list[str] = []

    @task
    async def noted(name: str) -> None:
        events.append(f"{name} begins")
        await asyncio.sleep(0.01)
        events.append(f"{name} ends")

    @flow
    async def around() -> None:
        await noted("first")
        await noted("second")

    await around()
    assert events == ["first begins", "first ends", "second begins", "second ends"]


class Noting(ConcurrentTaskRunner):
    """Has an `__init__` of its own, which takes no options."""

    def __init__(self) -> None:
        super().__init__(max_workers=2)
        self.notes: list[int] = []
        self._private = object


class InTurnNoting(SequentialTaskRunner):
    def __init__(self, notes: list[int]) -> None:
        super().__init__()
        self.notes = notes


@pytest.mark.parametrize("make", [Noting, lambda: InTurnNoting([])])
def test_what_a_subclass_has_of_its_own_is_duplicated_and_pickled(make: Any) -> None:
    runner = make()
    runner.notes.append(1)
    for twin in (runner.duplicate(), cloudpickle.loads(cloudpickle.dumps(runner))):
        assert twin == runner
        assert twin is not runner
        assert vars(twin).keys() == vars(runner).keys()
        assert twin.notes == [1]
    assert runner.duplicate().notes is runner.notes
    assert make() != runner

    @flow(task_runner=runner)
    def around() -> Any:
        return [future.result() for future in task(lambda x: x).map([1, 2])]

    assert around() == [1, 2]
