"""Runs of which only a task runner that is not upshot's knows how they go on."""

from __future__ import annotations

from collections.abc import Awaitable
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

import anyio

from upshot._bridge import run_blocking
from upshot._concurrency import portals
from upshot._concurrency.promise import EndedBefore
from upshot._concurrency.waiting import Completion, wait_async
from upshot.states import Crashed, State

_ASK_AGAIN = 0.1  # seconds after which a runner that did not wait for a run's end is asked again


class Submission(Completion):
    """Whether a run is on its way yet."""

    def set(self) -> None:
        """It is."""
        with suppress(EndedBefore):  # as often as one likes
            self.set_result(None)

    def is_set(self) -> bool:
        """Whether it is."""
        return self.done()


SUBMITTED = Submission("submission")
SUBMITTED.set()


class GivenEnd(NamedTuple):
    """The end of a run that is known by its state alone."""

    given: State[Any]

    def state(self) -> State[Any]:
        """The final state."""
        return self.given

    def is_at_hand(self) -> bool:
        """Whether `outcome` is a value, and needs no state."""
        return False

    def outcome(self, raise_on_failure: bool) -> tuple[Any, BaseException | None]:
        """What to return, or what to raise; may block."""
        return self.given.outcome(raise_on_failure)


class Elsewhere(Completion):
    """A run that goes on elsewhere.

    Attributes:
        key: what the runner knows it by.
        runner: what has `wait(key, timeout)`, async or not, which gives the final state, or None
            if the run has not ended in time.
        submitted: before this is set, the runner is not asked.
    """

    def __init__(self, name: str, key: str, runner: Any) -> None:
        super().__init__(name)
        self.key = key
        self.runner = runner
        self.submitted = Submission(name)
        self._followed = False

    def end(self, state: State[Any]) -> None:
        """Say in which state it ended; who says so first is believed."""
        with suppress(EndedBefore):
            self.set_result(GivenEnd(state))

    def final_state(self) -> State[Any] | None:
        """The state in which it ended; None if it has not."""
        return self.result().state() if self.done() else None

    def must_be_asked_for(self) -> bool:
        """Whether waiting alone would not show that it ended."""
        return not self.done() and hasattr(self.runner, "wait")

    async def ask(self, timeout: float | None) -> State[Any] | None:
        """Have the runner wait for its end."""
        with anyio.move_on_after(timeout):
            await wait_async([self.submitted])
            state = self.runner.wait(self.key, timeout)
            if isinstance(state, Awaitable):
                state = await state
            if state is not None:
                self.end(state)
        return self.final_state()

    def end_in(self, timeout: float | None) -> Any:
        """Its end, which its runner is asked for; None if it has not ended in time."""
        if self.must_be_asked_for():
            run_blocking(partial(self.ask, timeout))
            return self.result() if self.done() else None
        return super().end_in(timeout)

    async def aend_in(self, timeout: float | None) -> Any:
        """As `end_in`, without blocking the loop."""
        if self.must_be_asked_for():
            await self.ask(timeout)
            return self.result() if self.done() else None
        return await super().aend_in(timeout)

    def follow(self) -> None:
        """Have it end by itself once its run has, for those that only wait."""
        if not self._followed and self.must_be_asked_for():
            self._followed = True
            portals.start(self._follow, self._lost)

    async def _follow(self) -> None:
        try:
            while not self.done():
                await self.ask(None)
                await anyio.sleep(_ASK_AGAIN)
        except BaseException as error:
            self._lost(error)

    def _lost(self, error: BaseException) -> None:
        self.end(Crashed(message=f"{type(error).__name__}: {error}", data=error))
