"""Task runners of one's own: subclasses of `BaseTaskRunner`, and of upshot's runners."""

from __future__ import annotations

import asyncio
import threading
from contextlib import AsyncExitStack
from typing import Any, Self
from uuid import UUID

import anyio
import cloudpickle
import pytest

from upshot import Flow, flow, get_run_context, tags, task
from upshot.runstore import open_store
from upshot.states import Completed, State
from upshot.task_runners import (
    BaseTaskRunner,
    ConcurrentTaskRunner,
    ProcessPoolTaskRunner,
    SequentialTaskRunner,
    TaskConcurrencyType,
)

pytestmark = pytest.mark.usefixtures("upshot_home")

PATIENCE = 60.0
LOG: list[str] = []


@pytest.fixture(autouse=True)
def empty_log() -> None:
    LOG.clear()


class InTurn(BaseTaskRunner):
    """Sees each run to its end where it is submitted."""

    def __init__(self) -> None:
        self._states: dict[UUID, State[Any]] = {}

    @property
    def concurrency_type(self) -> TaskConcurrencyType:
        return TaskConcurrencyType.SEQUENTIAL

    def duplicate(self) -> Self:
        return type(self)()

    async def submit(self, key: UUID, call: Any) -> None:
        LOG.append("submit")
        self._states[key] = await call()
        LOG.append(self._states[key].name or "")

    async def wait(self, key: UUID, timeout: float | None = None) -> State[Any] | None:
        return self._states.get(key)


class InGroup(BaseTaskRunner):
    """Has all runs go on in a task group."""

    concurrency_type = TaskConcurrencyType.CONCURRENT  # type: ignore[assignment]

    def duplicate(self) -> Self:
        return type(self)()

    async def _start(self, exit_stack: AsyncExitStack) -> None:
        LOG.append("start")
        exit_stack.callback(LOG.append, "end")
        self._group = await exit_stack.enter_async_context(anyio.create_task_group())
        self._states: dict[UUID, State[Any]] = {}
        self._ended: dict[UUID, anyio.Event] = {}

    async def submit(self, key: UUID, call: Any) -> None:
        self._ended[key] = anyio.Event()
        self._group.start_soon(self._run, key, call)

    async def _run(self, key: UUID, call: Any) -> None:
        LOG.append("run")
        self._states[key] = await call()
        self._ended[key].set()

    async def wait(self, key: UUID, timeout: float | None = None) -> State[Any] | None:
        with anyio.move_on_after(timeout):
            await self._ended[key].wait()
            return self._states[key]
        return None


class CountingThreads(ConcurrentTaskRunner):
    async def submit(self, key: UUID, call: Any) -> None:
        LOG.append("count")
        await super().submit(key, call)


class CountingInTurn(SequentialTaskRunner):
    async def submit(self, key: UUID, call: Any) -> None:
        LOG.append("count")
        await super().submit(key, call)


class CountingProcesses(ProcessPoolTaskRunner):
    async def submit(self, key: UUID, call: Any) -> None:
        LOG.append("count")
        await super().submit(key, call)


RUNNERS = [InTurn, InGroup, CountingThreads, CountingInTurn]


@pytest.fixture(params=RUNNERS)
def kind(request: pytest.FixtureRequest) -> Any:
    return request.param


@task
def double(x: Any) -> Any:
    return 2 * x


@task
async def adouble(x: Any) -> Any:
    await asyncio.sleep(0)
    return 2 * x


@task
def fail() -> None:
    raise ValueError("its text")


def used(runner: Any, function: Any) -> Any:
    """What a function gives as a flow with this runner."""
    return Flow(function, name="used", task_runner=runner)()


@pytest.mark.parametrize("as_class", [False, True])
def test_a_flow_takes_it(kind: Any, as_class: bool) -> None:
    runner = kind if as_class else kind()
    flow = Flow(lambda: double.submit(1).result(), name="f", task_runner=runner)
    assert isinstance(flow.task_runner, kind)
    assert [flow(), flow()] == [2, 2]


def test_what_is_no_runner_is_refused() -> None:
    with pytest.raises(TypeError, match="task_runner"):
        flow(task_runner=int)(lambda: 1)


def test_results_failures_and_dependencies_are_those_of_other_runners(kind: Any) -> None:
    def use() -> Any:
        first = double.submit(1)
        second = double.submit([first, adouble.submit(2)])
        failed = fail.submit()
        after = double.submit(failed)
        mapped = [future.result() for future in double.map([1, 2, 3])]
        states = failed.wait().name, after.wait().name
        return second.result(), mapped, states, double.submit(4, return_state=True).result()

    assert used(kind(), use) == ([2, 4, 2, 4], [2, 4, 6], ("Failed", "NotReady"), 8)


