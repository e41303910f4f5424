"""Tasks that are tried again: how often, after how long, and whether."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from upshot import Flow, flow, task
from upshot._engine import sync_driver
from upshot.context import TaskRunContext
from upshot.runstore import open_store
from upshot.states import State
from upshot.task_runners import ProcessPoolTaskRunner, SequentialTaskRunner
from upshot.tasks import exponential_backoff

pytestmark = pytest.mark.usefixtures("upshot_home")


def fails_times(number: int, calls: list[Any]) -> Callable[[], str]:
    """A function that fails so often, and writes down what its context says."""

    def function() -> str:
        context = TaskRunContext.get()
        assert context is not None
        run = context.task_run
        calls.append((run.run_count, context.start_time, run.state_name))
        if len(calls) <= number:
            raise ValueError(f"call {len(calls)}")
        return "well"

    return function


def names(state: State[Any]) -> list[str]:
    id = state.state_details.task_run_id
    assert id is not None
    run = open_store().task_run(id)
    assert run is not None
    return [step.name for step in run.history]


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long sync calls would have slept."""
    found: list[float] = []
    drive = sync_driver.drive
    monkeypatch.setattr(sync_driver, "drive", lambda steps: drive(steps, found.append))
    return found


@pytest.mark.parametrize("always", [True, False])
def test_three_retries_are_four_calls(always: bool) -> None:
    calls: list[Any] = []
    state = task(retries=3)(fails_times(9 if always else 3, calls))(return_state=True)
    assert len(calls) == 4
    assert state.name == ("Failed" if always else "Completed")
    assert names(state) == [
        "Pending",
        "Running",
        "AwaitingRetry",
        "Retrying",
        "AwaitingRetry",
        "Retrying",
        "AwaitingRetry",
        "Retrying",
        state.name,
    ]


@pytest.mark.parametrize("runner", [None, SequentialTaskRunner])
def test_submitted_runs_go_through_the_same_states(runner: Any) -> None:
    calls: list[Any] = []
    flaky = task(retries=1)(fails_times(1, calls))
    around = Flow(lambda: names(flaky.submit().wait()), name="f", task_runner=runner)
    assert around() == ["Pending", "Running", "AwaitingRetry", "Retrying", "Completed"]


def test_an_async_task_is_tried_again_as_well() -> None:
    calls = []

    @task(retries=2)
    async def flaky() -> int:
        calls.append(1)
        if len(calls) < 3:
            raise ValueError
        return len(calls)

    @flow
    async def around() -> int:
        return await flaky()

    assert asyncio.run(around()) == 3


def test_the_context_tells_each_attempt_from_those_before() -> None:
    calls: list[Any] = []
    task(retries=2)(fails_times(2, calls))()
    assert [count for count, _, _ in calls] == [1, 2, 3]
    assert [name for _, _, name in calls] == ["Running", "Retrying", "Retrying"]


def test_the_start_time_grows_from_one_attempt_to_the_next() -> None:
    calls: list[Any] = []
    task(retries=2)(fails_times(2, calls))()
    starts = [start for _, start, _ in calls]
    assert all(start.tzinfo is not None for start in starts)
    assert starts[0] < starts[1] < starts[2]


def test_the_last_error_is_the_runs() -> None:
    calls: list[Any] = []
    with pytest.raises(ValueError, match="call 3"):
        task(retries=2)(fails_times(9, calls))()


@pytest.mark.parametrize(
    ("delay", "expected"),
    [
        (None, []),
        (0, []),
        (1.5, [1.5, 1.5, 1.5]),
        ([1, 2], [1, 2, 2]),
        ([1, 2, 3, 4], [1, 2, 3]),
        (lambda retries: [retries, 5], [3, 5, 5]),
        (exponential_backoff(10), [10, 20, 40]),
        (exponential_backoff(backoff_factor=0.5), [0.5, 1, 2]),
    ],
)
def test_delays_come_from_a_number_a_list_or_a_callable(
    delay: Any, expected: list[float], slept: list[float]
) -> None:
    calls: list[Any] = []
    task(retries=3, retry_delay_seconds=delay)(fails_times(3, calls))()
    assert slept == expected


