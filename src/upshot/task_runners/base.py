"""What a task runner does; `upshot.testing.TaskRunnerContract` states it as tests."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from contextvars import Context
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar
from uuid import UUID

import anyio

from upshot import _registry
from upshot._concurrency.in_time import await_in_time, await_while_wanted
from upshot._concurrency.waiting import bind_here
from upshot._engine.effects import Host, Invoke, Outcome, kept
from upshot._frames import clear_frames
from upshot.task_runners._gate import Gate, gate
from upshot.task_runners.abstract import BaseTaskRunner, StateCall, TaskConcurrencyType

if TYPE_CHECKING:
    from upshot.states import State
    from upshot.task_runners._by_hand import ByHand

Done = Callable[[Outcome], object]
Kind = TypeVar("Kind", bound="TaskRunner")

_WHILE_STARTED = ("_by_hand", "_started")


class TaskRunner(BaseTaskRunner):
    """Calls the functions of submitted tasks, and keeps their values where they were called.

    It knows functions, not runs: when they run, wait and are retried is decided elsewhere. One
    runner serves one flow run at a time: a flow makes a `duplicate` of its own for each run.

    A program may also give it runs by hand, with `start`, `submit` and `wait`.
    """

    # runs are driven to their end where they are submitted, one after the other
    sequential: ClassVar[bool] = False
    # `close` may take a while, which no loop can wait for
    closing_blocks: ClassVar[bool] = False

    _by_hand: ByHand | None = None

    @property
    def concurrency_type(self) -> TaskConcurrencyType:
        """How the runs go on that it was given."""
        return TaskConcurrencyType.CONCURRENT

    def duplicate(self) -> Self:
        """Another runner with the same options, equal to this one."""
        return _made(type(self), self.options(), self._own())

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

    def close(self) -> None:
        """Let go of threads and processes; what is being called goes on to its end."""

    async def submit(self, key: UUID, call: StateCall) -> None:
        """Have a run go on that a program gives by hand; see it to its end if it is sequential.

        Raises:
            RuntimeError: outside of `start`.
        """
        await self._given_by_hand().submit(key, call)

    async def wait(self, key: UUID, timeout: float | None = None) -> State[Any] | None:
        """The state in which such a run has ended; None if it has not within so many seconds.

        Raises:
            KeyError: if there is no such run.
            RuntimeError: outside of `start`.
        """
        return await self._given_by_hand().wait(key, timeout)

    def _given_by_hand(self) -> ByHand:
        if self._by_hand is None:
            name = type(self).__name__
            raise RuntimeError(
                f"this {name} is not started; use it inside of `async with runner.start()`"
            )
        return self._by_hand

    async def _start(self, exit_stack: AsyncExitStack) -> None:
        exit_stack.callback(setattr, self, "_by_hand", None)
        state_of = await self._states_by_hand(exit_stack)
        group = None
        if self.concurrency_type is not TaskConcurrencyType.SEQUENTIAL:
            group = await exit_stack.enter_async_context(anyio.create_task_group())
        self._by_hand = _registry.load("room", "runs by hand")(group, state_of)

    async def _states_by_hand(
        self, exit_stack: AsyncExitStack
    ) -> Callable[[StateCall], Awaitable[State[Any]]]:
        """What sees a run to its end that was given by hand."""
        return _state

    def __reduce__(self) -> Any:
        # threads and processes stay where they are
        return _made, (type(self), self.options(), self._own())

    def _own(self) -> dict[str, Any]:
        """What a subclass with an `__init__` of its own has set, beside the options."""
        kind = type(self)
        maker = _maker(kind)
        if kind.__init__ is maker.__init__:
            return {}
        known = {*vars(maker(**self.options())), *_WHILE_STARTED}
        return {name: value for name, value in vars(self).items() if name not in known}

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other) or self.options() != other.options():
            return False
        mine, others = self._own(), other._own()
        public = {name for name in mine | others if not name.startswith("_")}
        return all(mine.get(name) == others.get(name) for name in public)

    def __hash__(self) -> int:
        return hash(type(self))

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in self.options().items())
        return f"{type(self).__name__}({given})"


def _called(effect: Invoke) -> Awaitable[Any]:
    if effect.timeout is None:
        return await_while_wanted(effect.call)
    return await_while_wanted(partial(await_in_time, effect.call, effect.timeout))


async def _state(call: StateCall) -> State[Any]:
    return await call()


def _made(kind: type[Kind], options: dict[str, Any], own: dict[str, Any]) -> Kind:
    runner = kind.__new__(kind)
    _maker(kind).__init__(runner, **options)
    vars(runner).update(own)
    return runner


def _maker(kind: type[TaskRunner]) -> Any:
    """The class whose `__init__` takes the options, which is the one that tells them."""
    return next(cls for cls in kind.__mro__ if "options" in vars(cls))


def _left(gate: Gate, size: int, done: Done, outcome: Outcome) -> None:
    gate.leave(size)
    done(outcome)


def _refused(done: Done, error: BaseException) -> None:
    done(Outcome(error=error, returned=False))
