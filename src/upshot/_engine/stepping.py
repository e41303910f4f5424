"""Steps of a run that are taken one after the other where nothing has to be waited for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from upshot._engine.effects import Effect, Io, Steps


@dataclass(slots=True)
class End:
    """A run that takes no further step."""

    value: Any = None
    error: BaseException | None = None


def step(take: Callable[[Any], Effect], reply: Any) -> Effect | End:
    """Where a run comes to with a reply."""
    try:
        return take(reply)
    except StopIteration as stop:
        return End(value=stop.value)
    except BaseException as error:
        return End(error=error)


def answer(steps: Steps[Any], call: Callable[[], Any]) -> Effect | End:
    """Make a call that a run asks for, and go on to where it comes to then."""
    try:
        reply = call()
    except BaseException as error:
        return step(steps.throw, error)
    return step(steps.send, reply)


def through_io(steps: Steps[Any], call: Callable[[], Any]) -> Effect | End:
    """Make this call and those that the run asks for next, until it is to wait or has ended."""
    at = answer(steps, call)
    while isinstance(at, Io):
        at = answer(steps, at.call)
    return at