def test_a_delay_lies_between_two_attempts() -> None:
    calls: list[Any] = []
    task(retries=1, retry_delay_seconds=0.05)(fails_times(1, calls))()
    (_, first, _), (_, second, _) = calls
    assert (second - first).total_seconds() >= 0.05


def test_exponential_backoff_doubles_and_gives_no_more_than_fifty_delays() -> None:
    assert exponential_backoff(10)(4) == [10, 20, 40, 80]
    assert exponential_backoff(backoff_factor=1)(0) == []
    assert len(exponential_backoff(1)(1000)) == 50
    assert task(retries=3, retry_delay_seconds=exponential_backoff(1))(len).retry_delay_seconds == [
        1,
        2,
        4,
    ]
    many = task(retries=100, retry_delay_seconds=exponential_backoff(10))(lambda: 1)
    assert many() == 1


@pytest.mark.parametrize("factor", [-1, "1", None, float("nan")])
def test_exponential_backoff_takes_a_positive_number(factor: Any) -> None:
    with pytest.raises(TypeError, match="must be seconds, 0 or more"):
        exponential_backoff(factor)


@pytest.mark.parametrize("factor", [0.1, 1, 3])
def test_jitter_varies_delays_within_bounds(factor: float, slept: list[float]) -> None:
    calls: list[Any] = []
    task(retries=20, retry_delay_seconds=10, retry_jitter_factor=factor)(fails_times(20, calls))()
    assert len(set(slept)) > 1
    assert all(0 <= delay <= 10 * (1 + factor) for delay in slept)


def test_no_jitter_is_no_jitter(slept: list[float]) -> None:
    calls: list[Any] = []
    task(retries=2, retry_delay_seconds=10, retry_jitter_factor=0)(fails_times(2, calls))()
    assert slept == [10, 10]


@pytest.mark.parametrize("value", ["1", {"a": 1}, [1, "2"], -1, [None], lambda retries: "x"])
def test_a_delay_that_is_none_is_refused(value: Any) -> None:
    with pytest.raises(TypeError) as caught:
        task(retry_delay_seconds=value)(lambda: 1)
    assert str(caught.value).startswith("Invalid")


@pytest.mark.parametrize("value", [[1] * 51, lambda retries: [1] * 51])
def test_more_than_fifty_delays_are_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"Can not") as caught:
        task(retry_delay_seconds=value)(lambda: 1)
    assert str(caught.value) == "Can not configure more than 50 retry delays per task."
    assert task(retry_delay_seconds=[1] * 50)(lambda: 1)() == 1


def test_a_negative_jitter_is_refused() -> None:
    with pytest.raises(ValueError, match="jitter") as caught:
        task(retry_jitter_factor=-1)(lambda: 1)
    assert str(caught.value) == "`retry_jitter_factor` must be >= 0."


@pytest.mark.parametrize("value", ["yes", 1, []])
def test_a_condition_that_cannot_be_called_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="retry_condition_fn"):
        task(retry_condition_fn=value)(lambda: 1)


@pytest.fixture(params=["call", "submit", "sequential"])
def run(request: pytest.FixtureRequest) -> Callable[[Any], State[Any]]:
    """Runs a task in a flow in each way, and gives its final state."""

    def through(called: Any) -> State[Any]:
        found = []

        def body() -> int:
            if request.param == "call":
                found.append(called(return_state=True))
            else:
                found.append(called.submit(return_state=True))
            return 0

        runner = SequentialTaskRunner if request.param == "sequential" else None
        Flow(body, name="f", task_runner=runner)()
        return found[0]  # type: ignore[no-any-return]

    return through


@pytest.mark.parametrize(("answers", "calls_made"), [([True] * 3, 4), ([True, False], 2), ([0], 1)])
def test_a_condition_says_after_each_failure_whether_to_go_on(
    run: Any, answers: list[Any], calls_made: int
) -> None:
    calls: list[Any] = []
    left = list(answers)
    state = run(
        task(retries=3, retry_condition_fn=lambda task, run, state: left.pop(0))(
            fails_times(9, calls)
        )
    )
    assert len(calls) == calls_made
    assert state.name == "Failed"


