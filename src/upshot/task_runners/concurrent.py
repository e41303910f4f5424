"""The default: sync functions in threads, async ones on the loop of who submitted them."""

from __future__ import annotations

import os
from contextvars import Context
from functools import partial
from typing import Any

from upshot._concurrency.waiting import bind_here, given_up, is_given_up_here
from upshot._engine.effects import Invoke, Outcome, kept
from upshot._engine.sync_driver import invoke
from upshot._frames import clear_frames
from upshot.exceptions import InvalidOption
from upshot.task_runners._gate import gate
from upshot.task_runners._threads import ThreadPool
from upshot.task_runners.base import Done, TaskRunner

DEFAULT_WORKERS = 32
# of functions whose values are too large to be kept: each thread holds one, and memory of its own
FEW_WORKERS = min(8, (os.cpu_count() or 1) + 4)


class ConcurrentTaskRunner(TaskRunner):
    """Calls sync functions in threads.

    Args:
        max_workers: how many at a time; a function that waits for another run is not counted. Of
            tasks with `cache_result_in_memory=False`, `FEW_WORKERS` at the most.
    """

    def __init__(self, max_workers: int = DEFAULT_WORKERS) -> None:
        if type(max_workers) is not int or max_workers < 1:
            raise InvalidOption("max_workers", f"must be an int of 1 or more; got {max_workers!r}")
        self.max_workers = max_workers
        self._pool = ThreadPool(max_workers, FEW_WORKERS)

    def options(self) -> dict[str, Any]:
        """What it was made with."""
        return {"max_workers": self.max_workers}

    def call(self, effect: Invoke, context: Context, done: Done) -> None:
        """Call a function in a thread."""
        self._pool.submit(partial(_call, effect, context, done), few=effect.few)

    def keep(self, effect: Invoke, value: Any, context: Context, done: Done) -> None:
        """Keep a value in a thread."""
        self._pool.submit(partial(_keep, effect, value, context, done))

    def close(self) -> None:
        """End the threads, each after what it does."""
        self._pool.close()


def _call(effect: Invoke, context: Context, done: Done) -> None:
    # told when nobody is in the context any more: the run may go on in it at once
    outcome = context.run(_invoked_here, effect)
    del effect  # see `sync_driver.invoke`
    if isinstance(outcome.error, Exception):
        # here, for the run comes to it only when it is its turn; a future alone will keep it
        clear_frames(outcome.error)
    try:
        done(outcome)
    finally:
        del outcome


def _invoked_here(effect: Invoke) -> Outcome:
    if is_given_up_here():
        return Outcome(error=given_up(), returned=False)
    if effect.keep_blocks:
        gate().wait()
        keep = partial(gate().counted, effect.keep)
        effect = Invoke(effect.call, keep, False, True, timeout=effect.timeout)
    unbind = bind_here()
    try:
        return invoke(effect)
    finally:
        unbind()
        if effect.keep_blocks:
            gate().pass_on()
        del effect, unbind


def _keep(effect: Invoke, value: Any, context: Context, done: Done) -> None:
    done(context.run(kept, effect.keep, value))
