"""A pool of threads whose slots are free again while who holds one waits."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from queue import Empty, SimpleQueue
from typing import NamedTuple, TypeAlias
from weakref import WeakSet

from upshot._concurrency import hands
from upshot._concurrency.slots import lendable

IDLE_SECONDS = 5.0


class Call(NamedTuple):
    """A call to be made.

    Attributes:
        make: makes it; must not raise.
        few: whether no more than a few like it are to go on at a time.
        number: they are made in this order, but for these.
    """

    make: Callable[[], object]
    few: bool
    number: int


# where a thread that has nothing to do gets its next call; None is the end
Seat: TypeAlias = "SimpleQueue[Call | None]"


class ThreadPool:
    """Calls functions in threads, no more than `slots` of them at a time.

    A thread that waits for another run lends its slot, so that waiting cannot use up the pool;
    when it goes on, there may be one more at work than slots for a moment. Threads that have
    nothing to do end.

    Args:
        slots: how many calls go on at a time, not counting those that wait.
        few: how many of those that are said to be few; by default as many as of all.
    """

    def __init__(self, slots: int, few: int | None = None) -> None:
        self._slots = slots
        self._most_few = slots if few is None else few
        self._start_over()
        _pools.add(self)

    def _start_over(self) -> None:
        self._busy = self._busy_few = 0
        self._closed = False
        self._idle: list[Seat] = []
        self._queue: deque[Call] = deque()
        self._few: deque[Call] = deque()
        self._count = count()
        self._lock = threading.Lock()

    def submit(self, make: Callable[[], object], *, few: bool = False) -> None:
        """Have a call made as soon as a slot is free; it must not raise.

        Args:
            make: makes the call.
            few: whether it is one of those of which only a few go on at a time.

        Raises:
            RuntimeError: if there is no thread that could make it, and none can be started.
        """
        with self._lock:
            call = Call(make, few, next(self._count))
            queue = self._few if few else self._queue
            queue.append(call)
            try:
                self._fill_slots()
            except RuntimeError:
                if self._busy:
                    return  # who is at work comes to it
                queue.remove(call)
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
        while self._busy < self._slots and (queue := self._waiting()):
            seat = self._idle.pop() if self._idle else self._new_seat()
            seat.put(self._taken(queue))
            self._busy += 1

    def _waiting(self) -> deque[Call] | None:
        """Where the next call is that may be made now."""
        if not self._few or self._busy_few >= self._most_few:
            return self._queue or None
        if self._queue and self._queue[0].number < self._few[0].number:
            return self._queue
        return self._few

    def _taken(self, queue: deque[Call]) -> Call:
        self._busy_few += queue is self._few
        return queue.popleft()

    def _new_seat(self) -> Seat:
        seat: Seat = SimpleQueue()
        # by threads that may have worked for a pool before: each flow run has one of its own
        hands.do(partial(self._work, seat))
        return seat

    def _work(self, seat: Seat) -> None:
        """What a thread does. It is counted as busy when it starts."""
        few = False
        try:
            with lendable(lambda: self._lent(few)):
                call = seat.get()
                while call is not None:
                    few = call.few
                    call.make()
                    call = None  # nothing of it is kept while the next one is waited for
                    call = self._next(seat, few)
        except BaseException:
            with self._lock:
                self._busy -= 1
                self._busy_few -= few
                self._fill_slots()
            raise

    def _next(self, seat: Seat, few: bool) -> Call | None:
        with self._lock:
            self._busy_few -= few
            if self._busy <= self._slots and (queue := self._waiting()):
                return self._taken(queue)
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
    def _lent(self, few: bool) -> Iterator[None]:
        with self._lock:
            self._busy -= 1
            self._busy_few -= few
            self._fill_slots()
        try:
            yield
        finally:
            with self._lock:
                self._busy += 1
                self._busy_few += few


_pools: WeakSet[ThreadPool] = WeakSet()


def _forget() -> None:
    """In a forked child there are no threads, and a lock may be held for ever."""
    for pool in list(_pools):
        pool._start_over()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
