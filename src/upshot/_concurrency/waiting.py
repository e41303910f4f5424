"""Waiting for what other threads do: without holding a slot, and without blocking a loop."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any

import anyio

from upshot._concurrency.circles import begin_elsewhere, moved, stuck
from upshot._concurrency.loops import thread_safe
from upshot._concurrency.promise import Promise, telling_when_all_done
from upshot._concurrency.slots import lent
from upshot._later import asyncio
from upshot.exceptions import RunElsewhere, WouldBlockLoop


class Completion(Promise):
    """A run that goes on elsewhere.

    Attributes:
        name: the run's name.
        thread: without which it cannot end now: where its function is being called, or whose
            loop is to call it.
        given_up: nobody waits for it any more, so it need not go on.
        interrupt: breaks off its function where that is being called now; None if nobody can.
        begun: whether its function is being called.
        movable, moved: whether that can be called without the loop of `thread`, and is.
        asked: what begins it elsewhere; empty or None if the loop has come to it first.
    """

    __slots__ = (
        *("_after", "_awaited", "forks", "given_up", "interrupt", "name", "thread"),
        *("asked", "begun", "movable", "moved"),
    )

    def __init__(
        self,
        name: str,
        after: Sequence[Completion] = (),
        loop_thread: int | None = None,
        *,
        movable: bool = False,
    ) -> None:
        super().__init__()
        self.name = name
        self.thread, self.movable = loop_thread, movable
        self.begun = self.moved = False
        self.asked: list[Callable[[], object]] | None = None
        self.given_up = False
        self.interrupt: Callable[[], object] | None = None
        self.forks = _forks
        self._after = tuple(one for one in after if not one.done()) if after else ()
        self._awaited: dict[object, Sequence[Completion]] | None = None
        if self._after:
            self.add_done_callback(Completion._came_after)

    def _came_after(self) -> None:
        self._after = ()

    def end_in(self, timeout: float | None) -> Any:
        """How it ended, waited for; None if it has not in so many seconds.

        Raises:
            WouldBlockLoop: if it could not end while this thread is blocked.
        """
        return self.result() if self.done() or wait_blocking([self], timeout) else None

    async def aend_in(self, timeout: float | None) -> Any:
        """As `end_in`, without blocking the loop."""
        if not self.done():
            with anyio.move_on_after(timeout):
                await wait_async([self])
        return self.result() if self.done() else None

    def is_of_parent(self) -> bool:
        """Whether it goes on in the process that this one was forked from, if it does."""
        return self.forks != _forks

    def awaited(self) -> list[Completion]:
        """The runs that must end before this one can."""
        found = list(self._after)
        for more in (self._awaited or {}).values():
            found += more
        return found

    def needs_loop_of(self, thread: int) -> bool:
        """Whether this run, or one that it waits for, can end only if that thread goes on."""
        with _graph:
            return stuck([self], _blocked, thread=thread) is not None


# guards the two tables of who waits for what; when both may change, in one step with the look at
# them, the wait that would close a circle is the one that is refused
_graph = threading.Lock()
_blocked: dict[int, Sequence[Completion]] = {}
_forks = 0  # how many forks lie between this process and the first one that was upshot's
# the run, or the work for a blocked caller, whose async function goes on here
_inside: ContextVar[Completion | None] = ContextVar("upshot_inside", default=None)


def enter(completion: Completion) -> None:
    """Say that what goes on in this context from now on is this run."""
    _inside.set(completion)


def run_here() -> Completion | None:
    """The run, or the work for a blocked caller, whose function goes on in this context."""
    return _inside.get()


def given_up(why: str = "the flow run that submitted it was interrupted") -> BaseException:
    """What ends a run that was given up."""
    return asyncio.CancelledError(why)


def is_given_up_here() -> bool:
    """Whether nobody waits for the run of this context any more."""
    run = _inside.get()
    return run is not None and run.given_up


def interruptible(how: Callable[[], object]) -> None:
    """Say how the function of this context's run is broken off from now until it ends."""
    run = _inside.get()
    if run is not None:
        run.interrupt = how


def bind_here() -> Callable[[], None]:
    """Say that the run of this context needs this thread, until what is returned is called."""
    run = _inside.get()
    if run is None:
        return lambda: None
    before, run.thread, run.begun = run.thread, threading.get_ident(), True
    return partial(_unbind, run, before)


def _unbind(run: Completion, before: int | None) -> None:
    run.thread, run.begun = before, False


def _check_process(completions: Sequence[Completion]) -> None:
    for completion in completions:
        if completion.forks != _forks and not completion.done():
            raise RunElsewhere(completion.name)


@contextmanager
def blocked_by(completions: Sequence[Completion]) -> Iterator[None]:
    """Block this thread in the block, which waits for these runs; it holds no slot meanwhile.

    Async functions that have not begun on a loop which is blocked are called elsewhere.

    Raises:
        RunElsewhere: if one of them goes on in the process that this one was forked from.
        WouldBlockLoop: if one of them could not end while this thread is blocked.
    """
    _check_process(completions)
    here = threading.get_ident()
    with _graph:
        off: list[Completion] | None = []
        if (name := stuck(completions, _blocked, thread=here)) is not None:
            off = moved(completions, _blocked, here)
            if off is None:
                raise WouldBlockLoop(name)
        before = _blocked.get(here, ())  # a signal's handler may wait inside of a wait
        _blocked[here] = completions
    try:
        for run in off or ():
            begin_elsewhere(run.asked)
        with lent():
            yield
    finally:
        with _graph:
            _blocked[here] = before
            if not before:
                del _blocked[here]


def wait_blocking(completions: Sequence[Completion], timeout: float | None = None) -> bool:
    """Block until all runs have ended, as `blocked_by` says; False if not in `timeout` seconds.

    Raises:
        WouldBlockLoop: if one of them could not end while this thread is blocked.
    """
    pending = [completion for completion in completions if not completion.done()]
    if not pending:
        return True
    done = threading.Event()
    with blocked_by(pending), telling_when_all_done(pending, done.set):
        return done.wait(None if timeout is None else min(timeout, threading.TIMEOUT_MAX))


async def wait_async(completions: Sequence[Completion]) -> None:
    """Wait until all runs have ended, without blocking the loop.

    Raises:
        WouldBlockLoop: if one of them waits for what goes on here.
    """
    pending = [completion for completion in completions if not completion.done()]
    if not pending:
        return
    done = anyio.Event()
    with awaiting(pending), telling_when_all_done(pending, thread_safe(done.set)):
        await done.wait()


@contextmanager
def awaiting(completions: Sequence[Completion]) -> Iterator[None]:
    """Say that the async function that goes on here waits in the block for these runs.

    Raises:
        RunElsewhere: if one of them goes on in the process that this one was forked from.
        WouldBlockLoop: if one of them waits for what goes on here.
    """
    _check_process(completions)
    inside, token = _inside.get(), object()
    if inside is None:
        yield
        return
    with _graph:
        name = stuck(completions, _blocked, inside=inside)
        if name is not None:
            raise WouldBlockLoop(name)
        if inside._awaited is None:
            inside._awaited = {}
        inside._awaited[token] = completions
    try:
        yield
    finally:
        with _graph:
            del inside._awaited[token]


def _start_over() -> None:
    """In a forked child nobody else waits, and a lock may be held for ever."""
    global _graph, _forks
    _graph = threading.Lock()
    _forks += 1
    _blocked.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_over)
