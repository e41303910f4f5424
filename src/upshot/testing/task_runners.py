"""What every task runner must do, as tests."""

# ruff: noqa: D102  what a test wants is said by its name

from __future__ import annotations

import asyncio
import pickle
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextvars import copy_context
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any
from uuid import uuid4

import pytest

from upshot._engine.effects import Invoke, Outcome
from upshot.flows import Flow
from upshot.settings import get_current_settings, temporary_settings
from upshot.states import Completed, State
from upshot.task_runners import TaskConcurrencyType, TaskRunner
from upshot.tasks import task
from upshot.testing.isolation import isolated

PATIENCE = 60.0  # seconds that a runner has for a call


def _double(value: int) -> int:
    return 2 * value


def _text(value: Any) -> str:
    return f"kept {value}"


def _fail(error: BaseException, *ignored: Any) -> None:
    raise error


async def _completed(value: Any) -> State[Any]:
    return Completed(data=value)


def _wait() -> None:
    threading.Event().wait(PATIENCE)


def _retries() -> int:
    return get_current_settings().task_default_retries


class _Started:
    """Stands for a loop: keeps what it is to run."""

    def __init__(self) -> None:
        self.work: Callable[[], Awaitable[None]] | None = None

    def __call__(self, work: Any, refused: Any) -> None:
        self.work = work


