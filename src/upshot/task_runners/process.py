"""Worker processes, for work that keeps a processor busy."""

from __future__ import annotations

import os
import pickle
import threading
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from contextvars import Context, copy_context
from functools import partial
from typing import Any, ClassVar

import anyio
import cloudpickle

from upshot._bridge import in_thread
from upshot._concurrency.loops import thread_safe
from upshot._concurrency.waiting import given_up, interruptible, is_given_up_here
from upshot._engine.effects import Invoke, Outcome, kept
from upshot._engine.failures import text_of
from upshot.exceptions import InvalidOption, RunStoreError, UnserializableValue, WorkerDied
from upshot.settings import Settings, get_current_settings
from upshot.states import State
from upshot.task_runners._threads import ThreadPool
from upshot.task_runners._worker import Worker
from upshot.task_runners.abstract import StateCall, TaskConcurrencyType
from upshot.task_runners.base import Done, TaskRunner


class ProcessPoolTaskRunner(TaskRunner):
    """Calls sync functions in worker processes, and keeps their values there.

    Functions and arguments are pickled on the way, and so are values that are not persisted; of
    persisted ones only the reference comes back. All rows are written by this process, those of
    runs that are made in workers among them. Async functions are called on the loop of who
    submitted them. A worker that dies crashes the run whose function it called and those that go
    on in there, and no other; the next call has a new one. So it is with one whose function takes
    longer than its timeout: it is killed.

    Args:
        max_workers: how many processes; by default one for each processor.
    """

    closing_blocks: ClassVar[bool] = True

    def __init__(self, max_workers: int | None = None) -> None:
        if max_workers is not None and (type(max_workers) is not int or max_workers < 1):
            raise InvalidOption("max_workers", f"must be an int of 1 or more; got {max_workers!r}")
        self.max_workers = max_workers
        # each thread of it asks one worker and waits for the answer
        self._feeders = ThreadPool(max_workers or _processors())
        self._lock = threading.Lock()
        self._idle: list[Worker] = []
        self._busy: set[Worker] = set()
        self._closed = False
        self._settings: tuple[Settings, bytes] | None = None

    @property
    def concurrency_type(self) -> TaskConcurrencyType:
        """At the same time."""
        return TaskConcurrencyType.PARALLEL

    def options(self) -> dict[str, Any]:
        """What it was made with."""
        return {"max_workers": self.max_workers}

    def call(self, effect: Invoke, context: Context, done: Done) -> None:
        """Call a function in a worker process."""
        self._feeders.submit(partial(self._feed, effect, context, done))

    def keep(self, effect: Invoke, value: Any, context: Context, done: Done) -> None:
        """Keep a value in a thread of this process."""
        self._feeders.submit(lambda: done(context.run(kept, effect.keep, value)))

    def close(self) -> None:
        """End the workers; what they are doing then is broken off."""
        self._feeders.close()
        with self._lock:
            self._closed = True
            idle, busy = self._idle, list(self._busy)
            self._idle = []
        for worker in idle:
            worker.let_go()
        for worker in busy:
            worker.kill()
        for worker in (*idle, *busy):
            worker.wait()

    async def _states_by_hand(
        self, exit_stack: AsyncExitStack
    ) -> Callable[[StateCall], Awaitable[State[Any]]]:
        twin = self.duplicate()  # its processes end with the block, and there may be another
        exit_stack.push_async_callback(in_thread, twin.close)
        return partial(_state_in_worker, twin)

    def _feed(self, effect: Invoke, context: Context, done: Done) -> None:
        try:
            outcome = context.run(self._outcome, effect)
        except BaseException as error:
            outcome = Outcome(error=error, returned=False)
        done(outcome)  # when nobody is in the context any more: the run may go on in it at once

    def _outcome(self, effect: Invoke) -> Outcome:
        if is_given_up_here():
            raise given_up()
        try:
            return self._asked(effect)
        except WorkerDied:
            if is_given_up_here():
                raise given_up() from None
            raise

    def _asked(self, effect: Invoke) -> Outcome:
        work = self._pickled(effect)
        worker = self._taken()
        interruptible(worker.kill)
        if is_given_up_here():
            self._give_back(worker)
            raise given_up()
        try:
            answer = worker.ask(work, effect.timeout)
        except BaseException:
            with self._lock:
                self._busy.discard(worker)
            raise
        self._give_back(worker)
        outcome: Outcome = pickle.loads(answer)
        return outcome

    def _pickled(self, effect: Invoke) -> bytes:
        try:
            timed = effect.timeout is not None
            body = cloudpickle.dumps((effect.call, effect.keep, timed), protocol=5)
            return pickle.dumps((self._pickled_settings(), body), protocol=5)
        except RunStoreError:
            raise
        except Exception as error:
            problem = f"it cannot be sent to a worker process: {text_of(error)}"
            raise UnserializableValue("cloudpickle", "the task or an argument", problem) from error

    def _pickled_settings(self) -> bytes:
        settings, known = get_current_settings(), self._settings
        if known is None or known[0] is not settings:
            known = self._settings = settings, pickle.dumps(settings)
        return known[1]

    def _taken(self) -> Worker:
        with self._lock:
            if self._closed:
                raise WorkerDied("its flow run has ended")
            worker = self._idle.pop() if self._idle else Worker()
            self._busy.add(worker)
            return worker

    def _give_back(self, worker: Worker) -> None:
        with self._lock:
            self._busy.discard(worker)
            if not self._closed:
                self._idle.append(worker)
                return
        worker.let_go()


async def _state_in_worker(runner: ProcessPoolTaskRunner, call: StateCall) -> State[Any]:
    if getattr(call, "goes_on_here", False):
        return await call()  # of a flow: only its function goes to a worker
    outcomes: list[Outcome] = []
    done = anyio.Event()
    tell = thread_safe(done.set)

    def told(outcome: Outcome) -> None:
        outcomes.append(outcome)
        tell()

    effect = Invoke(partial(_awaited, call), _as_it_is, awaits=False, keep_blocks=True)
    runner.call(effect, copy_context(), told)
    await done.wait()
    (outcome,) = outcomes
    if outcome.error is not None:
        raise outcome.error
    state: State[Any] = outcome.kept
    return state


def _awaited(call: StateCall) -> State[Any]:
    async def main() -> State[Any]:
        return await call()

    return anyio.run(main)


def _as_it_is(value: Any) -> Any:
    return value


def _processors() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
