"""The pool of threads of the task runners: slots, lending, and the end of its threads."""

from __future__ import annotations

import gc
import os
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from upshot._concurrency import hands
from upshot._concurrency.slots import lent
from upshot._concurrency.waiting import Completion, wait_blocking
from upshot.task_runners import _threads
from upshot.task_runners._threads import ThreadPool

PATIENCE = 20


@pytest.fixture
def pool_of(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., ThreadPool]]:
    """Makes pools, of which no thread is left afterwards."""
    monkeypatch.setattr(hands, "IDLE_SECONDS", 0.01)
    before = set(threading.enumerate())
    pools: list[ThreadPool] = []

    def make(slots: int, few: int | None = None) -> ThreadPool:
        pools.append(ThreadPool(slots, few))
        return pools[-1]

    yield make
    for pool in pools:
        pool.close()
    assert_no_worker_but(before)


def assert_no_worker_but(before: set[threading.Thread]) -> None:
    for thread in set(threading.enumerate()) - before:
        if thread.name == "upshot-hand":
            thread.join(PATIENCE)
            assert not thread.is_alive()


def done_by(pool: ThreadPool, call: Callable[[], Any], *, few: bool = False) -> Completion:
    """Told what the call gives, or raises."""
    completion = Completion("call")

    def tell() -> None:
        try:
            completion.set_result(call())
        except BaseException as error:
            completion.set_exception(error)

    pool.submit(tell, few=few)
    return completion


def test_as_many_calls_meet_as_there_are_slots(pool_of: Any) -> None:
    pool, met = pool_of(4), threading.Barrier(4, timeout=PATIENCE)
    for completion in [done_by(pool, met.wait) for _ in range(4)]:
        completion.result(PATIENCE)


def test_calls_that_come_together_fill_all_slots_although_one_thread_is_idle(pool_of: Any) -> None:
    pool, met = pool_of(4), threading.Barrier(4, timeout=PATIENCE)
    for _ in range(20):
        done_by(pool, threading.get_ident).result(PATIENCE)
        for completion in [done_by(pool, met.wait) for _ in range(4)]:
            completion.result(PATIENCE)


def test_no_more_calls_go_on_than_there_are_slots(pool_of: Any) -> None:
    pool, lock, active, most = pool_of(3), threading.Lock(), 0, 0

    def call() -> None:
        nonlocal active, most
        with lock:
            active += 1
            most = max(most, active)
        with lock:
            active -= 1

    for completion in [done_by(pool, call) for _ in range(10_000)]:
        completion.result(PATIENCE)
    assert 1 <= most <= 3


def test_calls_begin_in_the_order_in_which_they_came(pool_of: Any) -> None:
    pool, seen = pool_of(1), []
    for completion in [done_by(pool, lambda n=n: seen.append(n)) for n in range(100)]:
        completion.result(PATIENCE)
    assert seen == list(range(100))


def test_few_of_some_calls_go_on_and_all_slots_are_for_others(pool_of: Any) -> None:
    pool, lock, active, most = pool_of(5, few=2), threading.Lock(), 0, 0
    met = threading.Barrier(4, timeout=PATIENCE)  # three others, and one of the few

    def call(first: bool) -> None:
        nonlocal active, most
        with lock:
            active += 1
            most = max(most, active)
        if first:
            met.wait()
        with lock:
            active -= 1

    calls = [done_by(pool, lambda n=n: call(n == 0), few=True) for n in range(200)]
    calls += [done_by(pool, met.wait) for _ in range(3)]
    for completion in calls:
        completion.result(PATIENCE)
    assert 1 <= most <= 2


def test_the_few_begin_in_the_order_of_all(pool_of: Any) -> None:
    pool, seen = pool_of(1, few=1), []
    calls = [done_by(pool, lambda n=n: seen.append(n), few=n % 3 == 0) for n in range(100)]
    for completion in calls:
        completion.result(PATIENCE)
    assert seen == list(range(100))


def test_one_of_the_few_lends_its_place_while_it_waits(pool_of: Any) -> None:
    pool = pool_of(4, few=1)

    def nested(depth: int) -> int:
        if depth == 0:
            return 0
        deeper = done_by(pool, lambda: nested(depth - 1), few=True)
        wait_blocking([deeper])
        return 1 + int(deeper.result())

    assert done_by(pool, lambda: nested(20), few=True).result(PATIENCE) == 20
    assert pool._busy_few == 0 or done_by(pool, lambda: 1, few=True).result(PATIENCE) == 1


def test_a_slot_is_lent_while_its_call_waits_however_deep(pool_of: Any) -> None:
    pool = pool_of(1)

    def nested(depth: int) -> int:
        if depth == 0:
            return threading.get_ident()
        inner = done_by(pool, lambda: nested(depth - 1))
        assert wait_blocking([inner], PATIENCE)
        return int(inner.result())

    assert done_by(pool, lambda: nested(20)).result(PATIENCE) != threading.get_ident()


