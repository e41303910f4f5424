"""The async driver: makes a run happen in the caller's loop; what may block goes to a thread.

Once in a thread, a run goes on there for as long as it only does `Io`: one hop serves the write
of a value and the commit of its row.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import anyio

from upshot._bridge import in_thread
from upshot._concurrency.in_time import await_in_time, call_in_time
from upshot._concurrency.waiting import wait_async
from upshot._engine.effects import Effect, Invoke, Io, Outcome, Sleep, Steps, Wait, kept
from upshot._engine.guard import guarded
from upshot._engine.hosting import Hosting

T = TypeVar("T")


@dataclass(slots=True)
class _End:
    """A run that takes no further step."""

    value: Any = None
    error: BaseException | None = None


async def drive(steps: Steps[T], sleep: Callable[[float], Awaitable[Any]] = anyio.sleep) -> T:
    """Make each step happen, and return what the run comes to."""
    steps, hosting = guarded(steps), Hosting()
    at = _step(steps.send, None)
    while not isinstance(at, _End):
        try:
            if isinstance(at, Invoke):
                if at.host is not None:
                    await hosting.open(at.host)
                at = await _invoke(at, steps, hosting)
            elif isinstance(at, Io):
                at = await in_thread(partial(_through_io, steps, at.call))
            elif isinstance(at, Sleep):
                await sleep(at.seconds)
                at = _step(steps.send, None)
            elif isinstance(at, Wait):
                await wait_async(at.on)
                at = _step(steps.send, None)
        except GeneratorExit as error:
            # nobody will resume this coroutine: what is left is done here and now
            at = _through_io(steps, partial(_raise, error))
            break
        except BaseException as error:
            # the run decides what an interrupt means for it
            hosting.interrupted = True
            at = _step(steps.throw, error)
    else:
        await hosting.close()
    try:
        end: T = _told(at)
        return end
    finally:
        at = end = None  # type: ignore[assignment]  # see `sync_driver.invoke`


def _told(at: Effect | _End) -> Any:
    try:
        if not isinstance(at, _End):
            raise RuntimeError(f"a run that nobody will resume wants to go on: {at}")
        if at.error is not None:
            raise at.error
        return at.value
    finally:
        del at


def _step(step: Callable[[Any], Effect], reply: Any) -> Effect | _End:
    try:
        return step(reply)
    except StopIteration as stop:
        return _End(value=stop.value)
    except BaseException as error:
        return _End(error=error)


def _through_io(steps: Steps[Any], call: Callable[[], Any]) -> Effect | _End:
    while True:
        try:
            reply = call()
        except BaseException as error:
            at = _step(steps.throw, error)
        else:
            at = _step(steps.send, reply)
        if not isinstance(at, Io):
            return at
        call = at.call


async def _invoke(effect: Invoke, steps: Steps[Any], hosting: Hosting) -> Effect | _End:
    try:
        if effect.timeout is None:
            value = effect.call()
            if effect.awaits:
                value = await value
        elif effect.awaits:
            value = await await_in_time(effect.call, effect.timeout)
        else:
            value = call_in_time(effect.call, effect.timeout)
    except BaseException as error:
        del effect  # see `sync_driver.invoke`
        hosting.interrupted |= not isinstance(error, Exception)
        if isinstance(error, GeneratorExit):
            return _through_io(steps, partial(Outcome, error=error, returned=False))
        return _step(steps.send, Outcome(error=error, returned=False))
    keep = partial(kept, effect.keep, value)
    del value
    if effect.keep_blocks:
        return await in_thread(partial(_through_io, steps, keep))
    return _step(steps.send, keep())


def _raise(error: BaseException) -> None:
    raise error
