"""The coordinator on a clock that jumps: no slot is held by a run that sleeps or waits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context, copy_context
from queue import Empty, SimpleQueue
from typing import Any

import pytest

from tests.engine.conftest import World, names, raising
from upshot._concurrency.waiting import Completion
from upshot._engine.clock import RealClock
from upshot._engine.coordinator import Coordinator
from upshot._engine.effects import Host, Invoke, Outcome
from upshot._engine.task_run import TaskCall, run_task
from upshot.task_runners import ConcurrentTaskRunner

RUNS, SLOTS = 1_000, 4
DELAYS = (1.0, 5.0)
SLEEPS_EVERY = 10  # one run in so many raises twice, and sleeps for these


class Jumping:
    """A clock for calls that take no time: when all who could go on sleep, it jumps.

    It is the runner as well, for it must know which calls have not come back.
    """

    def __init__(self) -> None:
        self.runner = ConcurrentTaskRunner(SLOTS)
        self.time = 0.0
        self.wake_ups = 0
        self.slots_probed = 0
        self.active = self.most_active = 0
        self._out = 1  # who submits
        self._lock = threading.Lock()

    def after(self, seconds: float) -> float:
        return self.time + seconds

    def next(self, inbox: SimpleQueue[Any], until: float | None) -> Any:
        self.wake_ups += 1
        with self._lock:
            something_comes = self._out > 0 or not inbox.empty()
        if something_comes or until is None:
            return inbox.get()
        self._probe_slots()
        self.time = until
        raise Empty

    def _probe_slots(self) -> None:
        """All slots are free, for as many calls can meet."""
        self.slots_probed += 1
        met = threading.Barrier(SLOTS + 1, timeout=20)
        for _ in range(SLOTS):
            self.runner._pool.submit(met.wait)
        met.wait()

    def invoke(
        self, effect: Invoke, context: Context, host: Host, done: Callable[[Outcome], object]
    ) -> None:
        def back(outcome: Outcome) -> None:
            with self._lock:
                self.active -= 1
                self._out -= 1
                done(outcome)

        call = effect.call

        def counted() -> Any:
            with self._lock:
                self.active += 1
                self.most_active = max(self.most_active, self.active)
            return call()

        effect.call = counted
        with self._lock:
            self._out += 1
        self.runner.invoke(effect, context, host, back)

    def all_submitted(self) -> None:
        with self._lock:
            self._out -= 1


@contextmanager
def coordinating(clock: Jumping) -> Iterator[Coordinator]:
    coordinator = Coordinator(clock)
    try:
        yield coordinator
    finally:
        coordinator.close()
        clock.runner.close()


def submit(
    coordinator: Coordinator, clock: Jumping, world: World, call: TaskCall, *after: Completion
) -> Completion:
    completion = Completion(call.run.name, after)
    coordinator.submit(
        run_task(call, world.ports),
        runner=clock,
        host=lambda work, refused: refused(AssertionError("nothing here is async")),
        context=copy_context(),
        completion=completion,
    )
    return completion


def test_no_slot_is_held_by_runs_that_wait_or_sleep_and_nothing_polls(world: World) -> None:
    run_chains(world, length=50, seconds=5 * sum(DELAYS))


def test_longer_chains_sleep_longer_and_wake_the_coordinator_as_often(world: World) -> None:
    run_chains(world, length=100, seconds=10 * sum(DELAYS))


def run_chains(world: World, *, length: int, seconds: float) -> None:
    clock, ends, sleepers, chains = Jumping(), [], 0, RUNS // length
    began = time.monotonic()
    with coordinating(clock) as coordinator:
        for _ in range(chains):
            before: list[Completion] = []
            for position in range(length):
                sleeps = position % SLEEPS_EVERY == 5
                sleepers += sleeps
                errors = [ValueError("once"), ValueError("twice")] if sleeps else []
                call = world.call(raising(*errors, position), retries=2, retry_delay=DELAYS)
                call.upstreams = list(before)
                before = [submit(coordinator, clock, world, call, *before)]
                ends.append(before[0])
        submit(coordinator, clock, world, world.call(lambda: None)).result(20)
        clock.all_submitted()
        submit(coordinator, clock, world, world.call(lambda: None)).result(20)
        states = [end.result(20).run.state_name for end in ends]
    assert states == ["Completed"] * RUNS
    assert clock.time == seconds
    assert clock.slots_probed >= 2 * length // SLEEPS_EVERY
    assert clock.most_active <= SLOTS
    # a message that it was submitted, one for its upstreams, one for each call and each sleep
    expected = RUNS + (RUNS - chains) + (RUNS + 2 * sleepers) + 2 * sleepers
    expected += 2 * 2 + 1  # the two that end the submitting, and what closes it
    assert clock.wake_ups == expected
    assert time.monotonic() - began < seconds


def test_a_hundred_runs_that_sleep_leave_all_slots_to_others(world: World) -> None:
    clock = Jumping()
    with coordinating(clock) as coordinator:
        calls = [
            world.call(raising(ValueError(), n), retries=1, retry_delay=(60.0,)) for n in range(100)
        ]
        ends = [submit(coordinator, clock, world, call) for call in calls]
        other = submit(coordinator, clock, world, world.call(lambda: 7))
        assert other.result(20).run.state_name == "Completed"
        assert clock.time == 0.0
        clock.all_submitted()
        submit(coordinator, clock, world, world.call(lambda: None)).result(20)
        for end in ends:
            end.result(20)
    assert clock.time == 60.0
    assert names(calls[0]) == ["Pending", "Running", "AwaitingRetry", "Retrying", "Completed"]


def test_messages_that_never_cease_keep_no_sleeper_asleep() -> None:
    inbox: SimpleQueue[Any] = SimpleQueue()
    inbox.put("message")
    clock = RealClock()
    with pytest.raises(Empty):
        clock.next(inbox, clock.after(-1.0))
    assert clock.next(inbox, clock.after(60.0)) == "message"
    with pytest.raises(Empty):
        clock.next(inbox, clock.after(0.001))


def test_a_sleep_longer_than_a_lock_can_wait_does_not_end_the_coordinator() -> None:
    inbox: SimpleQueue[Any] = SimpleQueue()
    threading.Timer(0, inbox.put, ["message"]).start()
    clock = RealClock()
    assert clock.next(inbox, clock.after(float("inf"))) == "message"


class Bad:
    """A runner that cannot be given anything."""

    def invoke(self, effect: Invoke, context: Context, host: Host, done: Any) -> None:
        raise RuntimeError("can't start new thread")


def test_a_runner_that_refuses_a_call_ends_the_run_and_not_the_coordinator(world: World) -> None:
    coordinator = Coordinator()
    for _ in range(2):
        call, completion = world.call(lambda: 1), Completion("t-0")
        coordinator.submit(
            run_task(call, world.ports),
            runner=Bad(),
            host=lambda work, refused: None,
            context=copy_context(),
            completion=completion,
        )
        end = completion.result(20)
        assert str(end.error) == "can't start new thread"
        assert end.run.state_name == "Failed"
    coordinator.close()


def test_an_outcome_that_is_told_early_finds_the_context_free(world: World) -> None:
    """The run goes on in its context at once, although the worker's thread has not let go."""
    coordinator, runner = Coordinator(), ConcurrentTaskRunner(2)
    told: list[Completion] = []

    class Slow(ConcurrentTaskRunner):
        def invoke(self, effect: Invoke, context: Context, host: Host, done: Any) -> None:
            def done_and_stay(outcome: Outcome) -> None:
                done(outcome)
                told[0].result(20)  # until the run has ended, this thread stays where it is

            runner.invoke(effect, context, host, done_and_stay)

    told.append(Completion("t-0"))
    coordinator.submit(
        run_task(world.call(lambda: 5), world.ports),
        runner=Slow(),
        host=lambda work, refused: None,
        context=copy_context(),
        completion=told[0],
    )
    assert told[0].result(20).run.state_name == "Completed"
    coordinator.close()
    runner.close()


def test_a_coordinator_that_is_closed_leaves_no_thread() -> None:
    coordinator = Coordinator()
    coordinator.close()
    before = set(threading.enumerate())
    coordinator = Coordinator()
    completion = Completion("nothing")
    coordinator.submit(
        iter_of_nothing(),
        runner=Bad(),
        host=lambda work, refused: None,
        context=copy_context(),
        completion=completion,
    )
    assert completion.result(20) == "end"
    coordinator.close()
    assert set(threading.enumerate()) <= before


def iter_of_nothing() -> Any:
    return "end"
    yield
