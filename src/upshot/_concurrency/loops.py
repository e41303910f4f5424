"""The event loop that runs here, and how other threads reach it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context

from upshot._later import asyncio


def in_trio() -> bool:
    """Whether trio's loop runs in this thread."""
    in_trio_run = getattr(sys.modules.get("trio.lowlevel"), "in_trio_run", None)
    return in_trio_run is not None and bool(in_trio_run())


def threadsafe_caller() -> Callable[[Callable[[], object]], object]:
    """What has a function called on the loop that runs here, from any thread, without waiting.

    It raises `RuntimeError` once the loop has ended.
    """
    if in_trio():
        trio_token = sys.modules["trio"].lowlevel.current_trio_token()
        on_trio: Callable[..., object] = trio_token.run_sync_soon
        return on_trio
    return asyncio.get_running_loop().call_soon_threadsafe


def thread_safe(tell: Callable[[], object]) -> Callable[[], None]:
    """What has `tell` called on the loop that runs here, from any thread, while it runs."""
    call = threadsafe_caller()

    def tell_there() -> None:
        with suppress(RuntimeError):  # the loop has ended, and with it who waited
            call(tell)

    return tell_there


def without_loop(context: Context) -> Context:
    """A context of a loop's thread, made fit for a thread in which none runs."""
    sniffio = sys.modules.get("sniffio")
    if sniffio is not None:
        context.run(sniffio.current_async_library_cvar.set, None)
    return context
