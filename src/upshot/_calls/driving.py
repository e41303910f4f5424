"""How the steps of a call are driven: on whose loop, and what ends it from outside."""

from __future__ import annotations

from functools import partial
from typing import Any

from upshot._bridge import call_must_block, run_blocking
from upshot._calls.decorated import Decorated, answer_of
from upshot._concurrency.signals import AsyncTerminable, Terminable
from upshot._engine import async_driver, sync_driver
from upshot._engine.effects import Steps
from upshot._engine.endings import Ended
from upshot.context import FlowRunContext
from upshot.settings import get_current_settings


def must_block(decorated: Decorated[..., Any]) -> bool:
    """Whether a call of this, which is async, must end before it returns."""
    return call_must_block()


def drive(decorated: Decorated[..., Any], steps: Steps[Ended]) -> Ended:
    """Take a call to its end."""
    if decorated.terminable and FlowRunContext.get() is None:
        with Terminable():
            return _driven(decorated, steps)
    return _driven(decorated, steps)


def _driven(decorated: Decorated[..., Any], steps: Steps[Ended]) -> Ended:
    if decorated.isasync:
        return run_blocking(partial(async_driver.drive, steps))
    return sync_driver.drive(steps)


async def adrive(decorated: Decorated[..., Any], steps: Steps[Ended], return_state: bool) -> Any:
    """Take a call to its end; give what it is to give, or raise."""
    if decorated.terminable and FlowRunContext.get() is None:
        with AsyncTerminable():
            end = await async_driver.drive(steps)
    else:
        end = await async_driver.drive(steps)
    value, error = answer_of(end, return_state)
    try:
        if error is None:
            return value
        raise error
    finally:
        del value, error, end


def retries_by_setting(decorated: Decorated[..., Any]) -> int:
    """How often the function is called again where its options do not say."""
    return int(getattr(get_current_settings(), decorated._default_retries))
