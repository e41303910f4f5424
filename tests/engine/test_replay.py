"""What a retry of a flow does with the calls of earlier attempts, under every driver."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine.conftest import Drive, World, names, raising
from upshot._engine.endings import Ended
from upshot._engine.task_run import TaskCall, run_task
from upshot._runs.replay import Place, Replay
from upshot.documents import PersistedResult, UnpersistedResult
from upshot.exceptions import StorageUnavailable
from upshot.records import StateType


def first_attempt(
    drive: Drive, world: World, function: Any, **options: Any
) -> tuple[Place, TaskCall]:
    """A call in the first attempt of a flow, and its place."""
    place = Place("t-key", None)
    call = world.call(function, place=place, **options)
    place.task_run = call.run
    call.on_end = lambda end: place.ended(None, end)
    drive(run_task(call, world.ports), world.slept)
    world.log.clear()
    return place, call


def second_attempt(
    drive: Drive, world: World, place: Place, function: Any, **options: Any
) -> Ended:
    """The same call in the second attempt."""
    call = world.call(function, place=place, **options)
    assert place.task_run is not None
    call.run = place.task_run
    return drive(run_task(call, world.ports), world.slept)


@pytest.mark.parametrize("persists", [False, True])
def test_a_call_that_completed_is_not_made_again_and_gives_its_value(
    drive: Drive, world: World, persists: bool
) -> None:
    place, first = first_attempt(drive, world, lambda: True, persists=persists)
    before = names(first)
    end = second_attempt(drive, world, place, raising(AssertionError()))
    assert end.take_value() is True
    assert end.state().is_completed()
    assert world.log == []  # nothing was called, and nothing recorded
    assert (end.run, names(first)) == (first.run, before)


def test_who_wants_to_know_of_ends_is_told_of_one_that_is_taken_over(
    drive: Drive, world: World
) -> None:
    place, _ = first_attempt(drive, world, lambda: True, persists=True)
    told: list[Any] = []
    end = second_attempt(drive, world, place, raising(AssertionError()), on_end=told.append)
    assert told == [end]


def test_a_caller_who_wants_the_state_gets_one_with_a_value(drive: Drive, world: World) -> None:
    place, _ = first_attempt(drive, world, lambda: True, persists=True)
    end = second_attempt(drive, world, place, raising(AssertionError()), wants_value=False)
    assert end.state().data.fetch() is True
    assert end.value is None


def test_a_call_whose_value_is_nowhere_is_made_again(drive: Drive, world: World) -> None:
    place, first = first_attempt(drive, world, lambda: True)
    assert isinstance(place._document, UnpersistedResult)
    place._document.drop()
    end = second_attempt(drive, world, place, lambda: 7)
    assert end.take_value() == 7
    assert names(first) == [
        "Pending",
        "Running",
        "Completed",
        "Pending",
        "Retrying",
        "Completed",
    ]


def test_a_storage_that_refuses_fails_the_call_and_nothing_is_called(
    drive: Drive, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise StorageUnavailable("here", "read", "no")

    place, _ = first_attempt(drive, world, lambda: True, persists=True)
    monkeypatch.setattr(Place, "completed", lambda self: (self.run, _Refusing(refuse), None))
    end = second_attempt(drive, world, place, raising(AssertionError()))
    assert isinstance(end.error, StorageUnavailable)
    assert "call" not in world.log


class _Refusing:
    def __init__(self, fetch: Any) -> None:
        self.fetch = fetch


def test_a_call_that_failed_goes_on_as_the_same_run(drive: Drive, world: World) -> None:
    place, first = first_attempt(drive, world, raising(ValueError()), wants_value=False)
    end = second_attempt(drive, world, place, lambda: 7)
    assert end.run is first.run
    assert end.take_value() == 7
    assert names(first) == ["Pending", "Running", "Failed", "Pending", "Retrying", "Completed"]
    assert first.run.run_count == 2
    assert first.run.failure is None


def test_a_call_that_failed_has_its_retries_anew(drive: Drive, world: World) -> None:
    two = raising(ValueError(), ValueError())
    place, first = first_attempt(drive, world, two, retries=1, wants_value=False)
    assert first.run.run_count == 2
    again = raising(ValueError(), 7)
    end = second_attempt(drive, world, place, again, retries=1)
    assert end.take_value() == 7
    assert first.run.run_count == 4


def test_a_run_that_was_failed_by_a_refusal_completes_when_its_result_can_be_read_again(
    drive: Drive, world: World
) -> None:
    place, first = first_attempt(drive, world, lambda: True, persists=True)
    first.run.enter(StateType.FAILED, "Failed", 0.0)
    end = second_attempt(drive, world, place, raising(AssertionError()), persists=True)
    assert end.state().is_completed()
    assert end.take_value() is True


def test_the_place_of_a_persisted_result_holds_no_value() -> None:
    document = PersistedResult[Any](
        serializer_type="pickle",
        storage_block_id="00000000-0000-0000-0000-000000000000",
        storage_key="k",
    )
    document.hold(object())
    run = World().call(lambda: 1).run
    run.enter(StateType.COMPLETED, "Completed", 0.0)
    place = Place("k", None)
    place.ended(None, Ended(run, document))
    assert place._document is not None
    assert not place._document.has_cached_object()


def test_calls_are_known_by_their_key_and_position() -> None:
    replay = Replay()
    first = [replay.take(key, b"") for key in "aab"]
    replay.start_attempt()
    assert [replay.take(key, b"") for key in "aba"] == [first[0], first[2], first[1]]


def test_a_call_that_has_no_digest_is_always_another_one() -> None:
    replay = Replay()
    first = replay.take("a", None)
    replay.start_attempt()
    assert replay.take("a", None) is not first


def test_calls_that_changed_their_order_are_known_by_their_inputs() -> None:
    replay = Replay()
    one, two, three = (replay.take("a", digest) for digest in (b"1", b"2", b"3"))
    replay.start_attempt()
    assert [replay.take("a", digest) for digest in (b"3", b"1", b"2")] == [three, one, two]
    replay.start_attempt()
    assert [replay.take("a", digest) for digest in (b"1", b"2", b"3")] == [one, two, three]


def test_a_call_with_other_inputs_is_another_call() -> None:
    replay = Replay()
    old = replay.take("a", b"1")
    replay.start_attempt()
    assert replay.take("a", b"2") is not old
    assert replay.take("a", b"1") is old


def test_no_two_calls_of_an_attempt_have_one_place() -> None:
    replay = Replay()
    first = replay.take("a", b"1")
    replay.start_attempt()
    taken = [replay.take("a", b"1") for _ in range(3)]
    assert taken[0] is first
    assert len(set(map(id, taken))) == 3


def test_among_equal_calls_that_changed_their_position_those_that_completed_come_first() -> None:
    replay = Replay()
    replay.take("a", b"0")
    failed, completed = replay.take("a", b"1"), replay.take("a", b"1")
    completed.run = World().call(lambda: 1).run
    replay.start_attempt()
    assert [replay.take("a", b"1"), replay.take("a", b"1")] == [completed, failed]
