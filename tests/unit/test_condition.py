"""Completions: futures of the standard library whose condition is made when a thread waits."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable
from typing import Any

import pytest

from upshot._concurrency.waiting import Completion


def in_thread(work: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    """A thread that does this, and what it found."""
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(work()))
    thread.start()
    return thread, found


async def awaited(run: Completion) -> Any:
    return await asyncio.wait_for(asyncio.wrap_future(run), 60)


@pytest.mark.parametrize(
    "wait",
    [
        lambda run: run.result(60),
        lambda run: next(concurrent.futures.as_completed([run], 60)).result(),
        lambda run: concurrent.futures.wait([run], 60).done.pop().result(),
        lambda run: asyncio.run(awaited(run)),
    ],
    ids=["result", "as_completed", "wait", "asyncio"],
)
def test_all_who_wait_for_a_completion_are_woken(wait: Callable[[Completion], Any]) -> None:
    run = Completion("r")
    waiting = [in_thread(lambda: wait(run)) for _ in range(3)]
    run.set_result(7)
    for thread, found in waiting:
        thread.join()
        assert found == [7]


def test_a_wait_for_a_completion_ends_in_time() -> None:
    run = Completion("r")
    with pytest.raises(TimeoutError):
        run.result(0.001)
    assert concurrent.futures.wait([run], 0.001).not_done == {run}
    run.set_result(7)
    assert run.result() == 7


def test_a_completion_is_told_of_its_end_once_and_tells_it_on() -> None:
    run, told = Completion("r"), []
    run.add_done_callback(lambda ended: told.append(ended.result()))
    run.set_result(7)
    run.add_done_callback(lambda ended: told.append(-ended.result()))
    with pytest.raises(concurrent.futures.InvalidStateError):
        run.set_result(8)
    assert told == [7, -7]