def test_a_lent_slot_comes_back_also_when_the_wait_fails(pool_of: Any) -> None:
    pool = pool_of(2)

    def fail() -> None:
        with lent():
            raise ValueError("while waiting")

    for _ in range(5):
        with pytest.raises(ValueError, match="while"):
            done_by(pool, fail).result(PATIENCE)
    met = threading.Barrier(2, timeout=PATIENCE)
    for completion in [done_by(pool, met.wait) for _ in range(2)]:
        completion.result(PATIENCE)
    third = threading.Event()
    hold = [done_by(pool, lambda: third.wait(PATIENCE)) for _ in range(2)]
    late = done_by(pool, lambda: None)
    assert not late.done()
    third.set()
    assert wait_blocking([*hold, late], PATIENCE)


def test_idle_threads_end_and_the_pool_goes_on(
    pool_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_threads, "IDLE_SECONDS", 0.01)
    pool = pool_of(1)
    for _ in range(3):
        thread = done_by(pool, threading.current_thread).result(PATIENCE)
        thread.join(PATIENCE)
        assert not thread.is_alive()


def test_a_call_that_comes_as_its_thread_gives_up_is_made(
    pool_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_threads, "IDLE_SECONDS", 0.0)
    pool = pool_of(2)
    for n in range(2_000):
        assert done_by(pool, lambda n=n: n).result(PATIENCE) == n


def test_a_pool_that_is_closed_makes_what_it_was_given_and_what_comes_late(pool_of: Any) -> None:
    pool, go_on = pool_of(1), threading.Event()
    first = done_by(pool, lambda: go_on.wait(PATIENCE))
    others = [done_by(pool, lambda: 1) for _ in range(10)]
    pool.close()
    go_on.set()
    assert wait_blocking([first, *others], PATIENCE)
    assert done_by(pool, lambda: 2).result(PATIENCE) == 2


def test_nothing_of_a_call_is_kept_when_it_has_been_made(pool_of: Any) -> None:
    class Large:
        pass

    def call_and_let_go() -> weakref.ref[Large]:
        large = Large()
        done_by(pool, lambda: large and None).result(PATIENCE)
        return weakref.ref(large)

    pool = pool_of(1)
    watched = [call_and_let_go() for _ in range(3)]
    done_by(pool, lambda: None).result(PATIENCE)  # its thread is done with those before
    gc.collect()
    assert [reference() for reference in watched] == [None] * 3


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_call_that_raises_costs_a_thread_and_no_slot(pool_of: Any) -> None:
    pool = pool_of(1)

    def fail() -> None:
        raise SystemExit

    for _ in range(3):
        pool.submit(fail)
        assert done_by(pool, lambda: 1).result(PATIENCE) == 1


def test_a_thread_that_cannot_be_started_is_told_once_and_loses_no_slot(
    pool_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = pool_of(2)

    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="can't start"):
            pool.submit(lambda: pytest.fail("it was refused"))
    let_go, begun = threading.Event(), threading.Event()
    first = done_by(pool, lambda: (begun.set(), let_go.wait(PATIENCE)))
    assert begun.wait(PATIENCE)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        second = done_by(pool, lambda: 2)
    let_go.set()
    assert second.result(PATIENCE) == 2
    assert first.done()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="platform: needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_starts_its_own_threads_whatever_those_of_its_parent_did(
    pool_of: Any,
) -> None:
    pool, let_go = pool_of(2), threading.Event()
    done_by(pool, lambda: 1).result(PATIENCE)
    busy = done_by(pool, lambda: let_go.wait(PATIENCE))
    with pool._lock:  # a lock that is held when the process forks stays so in the child
        child = os.fork()
        if child == 0:
            met = threading.Barrier(2, timeout=PATIENCE)
            found = [done_by(pool, met.wait) for _ in range(2)]
            os._exit(0 if wait_blocking(found, PATIENCE) else 1)
    let_go.set()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert busy.result(PATIENCE)


class Idle(list[Any]):
    """Idle threads; says when there is one."""

    def __init__(self) -> None:
        super().__init__()
        self.came = threading.Event()

    def append(self, hand: Any) -> None:
        super().append(hand)
        self.came.set()


def test_the_next_pool_has_the_threads_of_one_that_was_closed(
    pool_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    idle = Idle()
    monkeypatch.setattr(hands, "_idle", idle)
    monkeypatch.setattr(hands, "IDLE_SECONDS", PATIENCE)
    first, second = pool_of(1), pool_of(1)
    thread = done_by(first, threading.current_thread).result(PATIENCE)
    first.close()
    assert idle.came.wait(PATIENCE)
    monkeypatch.setattr(hands, "IDLE_SECONDS", 0.01)
    assert done_by(second, threading.current_thread).result(PATIENCE) is thread
