"""Slots of tags with limits: runs wait for them, and give them back, under every driver."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.engine.conftest import Drive, World, names, raising
from upshot import _limits
from upshot._engine.task_run import TaskCall, run_task
from upshot.exceptions import CancelledRun, RunStoreUnavailable
from upshot.records import StateType
from upshot.runstore import Limit
from upshot.runstore._limits import Taken
from upshot.runstore.memory import MemoryRunStore


def tagged(call: TaskCall, *tags: str) -> TaskCall:
    call.slots = _limits.Slots(call.run, tags)
    return call


def holders(world: World, tag: str) -> int:
    limit = world.store.limit(tag)
    assert limit is not None
    return len(limit.runs)


def test_a_run_has_its_slots_while_its_function_is_called_and_no_longer(
    drive: Drive, world: World
) -> None:
    world.store.put_limit("a", 1)
    world.store.put_limit("b", 1)
    seen: list[int] = []

    def function() -> None:
        seen.extend((holders(world, "a"), holders(world, "b")))

    end = drive(run_task(tagged(world.call(function), "a", "b"), world.ports), world.slept)

    assert end.error is None
    assert seen == [1, 1]
    assert (holders(world, "a"), holders(world, "b")) == (0, 0)


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3), KeyboardInterrupt()])
def test_a_run_that_fails_or_crashes_gives_its_slots_back(
    drive: Drive, world: World, error: BaseException
) -> None:
    world.store.put_limit("a", 1)
    end = drive(run_task(tagged(world.call(raising(error)), "a"), world.ports), world.slept)
    assert end.error is error
    assert holders(world, "a") == 0


def test_a_run_waits_pending_and_says_for_which_tag(drive: Drive, world: World) -> None:
    world.store.put_limit("a", 1)
    other = uuid4()
    world.store.take_slots(other, ["a"])
    call = tagged(world.call(lambda: 5), "a")
    waits = threading.Event()
    record = world.store.record

    def recorded(run: Any) -> None:
        record(run)
        if run.message is not None:
            waits.set()

    world.store.record = recorded  # type: ignore[method-assign]
    ended: list[Any] = []
    thread = threading.Thread(
        target=lambda: ended.append(drive(run_task(call, world.ports), world.slept))
    )
    thread.start()
    assert waits.wait(20)
    message = "The run waits for a slot of the tag 'a' (limit: 1)."
    assert (call.run.state_type, call.run.message) == (StateType.PENDING, message)

    world.store.free_slots(other)
    thread.join(20)

    assert ended[0].take_value() == 5
    assert names(call) == ["Pending", "Pending", "Running", "Completed"]


def test_who_waits_for_a_retry_has_no_slot(drive: Drive, world: World) -> None:
    world.store.put_limit("a", 1)
    seen: list[int] = []
    call = tagged(world.call(raising(ValueError(), 7), retries=1, retry_delay=(2.0,)), "a")
    free = world.store.free_slots

    def freed(run: Any) -> None:
        free(run)
        seen.append(len(world.slept))

    world.store.free_slots = freed  # type: ignore[method-assign]
    end = drive(run_task(call, world.ports), world.slept)

    assert end.take_value() == 7
    assert seen == [0, 1]  # before the pause, and after the end
    assert names(call) == ["Pending", "Running", "AwaitingRetry", "Retrying", "Completed"]


def test_with_a_limit_of_zero_the_run_is_cancelled_and_not_tried_again(
    drive: Drive, world: World
) -> None:
    world.store.put_limit("a", 0)
    call = tagged(world.call(lambda: 5, retries=3), "a")
    end = drive(run_task(call, world.ports), world.slept)
    assert names(call) == ["Pending", "Cancelled"]
    assert isinstance(end.error, CancelledRun)
    assert call.run.message == "The concurrency limit of the tag 'a' is 0: no run with it starts."
    assert "call" not in world.log


def test_a_store_that_cannot_be_read_is_an_error_of_the_call(drive: Drive, world: World) -> None:
    def refuse(*_: Any) -> None:
        raise RunStoreUnavailable("runs.db", "be read", "the disk refuses")

    world.store.take_slots = refuse  # type: ignore[method-assign, assignment]
    with pytest.raises(RunStoreUnavailable):
        drive(run_task(tagged(world.call(lambda: 5), "a"), world.ports), world.slept)
    assert "call" not in world.log


class Taker:
    """What stands in for a run: it takes slots of a store when it is told to."""

    def __init__(self, store: MemoryRunStore, world: World, *tags: str) -> None:
        self.store = store
        self.slots = _limits.Slots(world.call(lambda: None).run, tags)

    def take(self) -> Limit | None:
        return self.slots.take(self.store)

    def free(self) -> None:
        self.slots.free(self.store)


@pytest.fixture
def nobody_looks_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_limits, "_watches", True)


@pytest.mark.usefixtures("nobody_looks_again")
class TestTurns:
    """Who is told, if no other process could have done anything."""

    def test_one_that_waits_is_told_when_a_slot_is_given_back(self, world: World) -> None:
        store = MemoryRunStore()
        store.put_limit("a", 1)
        holder, first, second = (Taker(store, world, "a") for _ in range(3))
        holder.take()
        first.take()
        second.take()

        holder.free()

        assert first.slots.turn.done()
        assert not second.slots.turn.done()
        turn = second.slots.turn
        assert first.take() is None
        assert second.take() is not None  # the next was told, in case that there is one for it
        assert turn.done()
        first.free()
        assert second.take() is None
        second.free()
        assert store.limits()[0].runs == ()

    def test_one_that_was_told_and_gives_up_tells_the_next(self, world: World) -> None:
        store = MemoryRunStore()
        store.put_limit("a", 1)
        holder, first, second = (Taker(store, world, "a") for _ in range(3))
        for each in (holder, first, second):
            each.take()
        holder.free()
        first.free()
        assert second.slots.turn.done()
        assert second.take() is None
        second.free()

    def test_one_that_needs_another_slot_too_tells_the_next(self, world: World) -> None:
        store = MemoryRunStore()
        store.put_limit("a", 1)
        store.put_limit("b", 1)
        holder, other = Taker(store, world, "a"), Taker(store, world, "b")
        both, next_one = Taker(store, world, "a", "b"), Taker(store, world, "a")
        for each in (holder, other, both, next_one):
            each.take()
        holder.free()
        full = both.take()
        assert full is not None
        assert full.tag == "b"
        assert next_one.slots.turn.done()
        assert next_one.take() is None
        next_one.free()
        other.free()
        assert both.slots.turn.done()
        assert both.take() is None
        both.free()

    def test_one_that_gives_up_leaves_nothing_behind(self, world: World) -> None:
        store = MemoryRunStore()
        store.put_limit("a", 1)
        holder, waiting = Taker(store, world, "a"), Taker(store, world, "a")
        holder.take()
        waiting.take()
        waiting.free()
        holder.free()
        key = (id(store), "a")
        assert key not in _limits._lines
        assert key not in _limits._holders


class Counted(MemoryRunStore):
    """Counts how often somebody looks for a slot."""

    looks = 0

    def take_slots(self, run: UUID, tags: Sequence[str]) -> Taken:
        self.looks += 1
        return super().take_slots(run, tags)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who looks again does so all the time."""
    monkeypatch.setattr(_limits, "SOONEST", 0.0)
    monkeypatch.setattr(_limits, "LATEST", 0.0)
    monkeypatch.setattr(_limits, "SELDOM", 60.0)
    # and the thread that a test before this one has left is not there
    monkeypatch.setattr(_limits, "_watches", False)
    monkeypatch.setattr(_limits, "_hurry", threading.Event())


