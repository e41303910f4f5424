"""Runs that go on inside of an attempt whose thread may be abandoned."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar, cast

from upshot._concurrency.attempt import Attempt, current
from upshot._engine.effects import Effect, Invoke, Steps

T = TypeVar("T")


class Abandoned(GeneratorExit):
    """Ends a run of which no further step is taken: nobody waits for what it goes on in."""


def guarded(steps: Steps[T]) -> Steps[T]:
    """The same steps; if the attempt around may be abandoned, they end when it is over.

    Who ends the attempt takes them over then, and the run has crashed; the thread in which they
    went on comes too late to take another.
    """
    attempt = current.get()
    if attempt is None or not attempt.abandons:
        return steps
    return cast("Steps[T]", _Guarded(steps, attempt))


class _Guarded:
    def __init__(self, steps: Steps[Any], attempt: Attempt) -> None:
        self._steps, self._attempt = steps, attempt
        attempt.add(self._take_over)

    def send(self, reply: Any) -> Effect:
        return self._step(self._steps.send, reply)

    def throw(self, error: BaseException) -> Effect:
        return self._step(self._steps.throw, error)

    def close(self) -> None:
        if self._attempt.remove(self._take_over):
            self._steps.close()

    def _step(self, step: Callable[[Any], Effect], reply: Any) -> Effect:
        # what a step does is short; no step is taken once the attempt is over, nor is it over
        # while one is taken
        with self._attempt.lock:
            self._attempt.check()
            try:
                effect = step(reply)
            except BaseException:
                self._attempt.remove(self._take_over)
                raise
        if isinstance(effect, Invoke):
            effect.keep = partial(self._keep, effect.keep)
        return effect

    def _keep(self, keep: Callable[[Any], Any], value: Any) -> Any:
        self._attempt.check()
        return keep(value)

    def _take_over(self) -> None:
        # its own end, without a wait: as for a generator that is closed
        with suppress(GeneratorExit):
            self._steps.throw(Abandoned(str(self._attempt.out_of_time())))
