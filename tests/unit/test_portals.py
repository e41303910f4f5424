"""How async work that nobody waits for is begun, and what looks after it meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from upshot._bridge import run_blocking
from upshot._concurrency import portals

PATIENCE = 20


@pytest.fixture
def blocked() -> Iterator[Any]:
    """A portal whose loop is blocked until the test is over, or until it is called."""
    go, here = threading.Event(), threading.Event()

    async def block() -> None:
        here.set()
        go.wait(PATIENCE)

    thread = threading.Thread(target=run_blocking, args=(block,))
    thread.start()
    here.wait(PATIENCE)
    yield go.set
    go.set()
    thread.join(PATIENCE)


def begin(work: Any) -> None:
    def refused(error: BaseException) -> None:
        raise AssertionError(error)

    portals.start(work, refused)


def test_work_that_a_blocked_loop_does_not_begin_goes_to_another(blocked: Any) -> None:
    begun = threading.Event()

    async def work() -> None:
        begun.set()

    begin(work)
    assert begun.wait(PATIENCE)


def test_nothing_stays_of_work_that_has_begun_however_late_it_is_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    watch = portals._Watch()
    watch._looks = True  # but no thread looks
    monkeypatch.setattr(portals, "_watch", watch)
    most = 0
    for _ in range(100):
        begun = threading.Event()

        async def work(begun: threading.Event = begun) -> None:
            begun.set()

        begin(work)
        most = max(most, len(watch._jobs))
        assert begun.wait(PATIENCE)
        while not watch._jobs[-1].job.begun.is_set():
            watch._jobs[-1].job.begun.wait(PATIENCE)
    assert most == 1


def test_who_looks_after_work_rests_while_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float | None] = []
    rested = threading.Event()
    watch = portals._Watch()
    wait = watch._changed.wait

    def noted(timeout: float | None = None) -> bool:
        waits.append(timeout)
        if len(waits) == 3:
            rested.set()
        return wait(timeout)

    monkeypatch.setattr(portals, "_watch", watch)
    monkeypatch.setattr(portals, "STALL", 0)
    monkeypatch.setattr(portals, "IDLE_SECONDS", PATIENCE)
    watch._changed.wait = noted  # type: ignore[method-assign]

    async def work() -> None:
        pass

    def settled() -> None:
        run_blocking(work)  # the loop has begun what it was offered before
        with watch._changed:
            watch._drop_begun()

    begin(work)
    settled()
    for _ in range(2):
        while not watch._rests:  # the thread is on its way there
            time.sleep(0)
        begin(work)
        settled()
    assert rested.wait(PATIENCE)
    assert waits == [PATIENCE] * 3  # it was woken twice, and has not looked in between


def test_work_that_is_dropped_while_it_is_handed_on_needs_no_loop(blocked: Any) -> None:
    job = portals.Job(_never)
    before = len(portals._open)

    def drop() -> None:
        job.interrupt()

    late = portals._Started(time.monotonic(), job, portals._open[0], pytest.fail)
    watch = portals._Watch()
    watch._jobs.append(late)
    drop()
    watch._hand_on(late)
    portals._give(job)
    assert job.dropped
    assert len(portals._open) <= before + 1


async def _never() -> None:
    pytest.fail("it was dropped")


def test_a_loop_that_was_found_blocked_just_as_it_went_on_gets_work_again() -> None:
    portal = portals.Portal()
    try:
        portal.stall()
        went_on = threading.Event()
        portal._loop.call_soon_threadsafe(went_on.set)
        assert went_on.wait(PATIENCE)
        assert not portal.stalled
    finally:
        portal.close()


def test_a_new_loop_is_waited_for_however_late_it_begins(
    blocked: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(portals, "STALL", 0)
    before = len(portals._open)

    async def work() -> int:
        return 1

    assert run_blocking(work) == 1
    assert len(portals._open) <= before + 1
