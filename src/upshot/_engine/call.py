"""One call of a flow or a task, as the engine knows it, and what the engine needs of the world."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from upshot._concurrency.waiting import Completion
from upshot._engine.effects import Host
from upshot._engine.endings import Conclusion, Ended
from upshot._engine.hooks import Hooks
from upshot._limits import Slots
from upshot._runs.replay import Place
from upshot.records import Run
from upshot.runstore import RunStore
from upshot.states import State


@dataclass(slots=True, eq=False)
class Ports:
    """What a run needs of the world: where to record itself, and what time it is."""

    store: RunStore
    now: Callable[[], float]  # seconds since the epoch


class Body(Protocol):
    """A user's function with its arguments and contexts."""

    def call(self) -> Any:
        """Call it."""

    def acall(self) -> Awaitable[Any]:
        """Call it, if it is async."""

    def keep(self, value: Any) -> Conclusion:
        """Turn the value that was returned into the conclusion."""


@dataclass(slots=True, eq=False, kw_only=True)
class Call:
    """One call of a flow or a task.

    Attributes:
        run: its record.
        body: calls the user's function, and keeps what that returns.
        awaits: whether the function is async.
        persists: whether `body.keep` writes the value, so that the run's row is committed at once.
        retries: how often the function may be called again.
        timeout: seconds that each call of it may take.
        retry_delay: seconds before each of these calls; the last one holds for all later ones.
        vary_delay: gives each of them another length by chance; None for as they are.
        may_retry: told of a failed state, says whether the function may be called again; gives an
            awaitable if `function` does; None for always.
        wants_value: whether the caller takes the value, not the state.
        on_end: told of the end, before the caller is.
        children: of a flow that returned this, the runs that have not ended and were submitted
            or are in the value; they end before it does.
        give_up: of a flow, gives these up, if its function is late.
        host: of a flow, told how other threads start async functions on its loop.
        place: this call in the attempts of the flow around it; None if that is not retried.
        upstreams: the runs that must end before this one starts; None if it depends on nothing.
        obstacle: why it cannot start, once they have ended; None if it can.
        resolve: puts the values of futures and states among the arguments in their places.
        on_value: told of the end once more when it has the value that the caller takes.
        hooks: what is called when the run enters a state; `on_running` ones once, not for retries.
        few: whether not many such functions are to be called at a time.
        slots: what it must have while it is `Running`; None if its tags can have no limits.
    """

    run: Run
    body: Body
    awaits: bool
    persists: bool
    retries: int = 0
    retry_delay: Sequence[float] = ()
    vary_delay: Callable[[float], float] | None = None
    may_retry: Callable[[State[Any]], Any] | None = None
    timeout: float | None = None
    wants_value: bool = True
    on_end: Callable[[Ended], object] | None = None
    children: Callable[[Any], Sequence[Completion]] | None = None
    give_up: Callable[[], object] | None = None
    host: Callable[[Host], object] | None = None
    place: Place | None = None
    upstreams: Sequence[Completion] | None = None
    obstacle: Callable[[], str | None] = lambda: None
    resolve: Callable[[], object] = lambda: None
    on_value: Callable[[Ended], object] | None = None
    hooks: Hooks | None = None
    few: bool = False
    slots: Slots | None = None
