"""A loop that is open to other threads, for as long as a run lasts."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context, copy_context
from functools import partial
from typing import Any, Protocol

import anyio

from upshot._concurrency import portals
from upshot._concurrency.circles import begin_elsewhere
from upshot._concurrency.loops import in_trio, threadsafe_caller
from upshot._concurrency.waiting import Completion, run_here, wait_async
from upshot._engine.effects import Host
from upshot._later import asyncio

Work = Callable[[], Awaitable[None]]
Refused = Callable[[BaseException], object]


class _Group(Protocol):
    """Tasks on a loop."""

    def start(self, work: Work) -> None:
        """Start a task in the present context; on the loop's thread, where no task may run."""

    async def end(self, *, cancel: bool) -> None:
        """Wait for all tasks."""


class Hosting:
    """Async functions that other threads start beside the run that goes on here.

    They are over before the run is; if the run was interrupted, they are cancelled.
    """

    def __init__(self) -> None:
        self.interrupted = False
        self._group: _Group | None = None

    async def open(self, tell: Callable[[Host], object]) -> None:
        """Let others start functions on this loop, and tell how."""
        if self._group is None:
            # whose functions were started, until they end
            self._runs: set[Completion] = set()
            self._call = threadsafe_caller()
            self._group = await _TrioGroup().begin() if in_trio() else _AsyncioGroup()
        tell(self.start)

    def start(self, work: Work, refused: Refused) -> None:
        """Start `work` in the caller's context, from any thread, without waiting for the loop.

        It is started elsewhere if its run was moved, because this loop is blocked.
        """
        context, run = copy_context(), run_here()
        asked: list[Callable[[], object]] = [partial(_elsewhere, context, work, refused)]
        if run is not None:
            run.asked = asked
            if run.moved:
                begin_elsewhere(asked)
                return
        try:
            self._call(partial(context.run, self._begin, asked, run, work, refused))
        except RuntimeError as error:  # the loop has ended
            asked.clear()
            refused(error)

    def _begin(
        self, asked: list[Any], run: Completion | None, work: Work, refused: Refused
    ) -> None:
        try:
            asked.pop()
        except IndexError:  # it has begun elsewhere
            return
        if self._group is None:
            refused(RuntimeError("the flow on whose loop this was to run has ended"))
        else:
            if run is not None:
                run.asked = None
                self._runs.add(run)
                run.add_done_callback(self._runs.discard)
            self._group.start(work)

    async def close(self) -> None:
        """Wait for what was started, and start nothing more."""
        group, self._group = self._group, None
        if group is None:
            return
        try:
            await group.end(cancel=self.interrupted)
        finally:
            if self.interrupted:  # and what was cancelled is recorded elsewhere
                with anyio.CancelScope(shield=True):
                    await wait_async(list(self._runs))


def _elsewhere(context: Context, work: Work, refused: Refused) -> None:
    # in a copy, for the loop may just come to it, too, and find that it has begun
    context.copy().run(portals.start, work, refused)


class _AsyncioGroup:
    # anyio's task group starts nothing where no task runs, as in a callback of the loop
    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Work) -> None:
        coroutine: Coroutine[Any, Any, None] = work()  # type: ignore[assignment]
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def end(self, *, cancel: bool) -> None:
        interrupt: BaseException | None = None
        while self._tasks:
            for task in tuple(self._tasks) if cancel else ():
                task.cancel()
            try:
                with anyio.CancelScope(shield=cancel):
                    await asyncio.wait(self._tasks)
            except BaseException as error:
                cancel, interrupt = True, error
        if interrupt is not None:
            raise interrupt


class _TrioGroup:
    async def begin(self) -> _TrioGroup:
        self._manager = sys.modules["trio"].open_nursery()
        self._nursery = await self._manager.__aenter__()
        return self

    def start(self, work: Work) -> None:
        self._nursery.start_soon(work)

    async def end(self, *, cancel: bool) -> None:
        if cancel:
            self._nursery.cancel_scope.cancel()
        await self._manager.__aexit__(None, None, None)
