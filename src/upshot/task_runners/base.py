"""What a task runner does; `upshot.testing.TaskRunnerContract` states it as tests."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from contextvars import Context
from functools import partial
from typing import Any, ClassVar, Self

import anyio

from upshot._engine.effects import Host, Invoke, Outcome, kept
from upshot._engine.failures import clear_frames
from upshot._in_time import await_in_time, await_while_wanted
from upshot._waiting import bind_here
from upshot.task_runners._gate import Gate, gate

Done = Callable[[Outcome], object]


class TaskRunner(ABC):
    """Calls the functions of submitted tasks, and keeps their values where they were called.

    It knows functions, not runs: when they run, wait and are retried is decided elsewhere. One
    runner serves one flow run at a time: a flow makes a `duplicate` of its own for each run.
    """

    # runs are driven to their end where they are submitted, one after the other
    sequential: ClassVar[bool] = False
    # `close` may take a while, which no loop can wait for
    closing_blocks: ClassVar[bool] = False

    def duplicate(self) -> Self:
        """Another runner with the same options, equal to this one."""
        return type(self)(**self.options())

    @abstractmethod
    def options(self) -> dict[str, Any]:
        """What it was made with."""

    @abstractmethod
    def call(self, effect: Invoke, context: Context, done: Done) -> None:
        """Have a sync function called and its value kept, in `context`; must not block.

        One that takes longer than `effect.timeout` must not be waited for; its value is not kept.
        `done` is told what came of it, once, from any thread.
        """

    @abstractmethod
    def keep(self, effect: Invoke, value: Any, context: Context, done: Done) -> None:
        """Have a value kept that an async function has returned; must not block."""

    def invoke(self, effect: Invoke, context: Context, host: Host, done: Done) -> None:
        """Have a function called, wherever it belongs: an async one on its host's loop."""
        if effect.awaits:
            refused = partial(_refused, done)
            context.run(host, partial(self._await, effect, context, done), refused)
        else:
            self.call(effect, context, done)

    def _await(self, effect: Invoke, context: Context, done: Done) -> Awaitable[None]:
        # not a coroutine function: the run needs this loop from now on, not from its first step
        return self._awaited(effect, context, done, bind_here())

    async def _awaited(
        self, effect: Invoke, context: Context, done: Done, unbind: Callable[[], None]
    ) -> None:
        try:
            try:
                if effect.keep_blocks:
                    await gate().wait_async()
                value = await _called(effect)
            finally:
                unbind()
        except BaseException as error:
            del effect  # see `sync_driver.invoke`
            if isinstance(error, Exception):
                clear_frames(error)
            done(Outcome(error=error, returned=False))
            if isinstance(error, anyio.get_cancelled_exc_class()):
                raise
            return
        if effect.keep_blocks:
            left = partial(_left, gate(), gate().enter(value), done)
            # a copy, for who began this may still be in the context
            self.keep(effect, value, context.copy(), left)
        else:
            done(kept(effect.keep, value))

    def close(self) -> None:  # noqa: B027 (most have nothing to let go of)
        """Let go of threads and processes; what is being called goes on to its end."""

    def __reduce__(self) -> Any:
        # threads and processes stay where they are
        return _made, (type(self), self.options())

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.options() == other.options()

    def __hash__(self) -> int:
        return hash(type(self))

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in self.options().items())
        return f"{type(self).__name__}({given})"


def _called(effect: Invoke) -> Awaitable[Any]:
    if effect.timeout is None:
        return await_while_wanted(effect.call)
    return await_while_wanted(partial(await_in_time, effect.call, effect.timeout))


def _made(kind: type[TaskRunner], options: dict[str, Any]) -> TaskRunner:
    return kind(**options)


def _left(gate: Gate, size: int, done: Done, outcome: Outcome) -> None:
    gate.leave(size)
    done(outcome)


def _refused(done: Done, error: BaseException) -> None:
    done(Outcome(error=error, returned=False))