def test_a_failure_is_raised_to_who_asks_for_the_result(kind: Any) -> None:
    def use() -> str:
        future = fail.submit()
        assert str(future.result(raise_on_failure=False)) == "its text"
        with pytest.raises(ValueError, match="its text"):
            future.result()
        return "went on"

    assert used(kind(), use) == "went on"


@pytest.mark.anyio
async def test_async_flows_await_async_tasks_on_their_own_loop(kind: Any) -> None:
    here = threading.get_ident()
    said = asyncio.Event()

    @task
    async def listening() -> int:
        await said.wait()
        return threading.get_ident()

    @task
    async def speaking() -> int:
        said.set()
        return threading.get_ident()

    @flow(task_runner=kind())
    async def around() -> list[int]:
        spoken = await speaking.submit()
        heard = await listening.submit()
        return [await spoken.result(), await heard.result()]

    assert await around() == [here, here]


@pytest.mark.anyio
async def test_async_flows_submit_sync_tasks_and_block_for_them(kind: Any) -> None:
    @flow(task_runner=kind())
    async def around() -> list[Any]:
        return [double.submit(1).result(), await (await adouble.submit(2)).result()]

    assert await around() == [2, 4]


def test_runs_are_recorded_as_those_of_other_runners(kind: Any) -> None:
    @flow(task_runner=kind())
    def around() -> Any:
        with tags("inside"):
            future = double.submit(1)
        future.wait()
        return future.task_run.id

    run = open_store().task_run(around())
    assert run is not None
    assert (run.state_name, set(run.tags), run.run_count) == ("Completed", {"inside"}, 1)


def test_retries_and_contexts_are_those_of_other_runners(kind: Any) -> None:
    @task(retries=2)
    def flaky() -> tuple[str, int]:
        run = get_run_context().task_run  # type: ignore[union-attr]
        if run.run_count < 3:
            raise ValueError
        return get_run_context().task.name, run.run_count  # type: ignore[union-attr]

    assert used(kind(), lambda: flaky.submit().result()) == ("flaky", 3)


def test_a_task_may_submit_others_and_wait_for_them(kind: Any) -> None:
    @task
    def outer(x: int) -> Any:
        return double.submit(x).result()

    assert used(kind(), lambda: [f.result() for f in outer.map([1, 2, 3])]) == [2, 4, 6]


def test_sync_tasks_overlap_in_threads_if_the_runner_lets_them() -> None:
    meet = threading.Barrier(3, timeout=PATIENCE)
    meeting = task(lambda x: meet.wait() is not None, name="meeting")
    assert used(InGroup(), lambda: [f.result() for f in meeting.map([1, 2, 3])]) == [True] * 3


def test_a_flow_waits_for_what_nobody_asked_for(kind: Any) -> None:
    ended = []
    slow = task(lambda: ended.append(threading.Event().wait(0.05)), name="slow")

    def use() -> int:
        slow.submit()
        return 1

    used(kind(), use)
    assert ended == [False]


def test_the_order_that_it_chooses_is_seen() -> None:
    def use() -> int:
        double.submit(1)
        LOG.append("between")
        fail.submit()
        return 1

    used(InTurn(), use)
    assert LOG == ["submit", "Completed", "between", "submit", "Failed"]


def test_it_is_started_before_the_first_run_and_ended_after_the_last() -> None:
    used(InGroup(), lambda: [double.submit(1).result(), double.submit(2).result()])
    assert LOG == ["start", "run", "run", "end"]


@pytest.mark.parametrize("kind", [CountingThreads, CountingInTurn, CountingProcesses])
def test_a_subclass_of_upshots_runners_is_asked_too(kind: Any) -> None:
    assert used(kind(), lambda: [f.result() for f in double.map([1, 2, 3])]) == [2, 4, 6]
    assert LOG == ["count"] * 3


def test_the_state_that_its_wait_gives_is_that_of_the_future() -> None:
    class Replacing(InTurn):
        async def wait(self, key: UUID, timeout: float | None = None) -> State[Any] | None:
            state = await super().wait(key)
            assert state is not None
            return Completed(name="Replaced", data=f"other than {await state.aresult()}")

    def use() -> Any:
        future = double.submit(1)
        return [future.wait().name, future.result(), double.submit(future).result()]

    again = "other than other than 2other than 2"
    assert used(Replacing(), use) == ["Replaced", "other than 2", again]


def test_what_it_does_around_a_call_is_seen() -> None:
    class Refusing(InTurn):
        async def submit(self, key: UUID, call: Any) -> None:
            self._states[key] = Completed(name="Skipped", data=0)

    assert used(Refusing(), lambda: double.submit(1).wait().name) == "Skipped"


