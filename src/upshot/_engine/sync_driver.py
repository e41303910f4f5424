"""The sync driver: makes a run happen with plain calls, on the caller's thread, without a loop."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from upshot._concurrency.in_time import call_in_time
from upshot._concurrency.waiting import wait_blocking
from upshot._engine.effects import Effect, Invoke, Io, Outcome, Sleep, Steps, Wait, kept
from upshot._engine.guard import guarded

T = TypeVar("T")


def drive(steps: Steps[T], sleep: Callable[[float], object] = time.sleep) -> T:
    """Make each step happen, and return what the run comes to."""
    steps = guarded(steps)
    resume: Callable[[Any], Effect] = steps.send
    reply: Any = None
    try:
        while True:
            effect = resume(reply)
            resume = steps.send
            try:
                if isinstance(effect, Invoke):
                    reply = invoke(effect)
                elif isinstance(effect, Io):
                    reply = effect.call()
                elif isinstance(effect, Sleep):
                    reply = sleep(effect.seconds)
                elif isinstance(effect, Wait):
                    reply = wait_blocking(effect.on)
            except BaseException as error:
                # the run decides what an error of ours, or an interrupt, means for it
                reply, resume = error, steps.throw
    except StopIteration as stop:
        end: T = stop.value
        return end
    finally:
        steps.close()  # an interrupt may have come between two steps: the run is told at once
        effect = reply = resume = None  # type: ignore[assignment]  # see `invoke`


def invoke(effect: Invoke) -> Outcome:
    """Call the user's function and keep its value.

    As everywhere below a user's function, no variable is left that holds arguments or the error:
    an exception holds the frames in which it was raised, and these hold the frames below them.
    """
    try:
        if effect.timeout is None:
            value = effect.call()
        else:
            value = call_in_time(effect.call, effect.timeout)
    except BaseException as error:
        del effect
        return Outcome(error=error, returned=False)
    return kept(effect.keep, value)
