"""What becomes of a run whose function was late, under every driver and without a clock."""

from __future__ import annotations

import pytest

from tests.engine.conftest import Drive, World, names, raising
from upshot._concurrency.attempt import Attempt, OutOfTime, TimedOut, current
from upshot._engine import sync_driver
from upshot._engine.task_run import run_task
from upshot.records import StateType


def test_a_late_run_is_failed_and_named_timed_out(drive: Drive, world: World) -> None:
    call = world.call(raising(TimedOut(0.1)))
    end = drive(run_task(call, world.ports), world.slept)
    assert (end.run.state_type, end.run.state_name) == (StateType.FAILED, "TimedOut")
    assert end.run.message == "Task run exceeded timeout of 0.1 seconds"
    assert type(end.error) is TimeoutError
    assert str(end.error) == "Task run exceeded timeout of 0.1 seconds"


def test_a_late_attempt_is_retried_like_one_that_raised(drive: Drive, world: World) -> None:
    call = world.call(raising(TimedOut(1), ValueError(), 7), retries=2, retry_delay=(3.0,))
    end = drive(run_task(call, world.ports), world.slept)
    assert end.take_value() == 7
    assert world.slept == [3.0, 3.0]


def test_the_last_of_several_late_attempts_names_the_state(drive: Drive, world: World) -> None:
    call = world.call(raising(TimedOut(1), TimedOut(1)), retries=1)
    drive(run_task(call, world.ports), world.slept)
    assert names(call) == ["Pending", "Running", "AwaitingRetry", "Retrying", "TimedOut"]


def test_an_error_that_a_function_made_of_its_interrupt_is_the_cause(
    drive: Drive, world: World
) -> None:
    late = TimedOut(1)
    late.__cause__ = cause = ValueError("while cleaning up")
    end = drive(run_task(world.call(raising(late)), world.ports), world.slept)
    assert end.error is not None
    assert end.error.__cause__ is cause


def test_the_value_is_kept_outside_of_the_functions_time(drive: Drive, world: World) -> None:
    call = world.call(lambda: "5", timeout=60.0)
    end = drive(run_task(call, world.ports), world.slept)
    assert end.take_value() == "5"
    assert "keep" in world.log


def test_a_run_inside_of_an_attempt_that_breaks_it_off_has_crashed(
    drive: Drive, world: World
) -> None:
    interrupt = OutOfTime("the run around it exceeded timeout of 1.0 seconds")
    call = world.call(raising(interrupt), retries=5)
    end = drive(run_task(call, world.ports), world.slept)
    assert end.error is interrupt
    assert names(call) == ["Pending", "Running", "Crashed"]


def test_who_ends_an_attempt_takes_over_the_runs_in_it(world: World) -> None:
    attempt = Attempt(0.5, abandons=True)

    def late() -> str:
        attempt.end()  # as another thread does that waits no longer
        world.log.append("ended")
        return "too late"

    call = world.call(late, persists=True)
    token = current.set(attempt)
    try:
        with pytest.raises(OutOfTime):
            sync_driver.drive(run_task(call, world.ports), world.slept.append)
    finally:
        current.reset(token)
    assert names(call) == ["Pending", "Running", "Crashed"]
    assert "around it exceeded timeout of 0.5 seconds" in str(call.run.message)
    assert world.log[-1] == "ended"  # nothing was kept, and no state recorded


def test_no_run_begins_in_an_attempt_that_is_over(world: World) -> None:
    attempt = Attempt(0.5, abandons=True)
    attempt.end()
    call = world.call(lambda: 5)
    token = current.set(attempt)
    try:
        with pytest.raises(OutOfTime):
            sync_driver.drive(run_task(call, world.ports))
    finally:
        current.reset(token)
    assert names(call) == []
    assert world.log == []


def test_an_attempt_ends_with_the_one_around_it() -> None:
    outer = Attempt(1.0)
    token = current.set(outer)
    inner = Attempt(0.5)
    inner.begin()
    current.reset(token)
    left: list[str] = []
    inner.add(lambda: left.append("inner"))
    outer.add(lambda: left.append("last"))
    outer.end()
    assert left == ["last", "inner"]
    with pytest.raises(OutOfTime, match=r"timeout of 1\.0 seconds"):
        inner.check()


def test_an_attempt_that_was_in_time_is_left_alone() -> None:
    outer = Attempt(1.0)
    token = current.set(outer)
    inner = Attempt(0.5)
    inner.begin()
    current.reset(token)
    inner.finish()
    outer.end()
    assert not inner.over
