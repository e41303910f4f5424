"""What ends later: it ends once, tells that to all who want to know, and keeps nothing for them."""

from __future__ import annotations

import logging
import os
import threading
from contextlib import suppress

import pytest

from upshot._concurrency.promise import EndedBefore, Promise, telling_when_all_done, when_all_done
from upshot._concurrency.waiting import Completion, wait_blocking


def test_it_is_told_of_its_end_once_and_tells_it_on() -> None:
    run, told = Promise(), []
    run.add_done_callback(lambda ended: told.append(ended.result()))
    run.set_result(7)
    run.add_done_callback(lambda ended: told.append(-ended.result()))
    with pytest.raises(EndedBefore):
        run.set_result(8)
    with pytest.raises(EndedBefore):
        run.set_exception(ValueError())
    assert (run.done(), told) == (True, [7, -7])


def test_an_error_that_it_ends_with_is_raised_to_all_who_ask() -> None:
    run = Promise()
    run.set_exception(ValueError("no"))
    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            run.result()


def test_what_raises_when_it_is_told_keeps_nobody_else_from_being_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    run, told = Promise(), []
    run.add_done_callback(lambda _: 1 / 0)
    run.add_done_callback(told.append)
    with caplog.at_level(logging.ERROR, "upshot.engine"):
        run.set_result(None)
    assert told == [run]
    assert "ZeroDivisionError" in caplog.text


def test_its_end_is_waited_for_and_not_for_too_long() -> None:
    run = Promise()
    with pytest.raises(TimeoutError):
        run.result(0.001)
    assert not run._tells
    threading.Timer(0.01, run.set_result, [7]).start()
    assert run.result(60) == 7


def test_whoever_no_longer_wants_to_know_is_not_told() -> None:
    run, told = Promise(), []
    with telling_when_all_done([run], lambda: told.append("block")):
        pass
    one = when_all_done([run], lambda: told.append("run"))
    run.remove_done_callback(one)
    run.set_result(None)
    assert told == []


def end_at_once(run: Promise) -> tuple[list[int], list[int]]:
    """Which of four threads have ended it, and which were told."""
    first: list[int] = []
    told: list[int] = []
    start = threading.Barrier(4)

    def end(number: int) -> None:
        start.wait()
        run.add_done_callback(lambda _: told.append(number))
        with suppress(EndedBefore):
            run.set_result(number)
            first.append(number)

    threads = [threading.Thread(target=end, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return first, told


def test_of_threads_that_end_it_one_does_and_each_who_wants_to_know_is_told_once() -> None:
    for _ in range(200):
        run = Promise()
        first, told = end_at_once(run)
        assert (first, sorted(told)) == ([run.result()], [0, 1, 2, 3])


def test_all_threads_that_wait_for_a_run_are_woken() -> None:
    run, found = Completion("r"), []
    threads = [
        threading.Thread(target=lambda: found.append((wait_blocking([run], 60), run.result())))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    run.set_result(7)
    for thread in threads:
        thread.join()
    assert found == [(True, 7)] * 3


def test_a_wait_for_a_run_ends_in_time_and_leaves_nothing_behind() -> None:
    run = Completion("r")
    for _ in range(3):
        assert not wait_blocking([run], 0.001)
    assert not run._tells
    run.set_result(7)
    assert wait_blocking([run], 0.001)


def test_a_forked_child_can_end_what_is_its_own_while_a_thread_of_its_parent_ends_another() -> None:
    from upshot._concurrency import promise

    held, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        with promise._telling:
            held.set()
            go_on.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    pid = os.fork()
    if not pid:
        Promise().set_result(None)
        os._exit(0)
    go_on.set()
    thread.join()
    assert os.waitpid(pid, 0)[1] == 0
