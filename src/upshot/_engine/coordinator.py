"""The coordinator: one thread that makes all submitted runs happen.

It takes each run as far as it goes: `Io` it does itself, `Sleep` and `Wait` cost an entry in a
table and no thread, and only `Invoke` leaves, for the runner that the run was submitted to. So no
slot of a runner is held while a run sleeps or waits for another.
"""

from __future__ import annotations

import atexit
import heapq
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass
from functools import partial
from itertools import count
from queue import Empty, SimpleQueue
from typing import Any, Protocol, TypeAlias

from upshot._concurrency.promise import when_all_done
from upshot._concurrency.waiting import Completion, enter, given_up, wait_blocking
from upshot._engine.clock import Clock, RealClock
from upshot._engine.effects import Effect, Host, Invoke, Io, Outcome, Sleep, Steps, Wait

END_PATIENCE = 5.0  # seconds that the end of the interpreter waits for the runs to be ended


class Runner(Protocol):
    """Where the functions of submitted runs are called."""

    def invoke(
        self, effect: Invoke, context: Context, host: Host, done: Callable[[Outcome], object]
    ) -> None:
        """Have the call made in `context`, an async one by `host`, and tell what came of it.

        Must not block.
        """


_Timer: TypeAlias = tuple[float, int, Callable[[], None]]


class _Closed(Exception):
    """The coordinator is wanted no longer."""


@dataclass(slots=True, eq=False)
class _Submitted:
    """A run on its way."""

    steps: Steps[Any]
    runner: Runner
    host: Host
    context: Context
    completion: Completion
    left: int = 0  # how often it was left to wait; what it no longer waits for is not heard
    rests: bool = False  # it waits, and its function is not being called


class Coordinator:
    """Steps submitted runs on a thread of its own, which starts with the first of them."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or RealClock()
        self._inbox: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._timers: list[_Timer] = []
        self._count = count()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._runs: dict[Completion, _Submitted] = {}

    def submit(
        self,
        steps: Steps[Any],
        *,
        runner: Runner,
        host: Host,
        context: Context,
        completion: Completion,
    ) -> None:
        """Make a run happen.

        Args:
            steps: what the run does; all of it is done in `context`.
            runner: where its function is called.
            host: on which loop, if it is async.
            context: must be entered by nobody else.
            completion: is given what the run comes to.
        """
        context.run(enter, completion)
        run = self._runs[completion] = _Submitted(steps, runner, host, context, completion)
        self._inbox.put(partial(self._step, run, steps.send, None))
        self._start()

    def tell_caught_up(self, tell: Callable[[], None]) -> None:
        """Have this called once all runs that were submitted before have got their turn."""
        if self._thread is None:
            tell()
        else:
            self._inbox.put(tell)

    def give_up(self, completions: Iterable[Completion]) -> None:
        """End runs for which nobody waits: now, or when the function that is called returns."""
        for completion in completions:
            completion.given_up = True
            self._inbox.put(partial(self._wake_given_up, completion))

    def end(self, completions: Sequence[Completion]) -> None:
        """Give up runs, and wait for the end of those whose functions can be broken off."""
        self.give_up(completions)
        if threading.current_thread() is self._thread or self._thread is None:
            return
        broken_off: list[Completion] = []
        self._tell(lambda: broken_off.extend(run for run in completions if run.interrupt))
        with suppress(RuntimeError):  # they would need this thread
            wait_blocking(broken_off)

    def abandon(self) -> None:
        """End all runs as they are: the process ends, and with it what they do."""
        if self._runs and self._thread is not None and self._thread.is_alive():
            self._tell(self._abandon, END_PATIENCE)

    def close(self) -> None:
        """End the thread; runs that have not ended never will."""

        def end() -> None:
            raise _Closed

        self._inbox.put(end)
        if self._thread is not None:
            self._thread.join()

    def _tell(self, do: Callable[[], object], patience: float | None = None) -> None:
        """Have something done on the thread, between two steps, and wait for that."""
        done = threading.Event()

        def do_it() -> None:
            try:
                do()
            finally:
                done.set()

        self._inbox.put(do_it)
        done.wait(patience)

    def _start(self) -> None:
        if self._thread is not None:
            return
        with self._lock:
            if self._thread is None:
                _end_at_exit()
                self._thread = threading.Thread(
                    target=self._serve, name="upshot-coordinator", daemon=True
                )
                self._thread.start()

    def _serve(self) -> None:
        with suppress(_Closed):
            while True:
                until = self._timers[0][0] if self._timers else None
                try:
                    go_on = self._clock.next(self._inbox, until)
                except Empty:
                    go_on = heapq.heappop(self._timers)[2]
                go_on()
                del go_on  # it holds a run

    def _step(self, run: _Submitted, resume: Callable[[Any], Effect], reply: Any) -> None:
        """Take a run as far as it goes without waiting."""
        while True:
            try:
                effect = run.context.run(resume, reply)
            except StopIteration as stop:
                self._end(run, partial(run.completion.set_result, stop.value))
                return
            except BaseException as error:
                self._end(run, partial(run.completion.set_exception, error))
                return
            resume = run.steps.send
            try:
                if isinstance(effect, Io):
                    reply = run.context.run(effect.call)
                    continue
                if run.completion.given_up:
                    raise given_up()
                self._leave(run, effect)
                return
            except BaseException as error:
                resume, reply = run.steps.throw, error

    def _end(self, run: _Submitted, tell: Callable[[], None]) -> None:
        del self._runs[run.completion]
        tell()

    def _wake_given_up(self, completion: Completion) -> None:
        run = self._runs.get(completion)
        if run is not None and run.rests:
            self._go_on(run, run.left, run.steps.throw, given_up())
        elif completion.interrupt is not None:
            completion.interrupt()

    def _abandon(self) -> None:
        for run in list(self._runs.values()):
            run.context = run.context.copy()  # its function may still be in the other one
            error = given_up("the process ended before the run did")
            self._go_on(run, run.left, run.steps.throw, error)

    def _go_on(
        self, run: _Submitted, left: int, resume: Callable[[Any], Effect], reply: Any
    ) -> None:
        if run.left == left:
            run.left += 1
            run.rests = False
            run.completion.interrupt = None
            self._step(run, resume, reply)

    def _leave(self, run: _Submitted, effect: Invoke | Sleep | Wait) -> None:
        go_on = partial(self._go_on, run, run.left, run.steps.send)
        run.rests = not isinstance(effect, Invoke)
        if isinstance(effect, Invoke):
            run.runner.invoke(
                effect,
                run.context,
                run.host,
                lambda outcome: self._inbox.put(partial(go_on, outcome)),
            )
        elif isinstance(effect, Sleep):
            timer: _Timer = (
                self._clock.after(effect.seconds),
                next(self._count),
                partial(go_on, None),
            )
            heapq.heappush(self._timers, timer)
        elif isinstance(effect, Wait):
            when_all_done(effect.on, lambda: self._inbox.put(partial(go_on, None)))


_coordinator = Coordinator()


def coordinator() -> Coordinator:
    """The coordinator of this process."""
    return _coordinator


_ends_at_exit = False


def _end_at_exit() -> None:
    """Have the runs ended at exit; not told on import, so as to come before stores are closed."""
    global _ends_at_exit
    if not _ends_at_exit:
        _ends_at_exit = True
        atexit.register(lambda: _coordinator.abandon())


def _start_over() -> None:
    """In a forked child there is no thread, and no run of the parent's to make happen."""
    global _coordinator
    _coordinator = Coordinator()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_over)
