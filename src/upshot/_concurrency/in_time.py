"""Calls that may take so long: broken off, cancelled or abandoned when they are late."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from contextvars import copy_context
from functools import partial
from typing import Any, TypeVar

import anyio

from upshot._concurrency.alarm import call_until_alarm, late_by, rings_here
from upshot._concurrency.attempt import Attempt, TimedOut, current
from upshot._concurrency.loops import thread_safe
from upshot._concurrency.slots import Lend, lendable, slot_passed_on
from upshot._concurrency.waiting import Completion, blocked_by, enter

T = TypeVar("T")


def call_in_time(call: Callable[[], T], seconds: float) -> T:
    """Call a sync function; a late one is broken off or, where that cannot be, abandoned.

    Raises:
        TimedOut: if it took longer than so many seconds.
    """
    return call_until_alarm(call, seconds) if rings_here() else _call_in_thread(call, seconds)


async def await_in_time(call: Callable[[], Awaitable[T]], seconds: float) -> T:
    """Await what an async function gives; a late one is cancelled.

    Raises:
        TimedOut: if it took longer than so many seconds.
    """
    attempt = Attempt(seconds)
    attempt.begin()
    token, scope = current.set(attempt), anyio.CancelScope(deadline=anyio.current_time() + seconds)
    problem: BaseException | None = None
    awaited = _scoped(scope, call)
    del call  # see `sync_driver.invoke`
    try:
        value = await awaited
    except BaseException as error:
        attempt.over = scope.cancel_called
        if not attempt.broke_off(error):
            raise
        problem = error
    else:
        if not scope.cancel_called and anyio.current_time() < scope.deadline:
            return value
    finally:
        with suppress(ValueError):  # a coroutine that is closed ends in a context of its own
            current.reset(token)
        attempt.finish()
    attempt.end()
    try:
        raise late_by(attempt, problem)
    finally:
        del problem  # else its traceback would hold a frame that holds it


async def await_while_wanted(call: Callable[[], Awaitable[T]]) -> T:
    """Await what an async function gives; it is cancelled when the attempt around it is over.

    Raises:
        OutOfTime: if that is so.
    """
    attempt = current.get()
    if attempt is None:
        awaitable = call()
        del call  # see `sync_driver.invoke`
        return await awaitable
    scope = anyio.CancelScope()
    cancel = thread_safe(scope.cancel)
    attempt.add(cancel)
    awaited = _scoped(scope, call)
    del call
    try:
        value = await awaited
    finally:
        attempt.remove(cancel)
    if scope.cancelled_caught:
        attempt.check()
    return value


async def _scoped(scope: anyio.CancelScope, call: Callable[[], Awaitable[T]]) -> T:
    closed: GeneratorExit | None = None
    value: Any = None
    try:
        with scope:
            try:
                awaitable = call()
                del call
                value = await awaitable
            except GeneratorExit as error:
                closed = error
                raise
    except BaseException:
        if closed is not None:  # a coroutine is closed outside of its task, which the scope minds
            raise closed from None
        raise
    result: T = value
    return result


def _call_in_thread(call: Callable[[], T], seconds: float) -> T:
    attempt = Attempt(seconds, abandons=True)
    attempt.begin()
    work = _Work(call, attempt)
    del call  # see `sync_driver.invoke`
    attempt.add(work.abandon)
    try:
        ended = threading.Event()
        work.done.add_done_callback(lambda _: ended.set())
        with slot_passed_on() as lend, blocked_by([work.done]):
            work.start(lend)
            ended.wait(min(seconds, threading.TIMEOUT_MAX))
        with attempt.lock:
            late = not work.done.done()
            attempt.over |= late
        if late:
            raise TimedOut(seconds)
        attempt.check()
    except BaseException:
        attempt.end()
        raise
    finally:
        attempt.finish()
        attempt.remove(work.abandon)  # it holds the arguments
    result: T = work.outcome()
    return result


class _Work:
    """A call in a thread that may be abandoned."""

    def __init__(self, call: Callable[[], Any], attempt: Attempt) -> None:
        self.done = Completion("a function with a timeout")
        self._call, self._attempt = call, attempt
        self._value: Any = None
        self._error: BaseException | None = None

    def start(self, lend: Lend | None) -> None:
        """Begin, in a copy of the context that this is called in."""
        run = partial(copy_context().run, self._do, lend)
        threading.Thread(target=run, name="upshot-timed", daemon=True).start()

    def _taken(self) -> Callable[[], Any]:
        call, self._call = self._call, _nothing
        return call

    def abandon(self) -> None:
        """Have nobody wait for it."""
        self._call = _nothing
        if not self.done.done():
            self.done.set_result(None)

    def outcome(self) -> Any:
        """What it gave."""
        value, self._value = self._value, None
        error, self._error = self._error, None
        try:
            if error is not None:
                raise error
            return value
        finally:
            del error  # else the traceback would hold a frame that holds the traceback

    def _do(self, lend: Lend | None) -> None:
        self.done.thread = threading.get_ident()
        enter(self.done)
        current.set(self._attempt)
        value, error = None, None
        with nullcontext() if lend is None else lendable(partial(self._lent, lend)):
            try:
                value = self._taken()()
            except BaseException as problem:
                error = problem
        with self._attempt.lock:
            if not self._attempt.over:
                self._value, self._error = value, error
                self.done.set_result(None)
        del value, error

    @contextmanager
    def _lent(self, lend: Lend) -> Iterator[None]:
        """Lend the slot of who waits for this; when this is abandoned, that one has it again."""
        loan = lend()
        give_back = partial(loan.__exit__, None, None, None)
        loan.__enter__()
        try:
            self._attempt.add(give_back)
        except BaseException:
            give_back()
            raise
        try:
            yield
        finally:
            if self._attempt.remove(give_back):
                give_back()


def _nothing() -> None:
    """What an abandoned call calls that had not begun."""
