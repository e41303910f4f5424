"""What a task runner of one's own has: it is given runs as calls, and says how each has ended."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self, TypeAlias
from uuid import UUID

if TYPE_CHECKING:
    from upshot.states import State

StateCall: TypeAlias = "Callable[[], Awaitable[State[Any]]]"


class TaskConcurrencyType(StrEnum):
    """How the runs go on that a task runner was given."""

    SEQUENTIAL = "SEQUENTIAL"  # one after the other
    CONCURRENT = "CONCURRENT"  # by turns, in one process
    PARALLEL = "PARALLEL"  # at the same time


class BaseTaskRunner(ABC):
    """The base of task runners that are given whole runs; subclass it to write one of your own.

    A subclass has `concurrency_type`, `submit` and `wait`. It has `duplicate` if runs of the same
    flow may go on at the same time, and `_start` if there is something to prepare or to let go of.
    """

    _started = False

    @property
    @abstractmethod
    def concurrency_type(self) -> TaskConcurrencyType:
        """How the runs go on that it was given."""

    @property
    def name(self) -> str:
        """What it is called."""
        return type(self).__name__.lower().removesuffix("taskrunner") or "base"

    @property
    def logger(self) -> logging.Logger:
        """Where it logs."""
        return logging.getLogger(f"upshot.task_runner.{self.name}")

    def duplicate(self) -> Self:
        """Another runner with the same options, equal to this one."""
        return NotImplemented  # type: ignore[no-any-return]  # who does not have it is not asked

    @abstractmethod
    async def submit(self, key: UUID, call: StateCall) -> None:
        """Have a run go on, or see it to its end.

        Args:
            key: what it is known by.
            call: to be called once; gives an awaitable of the state in which the run ends. It does
                not raise what the run's function raises.
        """

    @abstractmethod
    async def wait(self, key: UUID, timeout: float | None = None) -> State[Any] | None:
        """The state in which a run has ended; None if it has not within `timeout` seconds."""

    @asynccontextmanager
    async def start(self) -> AsyncIterator[Self]:
        """Take runs inside of the block.

        Raises:
            RuntimeError: if it is inside of one already.
        """
        if self._started:
            raise RuntimeError(
                f"this {type(self).__name__} is already started; use a duplicate() of it here"
            )
        self._started, error = True, None
        try:
            async with AsyncExitStack() as exit_stack:
                await self._start(exit_stack)
                try:
                    yield self
                except BaseException as raised:
                    error = raised
                    raise
        except BaseExceptionGroup as group:
            if error is None or group.exceptions != (error,):
                raise
            raise error from None  # task groups wrap what is raised inside of them
        finally:
            del error
            self._started = False

    async def _start(self, exit_stack: AsyncExitStack) -> None:  # noqa: B027  (may be left out)
        """Prepare for runs; what is to be let go of afterwards is entered into the stack."""

    def __getstate__(self) -> dict[str, Any]:
        # a copy elsewhere is not started
        return {name: value for name, value in self.__dict__.items() if name != "_started"}

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and _options(self) == _options(other)

    def __hash__(self) -> int:
        return hash(type(self))

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


def _options(runner: object) -> dict[str, Any]:
    return {name: value for name, value in vars(runner).items() if not name.startswith("_")}