def test_a_condition_is_told_of_the_task_the_run_and_the_failed_state(run: Any) -> None:
    calls: list[Any] = []
    told = []

    def condition(task: Any, task_run: Any, state: Any) -> bool:
        error = state.result(raise_on_failure=False)
        told.append((task.name, task_run.run_count, state.name, state.is_failed(), repr(error)))
        return True

    flaky = task(name="flaky", retries=1, retry_condition_fn=condition)(fails_times(1, calls))
    state = run(flaky)
    assert told == [("flaky", 1, "Failed", True, "ValueError('call 1')")]
    assert state.is_completed()


def test_a_condition_that_raises_has_not_said_yes(
    run: Any, caplog: pytest.LogCaptureFixture
) -> None:
    calls: list[Any] = []

    def condition(task: Any, task_run: Any, state: Any) -> bool:
        raise ZeroDivisionError("in the condition")

    state = run(task(retries=3, retry_condition_fn=condition)(fails_times(9, calls)))
    assert len(calls) == 1
    assert repr(state.result(raise_on_failure=False)) == "ValueError('call 1')"
    assert "in the condition" in caplog.text


@pytest.mark.parametrize("answer", [True, False])
def test_a_condition_may_be_async(run: Any, answer: bool) -> None:
    calls: list[Any] = []

    async def condition(task: Any, task_run: Any, state: Any) -> bool:
        await asyncio.sleep(0)
        return answer

    run(task(retries=3, retry_condition_fn=condition)(fails_times(9, calls)))
    assert len(calls) == (4 if answer else 1)


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("how", ["call", "submit"])
def test_an_async_task_asks_its_condition_too(kind: str, how: str) -> None:
    calls = []

    def sync_condition(task: Any, task_run: Any, state: Any) -> bool:
        return len(calls) < 2

    async def async_condition(task: Any, task_run: Any, state: Any) -> bool:
        await asyncio.sleep(0)
        return len(calls) < 2

    @task(retries=5, retry_condition_fn=sync_condition if kind == "sync" else async_condition)
    async def flaky() -> None:
        calls.append(1)
        raise ValueError

    @flow
    async def around() -> str:
        if how == "call":
            return (await flaky(return_state=True)).name  # type: ignore[misc]
        return (await flaky.submit(return_state=True)).name  # type: ignore[no-any-return]

    assert asyncio.run(around()) == "Failed"
    assert len(calls) == 2


def test_without_retries_nothing_is_asked() -> None:
    state = task(retry_condition_fn=lambda task, run, state: 1 / 0)(fails_times(9, []))(
        return_state=True
    )
    assert repr(state.result(raise_on_failure=False)) == "ValueError('call 1')"


def test_no_retries_may_be_said_where_there_are_some() -> None:
    calls: list[Any] = []
    again = task(retries=3, retry_delay_seconds=5)(fails_times(9, calls))
    again.with_options(retries=0, retry_delay_seconds=0)(return_state=True)
    assert len(calls) == 1


def is_wrong(task: Any, task_run: Any, state: Any) -> bool:
    return isinstance(state.result(raise_on_failure=False), ValueError)


@task(retries=4, retry_condition_fn=is_wrong, retry_jitter_factor=1, task_run_name="try {x}")
def in_worker(x: int) -> str:
    context = TaskRunContext.get()
    assert context is not None
    if context.task_run.run_count < 3:
        raise ValueError
    if x:
        raise TypeError(f"after {context.task_run.run_count} calls")
    return context.task_run.name


def test_runs_in_worker_processes_are_named_and_tried_again_alike() -> None:
    @flow(task_runner=ProcessPoolTaskRunner(max_workers=1))
    def around() -> list[str]:
        states = in_worker.map([0, 1], return_state=True)
        return [str(state.result(raise_on_failure=False)) for state in states]

    assert around() == ["try 0", "after 3 calls"]
