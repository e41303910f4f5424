"""Python's garbage collector, while there come to be many runs that stay.

It goes through all objects again whenever a quarter more of them got old. While a map begins a
hundred thousand runs, whose futures its caller is to have, it would find the same runs twenty times
over, and that would cost more than half of what they do.
"""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

RARER = 30  # times
_USUAL = {(700, 10, 10), (2000, 10, 10)}  # what CPython begins with, before 3.13 and since

_lock = threading.Lock()
_blocks = 0  # that are open, of all threads
_before: tuple[int, int, int] | None = None  # what was set then, if it was changed


@contextmanager
def full_collections_rarer() -> Iterator[None]:
    """Have the collector look at all objects a thirtieth as often, while the block lasts.

    At the young ones it looks as often as ever. Nothing is changed where a program has said itself
    how often, nor put back where it does so meanwhile.
    """
    _open()
    try:
        yield
    finally:
        _close()


def _open() -> None:
    global _blocks, _before
    with _lock:
        _blocks += 1
        now = gc.get_threshold()
        if _blocks == 1 and now in _USUAL:
            _before = now
            gc.set_threshold(*_rarer(now))


def _close() -> None:
    global _blocks, _before
    with _lock:
        _blocks = max(_blocks - 1, 0)
        if _blocks == 0 and _before is not None:
            if gc.get_threshold() == _rarer(_before):
                gc.set_threshold(*_before)
            _before = None


def _rarer(thresholds: tuple[int, int, int]) -> tuple[int, int, int]:
    young, middle, old = thresholds
    return young, middle, old * RARER


def _start_over() -> None:
    """In a forked child nobody comes to the end of a block that another thread had open."""
    global _lock, _blocks
    _lock, _blocks = threading.Lock(), 1
    _close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_over)