def test_what_its_submit_raises_is_raised_to_who_submits() -> None:
    class Full(InTurn):
        async def submit(self, key: UUID, call: Any) -> None:
            raise OSError("no room")

    with pytest.raises(OSError, match="no room"):
        used(Full(), lambda: double.submit(1))


def test_what_its_start_raises_is_raised_to_who_submits() -> None:
    class Broken(InTurn):
        async def _start(self, exit_stack: AsyncExitStack) -> None:
            raise OSError("no cluster")

    with pytest.raises(OSError, match="no cluster"):
        used(Broken(), lambda: double.submit(1))


def test_what_its_end_raises_is_raised_by_the_flow() -> None:
    class Broken(InTurn):
        async def _start(self, exit_stack: AsyncExitStack) -> None:
            exit_stack.callback(int, "no number")

    with pytest.raises(ValueError, match="no number"):
        used(Broken(), lambda: double.submit(1).result())


def test_a_call_is_called_once() -> None:
    class Twice(InTurn):
        async def submit(self, key: UUID, call: Any) -> None:
            self._states[key] = await call()
            with pytest.raises(RuntimeError, match="was called before"):
                await call()

    assert used(Twice(), lambda: double.submit(1).result()) == 2


def test_a_call_stays_in_its_process() -> None:
    class Sending(InTurn):
        async def submit(self, key: UUID, call: Any) -> None:
            cloudpickle.dumps(call)

    with pytest.raises(TypeError, match="goes on in the process that submitted it"):
        used(Sending(), lambda: double.submit(1))


def test_a_wait_that_gives_no_state_is_named() -> None:
    class Wrong(InTurn):
        async def wait(self, key: UUID, timeout: float | None = None) -> Any:
            return "ended"

    with pytest.raises(TypeError, match="`wait` of Wrong must give a State"):
        used(Wrong(), lambda: double.submit(1).result())


def test_its_calls_may_be_made_on_loops_of_its_own() -> None:
    class InThreads(InTurn):
        async def submit(self, key: UUID, call: Any) -> None:
            async def main() -> State[Any]:
                return await call()  # type: ignore[no-any-return]

            self._states[key] = await anyio.to_thread.run_sync(asyncio.run, main())

    assert used(InThreads(), lambda: [double.submit(1).result(), adouble.submit(2).result()]) == [
        2,
        4,
    ]


def test_an_interrupted_flow_ends_it_and_its_runs() -> None:
    @task
    async def endless() -> None:
        LOG.append("begun")
        begun.set()
        await asyncio.sleep(PATIENCE)

    begun = threading.Event()

    def use() -> None:
        endless.submit()
        begun.wait()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        used(InGroup(), use)
    assert LOG == ["start", "run", "begun", "end"]


@pytest.mark.anyio
async def test_the_base_starts_once_at_a_time() -> None:
    runner = InGroup()
    async with runner.start() as started:
        assert started is runner
        twin = cloudpickle.loads(cloudpickle.dumps(InTurn()))
        assert twin == InTurn()
        with pytest.raises(RuntimeError, match="already started"):
            async with runner.start():
                pass


@pytest.mark.anyio
async def test_a_started_one_is_pickled() -> None:
    runner = InTurn()
    async with runner.start():
        twin = cloudpickle.loads(cloudpickle.dumps(runner))
    assert twin == runner
    async with twin.start():
        pass


def test_public_attributes_make_runners_equal() -> None:
    class Sized(InTurn):
        def __init__(self, size: int = 1) -> None:
            super().__init__()
            self.size = size

    assert Sized(1) == Sized(1)
    assert Sized(1) != Sized(2)
    assert InTurn() != InGroup()
    assert len({Sized(1), Sized(1)}) == 1


def test_what_is_not_written_is_missed() -> None:
    class Half(BaseTaskRunner):
        @property
        def concurrency_type(self) -> TaskConcurrencyType:
            return TaskConcurrencyType.SEQUENTIAL

    with pytest.raises(TypeError, match="abstract"):
        Half()  # type: ignore[abstract]


def test_without_a_duplicate_it_serves_all_runs(caplog: pytest.LogCaptureFixture) -> None:
    class Shared(InTurn):
        duplicate = BaseTaskRunner.duplicate

    runner = Shared()
    assert used(runner, lambda: double.submit(1).result()) == 2
    assert len(runner._states) == 1
    assert "'Shared' does not implement the `duplicate` method" in caplog.text


@pytest.mark.parametrize("kind", [InTurn, CountingThreads])
def test_the_context_of_a_flow_has_it(kind: Any) -> None:
    def use() -> Any:
        before = get_run_context().task_runner  # type: ignore[union-attr]
        future = double.submit(1)
        assert future.task_runner is before
        assert get_run_context().task_runner is before  # type: ignore[union-attr]
        return type(before)

    assert used(kind(), use) is kind