@pytest.mark.usefixtures("at_once")
class TestLooks:
    """How often those look that wait."""

    def test_nobody_looks_for_a_slot_that_this_process_has_until_it_is_given_back(
        self, world: World
    ) -> None:
        store = Counted()
        store.put_limit("a", 1)
        holder, waiting = Taker(store, world, "a"), Taker(store, world, "a")
        holder.take()
        assert waiting.take() is not None
        turn, looks = waiting.slots.turn, store.looks
        assert looks == 3  # one more when it stands in line
        with pytest.raises(TimeoutError):
            turn.result(0.1)  # in which one who looks all the time would have been told

        holder.free()
        turn.result(20)
        assert waiting.take() is None
        assert store.looks == looks + 1
        waiting.free()

    def test_who_waits_for_a_slot_of_another_process_looks_again(self, world: World) -> None:
        store, other = Counted(), uuid4()
        store.put_limit("a", 1)
        store.take_slots(other, ["a"])  # as another process does it: nobody here is told
        waiting = Taker(store, world, "a")
        full = waiting.take()
        while full is not None:
            waiting.slots.turn.result(20)
            if store.looks > 5:
                store.free_slots(other)
            full = waiting.take()
        waiting.free()

    def test_who_waits_notices_that_another_process_takes_the_slot(self, world: World) -> None:
        store, other = Counted(), uuid4()
        store.put_limit("a", 1)
        holder, waiting = Taker(store, world, "a"), Taker(store, world, "a")
        holder.take()
        waiting.take()
        free_slots = store.free_slots

        def freed(run: UUID) -> None:
            free_slots(run)
            store.take_slots(other, ["a"])

        store.free_slots = freed  # type: ignore[method-assign]
        holder.free()
        del store.free_slots
        waiting.slots.turn.result(20)
        assert waiting.take() is not None
        waiting.slots.turn.result(20)  # told by nobody but the thread that looks
        store.free_slots(other)
        assert waiting.take() is None
        waiting.free()