class TaskRunnerContract:
    """Subclass it with a fixture `runner` that gives a new `TaskRunner` for each test."""

    @pytest.fixture(autouse=True)
    def home_and_end(self, runner: TaskRunner) -> Iterator[None]:
        """A home for what the tests record, and an end for the runner's threads and processes."""
        with isolated():
            yield
            runner.close()

    def test_a_function_is_called_and_its_value_kept(self, runner: TaskRunner) -> None:
        (outcome,) = _called(runner, [partial(_double, 21)])
        assert outcome == Outcome(kept="kept 42")

    def test_each_of_many_calls_is_answered_once(self, runner: TaskRunner) -> None:
        outcomes = _called(runner, [partial(_double, i) for i in range(100)])
        assert sorted(outcome.kept for outcome in outcomes) == sorted(
            f"kept {2 * i}" for i in range(100)
        )

    @pytest.mark.parametrize("kind", [ValueError, SystemExit, KeyboardInterrupt])
    def test_what_a_function_raises_is_its_outcome(
        self, runner: TaskRunner, kind: type[BaseException]
    ) -> None:
        (outcome,) = _called(runner, [partial(_fail, kind("its text"))])
        assert type(outcome.error) is kind
        assert outcome.error.args == ("its text",)
        assert not outcome.returned
        (after,) = _called(runner, [partial(_double, 1)])
        assert after.kept == "kept 2"

    def test_what_keeping_raises_is_told_apart(self, runner: TaskRunner) -> None:
        keep = partial(_fail, ValueError("full"))
        (outcome,) = _called(runner, [partial(_double, 1)], keep)
        assert type(outcome.error) is ValueError
        assert outcome.returned

    def test_the_settings_of_the_context_hold_in_the_call(self, runner: TaskRunner) -> None:
        with temporary_settings({"UPSHOT_TASK_DEFAULT_RETRIES": 7}):
            (outcome,) = _called(runner, [_retries])
        assert outcome.kept == "kept 7"
        (outcome,) = _called(runner, [_retries])
        assert outcome.kept == "kept 0"

    @pytest.mark.parametrize("keep_blocks", [False, True])
    def test_an_async_function_is_run_by_its_host(
        self, runner: TaskRunner, keep_blocks: bool
    ) -> None:
        async def double() -> int:
            return _double(21)

        outcome = _hosted(runner, Invoke(double, _text, True, keep_blocks))
        assert outcome == Outcome(kept="kept 42")

    def test_what_an_async_function_raises_is_its_outcome(self, runner: TaskRunner) -> None:
        async def fail() -> None:
            raise ValueError("its text")

        outcome = _hosted(runner, Invoke(fail, _text, True, True))
        assert type(outcome.error) is ValueError
        assert not outcome.returned

    def test_a_duplicate_is_equal_and_works_for_itself(self, runner: TaskRunner) -> None:
        twin = runner.duplicate()
        assert twin is not runner
        assert type(twin) is type(runner)
        assert twin == runner
        assert hash(twin) == hash(runner)
        _called(runner, [partial(_double, 1)])
        runner.close()
        assert _called(twin, [partial(_double, 1)])[0].kept == "kept 2"
        twin.close()

    def test_it_can_be_pickled_also_while_it_is_at_work(self, runner: TaskRunner) -> None:
        _called(runner, [partial(_double, 1)])
        twin = pickle.loads(pickle.dumps(runner))
        assert twin == runner
        assert twin.options() == runner.options()
        twin.close()

    def test_it_says_what_it_was_made_with(self, runner: TaskRunner) -> None:
        assert repr(runner).startswith(f"{type(runner).__name__}(")
        assert all(name in repr(runner) for name in runner.options())

    def test_it_may_be_closed_twice_and_without_having_been_used(self, runner: TaskRunner) -> None:
        runner.close()
        runner.close()

    def test_it_says_how_concurrent_it_is(self, runner: TaskRunner) -> None:
        assert isinstance(runner.concurrency_type, TaskConcurrencyType)
        one_by_one = runner.concurrency_type is TaskConcurrencyType.SEQUENTIAL
        assert runner.sequential is one_by_one

    def test_runs_are_given_to_it_by_hand_while_it_is_started(self, runner: TaskRunner) -> None:
        async def use() -> list[Any]:
            keys = [uuid4() for _ in range(3)]
            async with runner.start() as started:
                with pytest.raises(RuntimeError, match="already started"):
                    await runner.start().__aenter__()
                for number, key in enumerate(keys):
                    await started.submit(key, partial(_completed, number))
                states = [await started.wait(key, PATIENCE) for key in keys]
            return [state and await state.aresult() for state in states]

        assert asyncio.run(use()) == [0, 1, 2]
        assert asyncio.run(use()) == [0, 1, 2]

    def test_a_flow_runs_its_submitted_tasks_with_it(self, runner: TaskRunner) -> None:
        double = task(_double)
        fail = task(partial(_fail, ValueError("its text")))

        def use() -> tuple[list[int], str | None, str | None]:
            first = double.map(range(10))
            second = double.with_options(persist_result=True).map(first)
            failed = fail.submit()
            after = double.submit(failed)
            values = [future.result() for future in second]
            return values, failed.wait().name, after.wait().name

        values, failed, after = Flow(use, task_runner=runner)()
        assert values == [4 * i for i in range(10)]
        assert (failed, after) == ("Failed", "NotReady")

    def test_a_late_function_is_timed_out_and_the_runner_goes_on(self, runner: TaskRunner) -> None:
        late, double = task(timeout_seconds=0.1)(_wait), task(_double)

        def use() -> tuple[str, str | None, int]:
            state = late.submit(return_state=True)
            return state.name, state.message, double.submit(1).result()

        said = "Task run exceeded timeout of 0.1 seconds"
        assert Flow(use, task_runner=runner)() == ("TimedOut", said, 2)

    def test_a_flow_runs_with_it_again(self, runner: TaskRunner) -> None:
        double = task(_double)
        flow = Flow(lambda: double.submit(1).result(), name="again", task_runner=runner)
        assert [flow(), flow()] == [2, 2]


def _called(
    runner: TaskRunner, functions: list[Callable[[], Any]], keep: Callable[[Any], Any] = _text
) -> list[Outcome]:
    """What came of these calls, in the order in which they ended; each is answered once."""
    outcomes: SimpleQueue[Outcome] = SimpleQueue()
    for function in functions:
        runner.call(Invoke(function, keep, False, True), copy_context(), outcomes.put)
    return _each(outcomes, len(functions))


def _each(outcomes: SimpleQueue[Outcome], count: int) -> list[Outcome]:
    found = [outcomes.get(timeout=PATIENCE) for _ in range(count)]
    with pytest.raises(Empty):
        outcomes.get_nowait()
    return found


def _hosted(runner: TaskRunner, effect: Invoke) -> Outcome:
    host, outcomes = _Started(), SimpleQueue[Outcome]()
    runner.invoke(effect, copy_context(), host, outcomes.put)
    assert host.work is not None

    async def run() -> None:
        assert host.work is not None
        await host.work()

    asyncio.run(run())
    return _each(outcomes, 1)[0]
