"""Attempts, retries, final states and the order of writes, under every driver."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest

from tests.engine.conftest import Drive, World, names, raising
from upshot._engine.task_run import run_task
from upshot.exceptions import FailedRun, RunStoreUnavailable
from upshot.records import StateType


def test_a_run_that_returns_is_pending_then_running_then_completed(
    drive: Drive, world: World
) -> None:
    call = world.call(lambda: 5)
    end = drive(run_task(call, world.ports), world.slept)
    assert names(call) == ["Pending", "Running", "Completed"]
    assert end.take_value() == 5
    assert end.error is None


def test_each_state_has_the_time_that_the_clock_gave(drive: Drive, world: World) -> None:
    call = world.call(lambda: 5)
    drive(run_task(call, world.ports), world.slept)
    times = [step.timestamp for step in call.run.history]
    assert times == sorted(times)
    assert (call.run.began, call.run.ended) == (times[1], times[-1])


def test_a_run_that_raises_is_failed_and_carries_the_very_exception(
    drive: Drive, world: World
) -> None:
    error = ValueError("no")
    end = drive(run_task(world.call(raising(error)), world.ports), world.slept)
    assert end.run.state_type is StateType.FAILED
    assert end.error is error
    assert end.run.message == "Task run encountered an exception: ValueError: no"


def test_the_last_error_wins_when_retries_run_out(drive: Drive, world: World) -> None:
    call = world.call(raising(ValueError("first"), ValueError("second")), retries=1)
    end = drive(run_task(call, world.ports), world.slept)
    assert str(end.error) == "second"
    assert names(call) == ["Pending", "Running", "AwaitingRetry", "Retrying", "Failed"]


def test_retries_stop_at_the_first_success(drive: Drive, world: World) -> None:
    call = world.call(raising(ValueError(), 7, ValueError()), retries=5)
    end = drive(run_task(call, world.ports), world.slept)
    assert end.take_value() == 7
    assert call.run.run_count == 2


def test_three_retries_are_four_calls(drive: Drive, world: World) -> None:
    call = world.call(raising(*[ValueError()] * 9), retries=3)
    drive(run_task(call, world.ports), world.slept)
    assert world.log.count("call") == 4
    assert call.run.run_count == 4


@pytest.mark.parametrize(
    ("delays", "slept"), [((), []), ((2.0,), [2.0] * 3), ((1.0, 5.0), [1.0, 5.0, 5.0])]
)
def test_the_last_delay_holds_for_all_later_retries(
    drive: Drive, world: World, delays: tuple[float, ...], slept: list[float]
) -> None:
    call = world.call(raising(*[ValueError()] * 9), retries=3, retry_delay=delays)
    drive(run_task(call, world.ports), world.slept)
    assert world.slept == slept


@pytest.mark.parametrize(
    "error", [SystemExit(3), KeyboardInterrupt(), BaseExceptionGroup("g", [SystemExit()])]
)
def test_what_ends_the_process_crashes_the_run_and_is_not_retried(
    drive: Drive, world: World, error: BaseException
) -> None:
    call = world.call(raising(error, 1), retries=3)
    end = drive(run_task(call, world.ports), world.slept)
    assert end.crashed
    assert end.error is error
    assert call.run.run_count == 1


def test_an_interrupt_while_a_run_waits_crashes_it(drive: Drive, world: World) -> None:
    class Interrupted(list[float]):
        def append(self, seconds: float) -> None:
            raise KeyboardInterrupt

    call = world.call(raising(ValueError(), 1), retries=3, retry_delay=(1.0,))
    end = drive(run_task(call, world.ports), Interrupted())
    assert isinstance(end.error, KeyboardInterrupt)
    assert names(call) == ["Pending", "Running", "AwaitingRetry", "Crashed"]


@pytest.mark.parametrize("error", [StopIteration(1), ExceptionGroup("g", [ValueError()])])
def test_an_exception_that_python_treats_apart_fails_the_run_like_any_other(
    drive: Drive, world: World, error: Exception
) -> None:
    end = drive(run_task(world.call(raising(error)), world.ports), world.slept)
    assert end.run.state_type is StateType.FAILED
    assert end.error is error


def test_an_exception_whose_text_cannot_be_made_fails_the_run_like_any_other(
    drive: Drive, world: World
) -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no text")

    end = drive(run_task(world.call(raising(Mute())), world.ports), world.slept)
    assert end.run.state_type is StateType.FAILED
    assert "cannot be made" in str(end.run.message)
    assert "Mute" in str(end.run.failure)


def test_a_value_that_cannot_be_kept_fails_the_run(drive: Drive, world: World) -> None:
    def keep(value: Any) -> Any:
        raise OSError("disk full")

    call = world.call(lambda: 5)
    call.body.keep = keep
    end = drive(run_task(call, world.ports), world.slept)
    assert end.run.state_type is StateType.FAILED
    assert isinstance(end.error, OSError)


def test_a_persisted_value_is_kept_before_its_row_is_committed(drive: Drive, world: World) -> None:
    drive(run_task(world.call(lambda: True, persists=True), world.ports), world.slept)
    assert world.log == ["record Running", "call", "keep", "queue Completed", "flush"]


def test_a_run_that_persists_nothing_commits_nothing(drive: Drive, world: World) -> None:
    drive(run_task(world.call(lambda: True), world.ports), world.slept)
    assert world.log == ["record Running", "call", "keep", "record Completed"]


def test_a_row_that_cannot_be_committed_is_an_error_to_the_caller(
    drive: Drive, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any) -> None:
        raise RunStoreUnavailable("here", "write", "full")

    monkeypatch.setattr(world.store, "flush", refuse)
    with pytest.raises(RunStoreUnavailable, match="full"):
        drive(run_task(world.call(lambda: True, persists=True), world.ports), world.slept)


def test_a_store_with_too_much_waiting_is_flushed_before_more_is_recorded(
    drive: Drive, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(world.store), "backlogged", property(lambda self: True))
    drive(run_task(world.call(lambda: 1), world.ports), world.slept)
    assert world.log == ["record Running", "flush", "call", "keep", "record Completed", "flush"]


def test_the_end_is_told_before_the_caller_has_it(drive: Drive, world: World) -> None:
    told: list[Any] = []
    end = drive(run_task(world.call(lambda: 1, on_end=told.append), world.ports), world.slept)
    assert told == [end]


def test_the_record_in_the_store_is_that_of_the_run(drive: Drive, world: World) -> None:
    call = world.call(raising(ValueError("a"), True), retries=1, persists=True)
    drive(run_task(call, world.ports), world.slept)
    found = world.store.task_run(call.run.id)
    assert found is not None
    assert [step.name for step in found.history] == names(call)
    assert found.run_count == 2
    assert found.result == '{"type":"literal","value":true}'


class _Large:
    """Something that a frame may hold, and a weak reference may watch."""


def _failing_with_a_local(watched: list[weakref.ref[_Large]]) -> Any:
    def function() -> None:
        local = _Large()
        watched.append(weakref.ref(local))
        raise ValueError("large")

    return function


def test_the_variables_of_a_failure_that_only_a_state_keeps_are_let_go(
    drive: Drive, world: World
) -> None:
    watched: list[weakref.ref[_Large]] = []
    call = world.call(_failing_with_a_local(watched), wants_value=False)
    end = drive(run_task(call, world.ports), world.slept)
    gc.collect()
    assert watched[0]() is None
    assert isinstance(end.error, ValueError)


def test_the_variables_of_a_failure_that_is_retried_are_let_go(drive: Drive, world: World) -> None:
    watched: list[weakref.ref[_Large]] = []
    function = _failing_with_a_local(watched)
    call = world.call(function, retries=1)
    drive(run_task(call, world.ports), world.slept)
    gc.collect()
    assert watched[0]() is None


def test_the_variables_of_a_failure_that_is_raised_stay_for_the_debugger(
    drive: Drive, world: World
) -> None:
    watched: list[weakref.ref[_Large]] = []
    end = drive(run_task(world.call(_failing_with_a_local(watched)), world.ports), world.slept)
    gc.collect()
    assert watched[0]() is not None
    del end


def test_a_failed_state_without_an_exception_gives_one_of_ours(drive: Drive, world: World) -> None:
    call = world.call(lambda: 1)
    keep = call.body.keep
    call.body.keep = lambda value: keep(value)._replace(
        type=StateType.FAILED, name="Failed", message="by hand", data=None
    )
    end = drive(run_task(call, world.ports), world.slept)
    assert isinstance(end.error, FailedRun)
    assert str(end.error) == "by hand"


def test_a_value_that_cannot_be_kept_does_not_call_the_function_again(
    drive: Drive, world: World
) -> None:
    def refuse(value: Any) -> Any:
        raise OSError("disk full")

    call = world.call(lambda: 5, retries=3)
    call.body.keep = refuse
    drive(run_task(call, world.ports), world.slept)
    assert world.log.count("call") == 1
    assert call.run.state_type is StateType.FAILED
