"""Run stores and the life of a process: forks, the end of the interpreter, multiprocessing.

SQLite connections must not cross a fork, and a queue must be written by one side only. So before a
fork every store is flushed and let go of; both sides open it again at their next need, the child
with an empty queue.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading
from collections.abc import Iterable
from typing import Any
from weakref import WeakSet

from upshot.exceptions import RunStoreError
from upshot.runstore.base import RunStore

FORK_PATIENCE = 10.0  # seconds that a fork waits for other threads' transactions


_stores: WeakSet[RunStore] = WeakSet()
_lock = threading.Lock()
_forking: list[RunStore] = []
_multiprocessing_knows = False
_ending = False


def ending() -> bool:
    """Whether the interpreter ends: a thread that is started now may never run."""
    return _ending


def guard(store: RunStore) -> None:
    """Look after a store from now on; one that is looked after already is left as it is."""
    with _lock:
        _stores.add(store)
    _tell_multiprocessing()


def close_all() -> None:
    """Write what is queued anywhere, and close all stores; they open again when used again."""
    with _lock:
        stores = list(_stores)
    close_each(stores)


def close_each(stores: Iterable[RunStore]) -> None:
    """Close all these stores, and then raise what the last of those that failed raised."""
    problem: Exception | None = None
    for store in stores:
        try:
            store.close()
        except Exception as error:
            problem = error
    if problem is not None:
        raise problem


def _at_exit() -> None:
    global _ending
    _ending = True
    close_all()


def _tell_multiprocessing() -> None:
    """Have children of multiprocessing flush at their end: they end without `atexit`."""
    global _multiprocessing_knows
    util = sys.modules.get("multiprocessing.util")
    if util is not None and not _multiprocessing_knows:
        _multiprocessing_knows = True
        _close_at_end(util)
        util.register_after_fork(_close_at_end, lambda _: _close_at_end(util))


def _close_at_end(util: Any) -> None:
    util.Finalize(None, close_all, exitpriority=10)


def _before_fork() -> None:
    _tell_multiprocessing()
    _lock.acquire()
    for store in list(_stores):
        _forking.append(store)
        with contextlib.suppress(RunStoreError):
            store.before_fork()


def _after_fork(in_child: bool) -> None:
    for store in _forking:
        store.after_fork(in_child=in_child)
    _forking.clear()
    _lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=lambda: _after_fork(in_child=False),
        after_in_child=lambda: _after_fork(in_child=True),
    )
atexit.register(_at_exit)
