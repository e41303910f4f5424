"""What a run can wait for. Drivers know these and nothing else of the engine.

Effects name kinds of waiting, not steps of a run: a new rule yields the same few in another
order, and no driver changes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from upshot._concurrency.waiting import Completion

T = TypeVar("T")
# starts an async function on a certain loop, from any thread; told to the second if it cannot
Host = Callable[[Callable[[], Awaitable[None]], Callable[[BaseException], object]], object]


@dataclass(slots=True)
class Io:
    """A short call of ours that may touch a disk or a network; its value is the reply."""

    call: Callable[[], Any]


@dataclass(slots=True)
class Sleep:
    """A pause; replied to with None when it is over."""

    seconds: float


@dataclass(slots=True)
class Wait:
    """A wait for other runs; replied to with None when all of them have ended."""

    on: Sequence[Completion]


@dataclass(slots=True)
class Invoke:
    """A call of the user's function, and then, where it ran, `keep` of its value.

    The reply is an `Outcome`; what either of the two raises is in it as data.
    """

    call: Callable[[], Any]
    keep: Callable[[Any], Any]
    awaits: bool  # `call` gives an awaitable
    keep_blocks: bool  # `keep` may touch a disk or a network
    # told how other threads start async functions on the loop that runs this one; what they
    # start is over before the run is
    host: Callable[[Host], object] | None = None
    # seconds that `call` may take; if it takes longer, the outcome's error is a `TimedOut`
    timeout: float | None = None
    # the value is too large to be kept in memory, so not many are to be made at a time
    few: bool = False


@dataclass(slots=True)
class Outcome:
    """What came of an `Invoke`: what `keep` made of the value, or an error of one of the two."""

    kept: Any = None
    error: BaseException | None = None
    returned: bool = True  # False: the error is the function's own


Effect: TypeAlias = Io | Sleep | Wait | Invoke
Steps: TypeAlias = Generator[Effect, Any, T]


def kept(keep: Callable[[Any], Any], value: Any) -> Outcome:
    """What comes of an `Invoke` whose function has returned."""
    try:
        return Outcome(kept=keep(value))
    except Exception as error:
        return Outcome(error=error)
