"""Task runners of the user's own, which are given whole runs; from where a flow submits them."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context, copy_context
from functools import partial
from typing import Any, Self
from uuid import UUID

from upshot._concurrency.jobs import Job
from upshot._concurrency.loops import thread_safe
from upshot._concurrency.portals import Portal
from upshot._concurrency.promise import EndedBefore
from upshot._concurrency.waiting import Completion, enter
from upshot._elsewhere import GivenEnd
from upshot._engine import async_driver
from upshot._engine.effects import Host, Invoke, Outcome, Steps
from upshot._engine.endings import Ended
from upshot._later import asyncio
from upshot.exceptions import RunElsewhere, WouldBlockLoop
from upshot.states import State, is_state
from upshot.task_runners import BaseTaskRunner, TaskConcurrencyType, TaskRunner
from upshot.task_runners.concurrent import ConcurrentTaskRunner

_ASK_AGAIN = 0.1  # seconds after which a runner that did not wait for a run's end is asked again
_METHODS = ("start", "_start", "submit", "wait")


class OwnRunner:
    """A runner of the user's, started for one flow run.

    It has a loop of its own, on which it may take as long as it likes: whoever submits or waits,
    and from whichever thread, blocks nothing that it needs. What it is given to call goes on
    there; functions are called where upshot's own runners call them.

    Args:
        given: the runner, which nobody else uses.
    """

    closing_blocks = True

    def __init__(self, given: BaseTaskRunner) -> None:
        self.given_runner = given
        mine = isinstance(given, TaskRunner) and not given.sequential
        self._functions: Any = given if mine else ConcurrentTaskRunner()
        self._process = os.getpid()
        self._portal: Portal | None = None
        self._serving: asyncio.Task[None] | None = None
        self._served = False
        self._going_on: set[asyncio.Task[Any]] = set()
        self._following: set[asyncio.Task[None]] = set()

    @classmethod
    def around(cls, runner: BaseTaskRunner) -> TaskRunner | Self:
        """What serves a flow run: upshot's own runners as they are."""
        if isinstance(runner, TaskRunner) and all(
            getattr(type(runner), name) is getattr(TaskRunner, name) for name in _METHODS
        ):
            return runner
        return cls(runner)

    def submit(self, key: UUID, steps: Steps[Ended], *, host: Host, completion: Completion) -> Job:
        """Give a run to the runner; what is returned ends when its `submit` does.

        Args:
            key: what the runner knows it by.
            steps: what the run does.
            host: starts its function, if it is async.
            completion: is given what the run comes to.

        Raises:
            RunElsewhere: in a process that was forked from that of the flow run.
            WouldBlockLoop: from what the runner itself does on its loop.
        """
        if self._process != os.getpid():
            raise RunElsewhere(completion.name)
        if self._portal is None:
            self._portal = Portal()
        if self._portal.is_here():
            raise WouldBlockLoop(completion.name)
        invoke = partial(self._functions.invoke, host=host)
        call = _Call(steps, invoke, copy_context(), completion, self._going_on)
        job = Job(partial(self._submit, key, call, completion))
        self._portal.offer(job)
        return job

    async def _submit(self, key: UUID, call: _Call, completion: Completion) -> None:
        try:
            await self._start()
            await self.given_runner.submit(key, call)
        except BaseException as error:
            _tell(completion.set_exception, error)
            raise
        following = asyncio.create_task(self._follow(key, call, completion))
        self._following.add(following)
        following.add_done_callback(self._following.discard)
        if (
            call.end is not None
            and self.given_runner.concurrency_type == TaskConcurrencyType.SEQUENTIAL
        ):
            await asyncio.wait([following])

    async def _follow(self, key: UUID, call: _Call, completion: Completion) -> None:
        try:
            while (state := await self.given_runner.wait(key, None)) is None:
                await asyncio.sleep(_ASK_AGAIN)
            if not is_state(state):
                name = type(self.given_runner).__name__
                raise TypeError(f"`wait` of {name} must give a State or None; got {state!r}")
            end = call.end if state is call.state else GivenEnd(state)
            _tell(completion.set_result, end)
        except BaseException as error:
            _tell(completion.set_exception, error)

    async def _start(self) -> None:
        """Start the runner, once; all of this is done on its loop."""
        if self._serving is None:
            self._begun, self._closing = asyncio.Event(), asyncio.Event()
            self._serving = asyncio.create_task(self._serve())
        await self._begun.wait()
        if self._serving.done():
            self._serving.result()

    async def _serve(self) -> None:
        try:
            async with self.given_runner.start():
                self._served = True
                self._begun.set()
                await self._closing.wait()
        finally:
            asyncio.get_running_loop().call_soon(self._begun.set)

    def close(self) -> None:
        """End the runner; runs that have not ended never will."""
        portal, self._portal = self._portal, None
        try:
            if portal is not None and self._process == os.getpid():
                job = Job(self._end)
                portal.offer(job)
                try:
                    job.wait()
                finally:
                    portal.close()
        finally:
            self._functions.close()

    async def _end(self) -> None:
        for going_on in list(self._going_on):
            with suppress(RuntimeError):  # its loop has ended
                going_on.get_loop().call_soon_threadsafe(going_on.cancel)
        for following in self._following:
            following.cancel()
        if self._serving is not None:
            self._closing.set()
            if self._served:  # else whoever submitted knows why not
                await self._serving


