"""The slot of a pool that a thread holds, and gives away while it waits."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

Lend = Callable[[], AbstractContextManager[None]]


class _Slot(threading.local):
    lend: Lend | None = None


_slot = _Slot()


@contextmanager
def lendable(lend: Lend) -> Iterator[None]:
    """Say that this thread holds a slot of a pool, which `lend` gives away for a while."""
    _slot.lend = lend
    try:
        yield
    finally:
        _slot.lend = None


@contextmanager
def slot_passed_on() -> Iterator[Lend | None]:
    """Leave this thread without its slot in the block, in which another thread uses it."""
    lend, _slot.lend = _slot.lend, None
    try:
        yield lend
    finally:
        _slot.lend = lend


def lent() -> AbstractContextManager[None]:
    """Give away this thread's slot, if it has one, for as long as the block waits."""
    return nullcontext() if _slot.lend is None else _slot.lend()


def _start_over() -> None:
    """In a forked child there is no pool."""
    _slot.lend = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_over)
