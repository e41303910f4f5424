"""What ends later, with a value or an error, and then tells those who want to know."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any, TypeAlias

_log = logging.getLogger("upshot.engine")

Told: TypeAlias = Callable[[Any], object]

# guards who is told of what; one for all, for it is held for a moment only, and a lock of its own
# would be a third of what each costs. A signal's handler may come to it inside of itself
_telling = threading.RLock()


class EndedBefore(RuntimeError):
    """What has ended cannot end once more."""


class Promise:
    """As much of a `concurrent.futures.Future` as runs need, in a tenth of its memory.

    There is one for each submitted run, and it stays for as long as the run's future.
    """

    __slots__ = ("__weakref__", "_error", "_tells", "_value")

    def __init__(self) -> None:
        self._value: Any = None
        self._error: BaseException | None = None
        self._tells: tuple[Told, ...] | None = ()  # None once it has ended

    def done(self) -> bool:
        """Whether it has ended."""
        return self._tells is None

    def result(self, timeout: float | None = None) -> Any:
        """The value that it ends with, waited for; raises its error.

        Raises:
            TimeoutError: if it has not ended in so many seconds.
        """
        if self._tells is not None:
            ended = threading.Event()
            with telling_when_all_done([self], ended.set):
                if not ended.wait(timeout):
                    raise TimeoutError
        if self._error is None:
            return self._value
        try:
            raise self._error
        finally:
            del self  # else the traceback would hold a frame that holds the error

    def set_result(self, value: Any) -> None:
        """End it with a value.

        Raises:
            EndedBefore: if it has ended.
        """
        self._end(value, None)

    def set_exception(self, error: BaseException) -> None:
        """End it with an error; as `set_result`."""
        self._end(None, error)

    def _end(self, value: Any, error: BaseException | None) -> None:
        with _telling:
            tells = self._tells
            if tells is None:
                raise EndedBefore
            self._value, self._error = value, error
            self._tells = None
        for tell in tells:
            self._tell(tell)

    def add_done_callback(self, tell: Told) -> None:
        """Have this called with it once it has ended: on the thread that ends it, or now."""
        with _telling:
            if self._tells is not None:
                self._tells += (tell,)
                return
        self._tell(tell)

    def remove_done_callback(self, tell: Told) -> None:
        """Have this not called any more."""
        with _telling:
            if self._tells is not None:
                self._tells = tuple(one for one in self._tells if one != tell)

    def _tell(self, tell: Told) -> None:
        try:
            tell(self)
        except Exception:  # what others are told does not depend on it
            _log.exception("%r could not be told of an end", tell)


def when_all_done(
    completions: Sequence[Promise], tell: Callable[[], object]
) -> Callable[[Any], object]:
    """Call `tell` once, from whatever thread, when all of them have ended; now if they have.

    Returns:
        What each of them tells its end.
    """
    left = count(len(completions) - 1, -1)
    lock = threading.Lock()

    def one_done(_: Promise) -> None:
        with lock:
            last = next(left) == 0
        if last:
            tell()

    if not completions:
        tell()
    for completion in completions:
        completion.add_done_callback(one_done)
    return one_done


@contextmanager
def telling_when_all_done(
    completions: Sequence[Promise], tell: Callable[[], object]
) -> Iterator[None]:
    """As `when_all_done`, for as long as the block lasts."""
    one_done = when_all_done(completions, tell)
    try:
        yield
    finally:
        for completion in completions:
            completion.remove_done_callback(one_done)


def _start_over() -> None:
    """In a forked child the lock may be held by a thread that is not there."""
    global _telling
    _telling = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_over)