class _Call:
    """What the runner is given to call: it sees the run to its end, and gives its final state."""

    # only its function may be called elsewhere
    goes_on_here = True

    def __init__(
        self,
        steps: Steps[Ended],
        invoke: Callable[..., None],
        context: Context,
        completion: Completion,
        going_on: set[asyncio.Task[Any]],
    ) -> None:
        self._steps: Steps[Ended] | None = steps
        self._invoke, self._context, self._completion = invoke, context, completion
        self._going_on = going_on
        self.end: Ended | None = None
        self.state: State[Any] | None = None

    def __reduce__(self) -> Any:
        raise TypeError(
            "a run goes on in the process that submitted it; call it there, and have no more than"
            " its function called in another one"
        )

    async def __call__(self) -> State[Any]:
        """See the run to its end.

        Raises:
            RuntimeError: if that was called before.
        """
        steps, self._steps = self._steps, None
        if steps is None:
            raise RuntimeError(f"the run {self._completion.name!r} was called before")
        context = self._context
        context.run(enter, self._completion)
        work = async_driver.drive(self._stepped(steps))
        task = asyncio.get_running_loop().create_task(work, context=context)
        self._going_on.add(task)
        try:
            self.end = await task
        finally:
            self._going_on.discard(task)
        self.state = self.end.state()
        return self.state

    def _stepped(self, steps: Steps[Ended]) -> Steps[Ended]:
        """The same steps, with functions called elsewhere."""
        resume, reply = steps.send, None
        while True:
            try:
                effect = resume(reply)
            except StopIteration as stop:
                end: Ended = stop.value
                return end
            resume = steps.send
            try:
                if isinstance(effect, Invoke):
                    call = partial(self._outcome, effect)
                    outcome = yield Invoke(call, _as_it_is, awaits=True, keep_blocks=False)
                    reply = outcome.kept if outcome.error is None else outcome
                else:
                    reply = yield effect
            except BaseException as error:
                resume, reply = steps.throw, error

    async def _outcome(self, effect: Invoke) -> Outcome:
        outcomes: list[Outcome] = []
        done = asyncio.Event()
        tell = thread_safe(done.set)

        def told(outcome: Outcome) -> None:
            outcomes.append(outcome)
            tell()

        # a copy, for this run may be stepped while the function is in it
        self._invoke(effect, self._context.copy(), done=told)
        await done.wait()
        return outcomes.pop()


def _as_it_is(value: Any) -> Any:
    return value


def _tell(tell: Callable[[Any], None], what: Any) -> None:
    with suppress(EndedBefore):  # that it was given up was told before
        tell(what)
