"""From a state to its exception, and from values and exceptions to states."""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

from upshot import _registry
from upshot._bridge import compatible, in_thread
from upshot.states.failures import ENDED_BADLY, exception_of
from upshot.states.makers import Crashed, Failed
from upshot.states.model import State

_INTERRUPTS = {
    "CancelledError": "was cancelled by the runtime environment",
    "KeyboardInterrupt": "was aborted by an interrupt",
    "SystemExit": "was aborted by a system exit call",
    "TerminationSignal": "was aborted by a termination signal",
}


@compatible
def get_state_exception(state: State[Any]) -> Any:
    """The exception that a failed, crashed or cancelled state stands for.

    Raises:
        ValueError: if the state is none of these, or holds states of which none is.
        TypeError: if its data stands for no exception.
    """
    return exception_of(state)


async def _araise(state: State[Any]) -> None:
    if state.type in ENDED_BADLY:
        raise await in_thread(lambda: exception_of(state))


@compatible(aio=_araise)
def raise_state_exception(state: State[Any]) -> Any:
    """Raise what a failed, crashed or cancelled state stands for; any other is left alone.

    Raises:
        ValueError: if its data are states that did not fail.
        TypeError: if its data stands for no exception.
    """
    if state.type in ENDED_BADLY:
        raise exception_of(state)


@compatible
def return_value_to_state(value: Any, result_factory: Any) -> Any:
    """The state in which a run ends that returned `value`.

    A state that was made by hand is that state, and its data becomes a result. States of runs,
    alone or in a list, tuple or set, are summed up. Anything else is the data of a completed one.

    Args:
        value: what was returned.
        result_factory: a `ResultFactory`, which makes results of values.
    """
    conclude = _registry.load("room", "conclusion")
    return conclude(value, result_factory)


def _failed(error: BaseException | None, result_factory: Any, **fields: Any) -> State[Any]:
    if error is None:
        raise ValueError("no exception was given, and none is being handled here")
    before = f"{fields.pop('message')} " if fields.get("message") else ""
    message = f"{before}{type(error).__name__}: {error}"
    return Failed(data=_kept(error, result_factory), message=message, **fields)


async def _afailed(
    error: BaseException | None = None, result_factory: Any = None, **fields: Any
) -> State[Any]:
    # the exception that is being handled is not seen in another thread
    error = sys.exception() if error is None else error
    return await in_thread(partial(_failed, error, result_factory, **fields))


@compatible(aio=_afailed)
def exception_to_failed_state(
    error: BaseException | None = None, result_factory: Any = None, **fields: Any
) -> Any:
    """The state of a run whose function raised.

    Args:
        error: what it raised; by default the exception that is being handled here.
        result_factory: makes a result of it, with a `ResultFactory`; without, it is the data.
        fields: of the state. A `message` is followed by the exception's text.

    Raises:
        ValueError: if no exception is given or being handled.
    """
    error = sys.exception() if error is None else error
    return _failed(error, result_factory, **fields)


@compatible
def exception_to_crashed_state(error: BaseException, result_factory: Any = None) -> Any:
    """The state of a run that was ended from outside.

    Args:
        error: what ended it.
        result_factory: makes a result of it, with a `ResultFactory`; without, it is the data.
    """
    return crashed_by(error, _kept(error, result_factory))


def crashed_by(error: BaseException, data: Any) -> State[Any]:
    """The state of a run that `error` ended from outside; waits for nothing."""
    name = type(error).__name__
    why = _INTERRUPTS.get(name, f"was interrupted by an unexpected exception: {name}: {error}")
    return Crashed(data=data, message=f"Execution {why}.")


def _kept(error: BaseException, result_factory: Any) -> Any:
    return error if result_factory is None else result_factory.create_now(error)
