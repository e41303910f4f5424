"""Threads that do one thing after the other, for all loops and all pools of task runners."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context
from functools import partial
from queue import Empty, SimpleQueue

IDLE_SECONDS = 2.0  # after so long without work, one ends


class Hand:
    """A thread that is given work, or waits for some.

    A hop by anyio's `to_thread` costs twice as much: it goes round the loop once before, and looks
    after much that work without a scope of its own does without.
    """

    def __init__(self) -> None:
        self.given: SimpleQueue[tuple[Callable[[], object], Callable[[], object]]] = SimpleQueue()
        # on Pythons whose threads inherit the context: not that of who happens to come first
        run = partial(Context().run, self._run)
        threading.Thread(target=run, name="upshot-hand", daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                work, tell = self.given.get(timeout=IDLE_SECONDS)
            except Empty:
                try:
                    _idle.remove(self)
                except ValueError:
                    continue  # something was given to it just now
                return
            work()
            _idle.append(self)  # first: who is told may have more work for it
            with suppress(RuntimeError):  # the loop has ended, and with it who waits
                tell()
            del work, tell


_idle: list[Hand] = []

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_idle.clear)  # they are the parent's


def _nobody() -> None:
    """Told of an end that nobody waits for."""


def do(work: Callable[[], object], tell: Callable[[], object] = _nobody) -> None:
    """Have `work` done in a thread, and `tell` called there then.

    A thread whose work raises ends with that, and tells nobody.

    Raises:
        RuntimeError: if no thread is idle, and none can be started.
    """
    try:
        hand = _idle.pop()
    except IndexError:
        hand = Hand()
    hand.given.put((work, tell))
