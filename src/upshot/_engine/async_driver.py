"""The async driver: makes a run happen in the caller's loop; what may block goes to a thread.

Once in a thread, a run goes on there for as long as it only does `Io`: one hop serves the write
of a value and the commit of its row.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

import anyio

from upshot._concurrency.in_time import await_in_time, call_in_time
from upshot._concurrency.waiting import wait_async
from upshot._engine.effects import Effect, Invoke, Io, Outcome, Sleep, Steps, Wait, kept
from upshot._engine.guard import guarded
from upshot._engine.hosting import Hosting
from upshot._engine.lanes import go_on
from upshot._engine.stepping import End, step, through_io

T = TypeVar("T")


async def drive(steps: Steps[T], sleep: Callable[[float], Awaitable[Any]] = anyio.sleep) -> T:
    """Make each step happen, and return what the run comes to."""
    steps, hosting = guarded(steps), Hosting()
    at = step(steps.send, None)
    while not isinstance(at, End):
        try:
            if isinstance(at, Invoke):
                if at.host is not None:
                    await hosting.open(at.host)
                at = await _invoke(at, steps, hosting)
            elif isinstance(at, Io):
                at = await go_on(steps, at.call)
            elif isinstance(at, Sleep):
                await sleep(at.seconds)
                at = step(steps.send, None)
            elif isinstance(at, Wait):
                await wait_async(at.on)
                at = step(steps.send, None)
        except GeneratorExit as error:
            # nobody will resume this coroutine: what is left is done here and now
            at = through_io(steps, partial(_raise, error))
            break
        except BaseException as error:
            # the run decides what an interrupt means for it
            hosting.interrupted = True
            at = step(steps.throw, error)
    else:
        await hosting.close()
    try:
        end: T = _told(at)
        return end
    finally:
        at = end = None  # type: ignore[assignment]  # see `sync_driver.invoke`


def _told(at: Effect | End) -> Any:
    try:
        if not isinstance(at, End):
            raise RuntimeError(f"a run that nobody will resume wants to go on: {at}")
        if at.error is not None:
            raise at.error
        return at.value
    finally:
        del at


async def _invoke(effect: Invoke, steps: Steps[Any], hosting: Hosting) -> Effect | End:
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
            return through_io(steps, partial(Outcome, error=error, returned=False))
        return step(steps.send, Outcome(error=error, returned=False))
    keep = partial(kept, effect.keep, value)
    del value
    if effect.keep_blocks:
        return await go_on(steps, keep)
    return step(steps.send, keep())


def _raise(error: BaseException) -> None:
    raise error
