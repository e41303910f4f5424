"""The event loop that runs here, and how other threads reach it."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import Context
from typing import NoReturn

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


async def outlast(
    error: BaseException,
    over: Callable[[], bool],
    wait: Callable[[], Awaitable[object]],
    finish: Callable[[], object],
) -> NoReturn:
    """Raise what a coroutine was interrupted with, once what it waits for is over.

    Args:
        wait: waits for that, whatever is raised meanwhile, and perhaps not for long enough.
        finish: has it over here and now, for nobody will resume a coroutine that is closed.
    """
    closed = _closing(error)
    try:
        while not over():
            if closed is not None:
                finish()
                break
            try:
                await wait()
            except BaseException as another:
                closed = _closing(another)
        if closed is not None:
            raise closed from None
        raise error
    finally:
        del error, closed  # their tracebacks hold this frame


def _closing(error: BaseException) -> GeneratorExit | None:
    """What this comes of if a coroutine is closed, perhaps outside of its task.

    There, anyio's scopes raise an error of their own.
    """
    at: BaseException | None = error
    while isinstance(at, RuntimeError):
        at = at.__context__
    return at if isinstance(at, GeneratorExit) else None
