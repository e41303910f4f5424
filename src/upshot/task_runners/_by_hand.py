"""The runs that a program gives one of upshot's runners itself, without a flow."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any
from uuid import UUID

import anyio

from upshot.states import State
from upshot.states.functions import crashed_by
from upshot.task_runners.abstract import StateCall

if TYPE_CHECKING:
    from anyio.abc import TaskGroup


class ByHand:
    """Runs and the states in which they end.

    Args:
        group: where they go on; None has each end where it is submitted.
        state_of: sees a call to its end.
    """

    def __init__(
        self, group: TaskGroup | None, state_of: Callable[[StateCall], Awaitable[State[Any]]]
    ) -> None:
        self._group, self._state_of = group, state_of
        self._ended: dict[UUID, anyio.Event] = {}
        self._states: dict[UUID, State[Any]] = {}

    async def submit(self, key: UUID, call: StateCall) -> None:
        """Have a run go on."""
        self._ended[key] = anyio.Event()
        if self._group is None:
            await self._run(key, call)
        else:
            self._group.start_soon(self._run, key, call)

    async def wait(self, key: UUID, timeout: float | None) -> State[Any] | None:
        """The state in which a run has ended; None if it has not in time."""
        if key not in self._ended:
            raise KeyError(f"nothing was submitted under {key}")
        with anyio.move_on_after(timeout):
            await self._ended[key].wait()
        return self._states.get(key)

    async def _run(self, key: UUID, call: StateCall) -> None:
        try:
            self._states[key] = await self._state_of(call)
        except BaseException as error:
            self._states[key] = crashed_by(error, error)
            if isinstance(error, (GeneratorExit, anyio.get_cancelled_exc_class())):
                raise
        finally:
            self._ended[key].set()
