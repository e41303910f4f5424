"""Threads that do one thing after the other."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from upshot._concurrency import hands


def done(work: Callable[[], object] = list) -> threading.Thread:
    """Have work done; the thread that did it."""
    threads: list[threading.Thread] = []
    told = threading.Event()

    def note() -> None:
        threads.append(threading.current_thread())
        work()

    hands.do(note, told.set)
    assert told.wait(30)
    return threads[0]


def test_one_thread_does_one_thing_after_the_other() -> None:
    assert len({done() for _ in range(20)}) == 1


def test_what_comes_while_all_are_at_work_has_a_thread_of_its_own() -> None:
    others: list[Any] = []
    first = done(lambda: others.append(done()))
    assert others[0] is not first


def test_a_thread_without_work_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hands, "IDLE_SECONDS", 0.01)
    first = done()
    first.join(30)
    assert not first.is_alive()
    assert done() is not first


def test_a_loop_that_has_ended_need_not_be_told() -> None:
    told = threading.Event()

    def refuse() -> None:
        told.set()
        raise RuntimeError("the loop is closed")

    first = done()
    hands.do(list, refuse)
    assert told.wait(30)
    assert done() is first


@pytest.mark.skipif(sys.platform == "win32", reason="platform: has no fork")
def test_a_forked_child_has_threads_of_its_own() -> None:
    done()
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        told = threading.Event()
        hands.do(list, told.set)
        os.write(writing, b"done" if told.wait(30) else b"late")
        os._exit(0)
    os.waitpid(pid, 0)
    answer = os.read(reading, 4)
    os.close(reading)
    os.close(writing)
    assert answer == b"done"


def test_a_thread_whose_work_raised_is_given_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    raised: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", lambda told: raised.append(told.thread))
    first = done()

    def broken_off() -> None:
        raise SystemError("broken off")

    hands.do(broken_off)
    first.join(30)
    assert raised == [first]
    assert done() is not first
