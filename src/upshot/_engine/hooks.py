"""What is called when a run enters a state; whatever it does, the run's state stays."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from upshot._engine.effects import Invoke, Outcome, Steps
from upshot.records import Run, StateType
from upshot.states import State


@dataclass(frozen=True, slots=True)
class Hook:
    """A function of a run and the state that it has entered.

    Attributes:
        name: what it is called.
        call: calls it.
        awaits: whether `call` gives an awaitable.
    """

    name: str
    call: Callable[[Run, State[Any]], Any]
    awaits: bool


Hooks = Mapping[StateType, Sequence[Hook]]


def call_hooks(hooks: Hooks | None, run: Run, state: Callable[[], State[Any]]) -> Steps[None]:
    """Call the hooks of the state that a run is in now, in their order; log what they raise."""
    chosen = hooks.get(run.state_type) if hooks and run.state_type else None
    if not chosen:
        return
    entered = state()
    for hook in chosen:
        outcome: Outcome = yield _invoke(hook, run, entered)
        error = outcome.error or outcome.kept
        if isinstance(error, Exception):
            logging.getLogger(f"upshot.{run.kind.replace(' ', '_')}s").error(
                "The hook %r of %s %r, called on %s, has raised %s",
                hook.name,
                run.kind,
                run.name,
                entered.name,
                type(error).__name__,
                exc_info=error,
            )
        elif error is not None:
            raise error  # an interrupt is not the hook's


def _invoke(hook: Hook, run: Run, state: State[Any]) -> Invoke:
    call = partial(hook.call, run, state)
    if hook.awaits:
        return Invoke(call, _ignored, awaits=True, keep_blocks=False)
    # as the keeping of a value it is done in a thread where callers may not be blocked, and never
    # in another process, where what a hook changes would be lost
    return Invoke(_nothing, lambda _: _raised_by(call), awaits=True, keep_blocks=True)


def _raised_by(call: Callable[[], object]) -> BaseException | None:
    # data even of an interrupt: who keeps values waits for an answer
    try:
        call()
    except BaseException as error:
        return error
    return None


def _ignored(value: object) -> None:
    """What a hook returns is nothing to the run."""


class _Nothing:
    def __await__(self) -> Generator[Any, Any, None]:
        return
        yield


def _nothing() -> Awaitable[None]:
    return _Nothing()
