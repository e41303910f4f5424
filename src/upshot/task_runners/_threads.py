"""A pool of threads whose slots are free again while who holds one waits."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import TypeAlias
from weakref import WeakSet

from upshot._slots import lendable

IDLE_SECONDS = 5.0

Call = Callable[[], object]
# where a thread that has nothing to do gets its next call; None is the end
Seat: TypeAlias = "SimpleQueue[Call | None]"


class ThreadPool:
    """Calls functions in threads, no more than `slots` of them at a time.

    A thread that waits for another run lends its slot, so that waiting cannot use up the pool;
    when it goes on, there may be one more at work than slots for a moment. Threads that have
    nothing to do end.

    Args:
        slots: how many calls go on at a time, not counting those that wait.
    """

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._start_over()
        _pools.add(self)

    def _start_over(self) -> None:
        self._busy = 0
        self._closed = False
        self._idle: list[Seat] = []
        self._queue: deque[Call] = deque()
        self._lock = threading.Lock()

    def submit(self, call: Call) -> None:
        """Have `call` made as soon as a slot is free; it must not raise.

        Raises:
            RuntimeError: if there is no thread that could make it, and none can be started.
        """
        with self._lock:
            self._queue.append(call)
            try:
                self._fill_slots()
            except RuntimeError:
                if self._busy:
                    return  # who is at work comes to it
                self._queue.remove(call)
                raise

    def close(self) -> None:
        """End the threads that have nothing to do, and each of the others after its call."""
        with self._lock:
            self._closed = True
            while self._idle:
                self._idle.pop().put(None)

    def _fill_slots(self) -> None:
        # a call is handed to a certain thread: were threads only woken to look for one, two
        # calls could wake the same
        while self._queue and self._busy < self._slots:
            seat = self._idle.pop() if self._idle else self._new_seat()
            seat.put(self._queue.popleft())
            self._busy += 1

    def _new_seat(self) -> Seat:
        seat: Seat = SimpleQueue()
        threading.Thread(target=self._work, args=(seat,), name="upshot-worker", daemon=True).start()
        return seat

    def _work(self, seat: Seat) -> None:
        """What a thread does. It is counted as busy when it starts."""
        try:
            with lendable(self._lent):
                call = seat.get()
                while call is not None:
                    call()
                    call = None  # nothing of it is kept while the next one is waited for
                    call = self._next(seat)
        except BaseException:
            with self._lock:
                self._busy -= 1
                self._fill_slots()
            raise

    def _next(self, seat: Seat) -> Call | None:
        with self._lock:
            if self._queue and self._busy <= self._slots:
                return self._queue.popleft()
            self._busy -= 1
            if self._closed:
                return None
            self._idle.append(seat)
        try:
            return seat.get(timeout=IDLE_SECONDS)
        except Empty:
            with self._lock:
                if seat in self._idle:
                    self._idle.remove(seat)
                    return None
            return seat.get()

    @contextmanager
    def _lent(self) -> Iterator[None]:
        with self._lock:
            self._busy -= 1
            self._fill_slots()
        try:
            yield
        finally:
            with self._lock:
                self._busy += 1


_pools: WeakSet[ThreadPool] = WeakSet()


def _forget() -> None:
    """In a forked child there are no threads, and a lock may be held for ever."""
    for pool in list(_pools):
        pool._start_over()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
