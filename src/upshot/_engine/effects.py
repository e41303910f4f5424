"""What a run can wait for. Drivers know these and nothing else of the engine.

Effects name kinds of waiting, not steps of a run: a new rule yields the same few in another
order, and no driver changes.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class Io:
    """A short call of ours that may touch a disk or a network; its value is the reply."""

    call: Callable[[], Any]


@dataclass(slots=True)
class Sleep:
    """A pause; replied to with None when it is over."""

    seconds: float


@dataclass(slots=True)
class Invoke:
    """A call of the user's function, and then, where it ran, `keep` of its value.

    The reply is an `Outcome`; what either of the two raises is in it as data.
    """

    call: Callable[[], Any]
    keep: Callable[[Any], Any]
    awaits: bool  # `call` gives an awaitable
    keep_blocks: bool  # `keep` may touch a disk or a network


@dataclass(slots=True)
class Outcome:
    """What came of an `Invoke`: what `keep` made of the value, or an error of one of the two."""

    kept: Any = None
    error: BaseException | None = None
    returned: bool = True  # False: the error is the function's own


Effect: TypeAlias = Io | Sleep | Invoke
Steps: TypeAlias = Generator[Effect, Any, T]


def kept(effect: Invoke, value: Any) -> Outcome:
    """What comes of an `Invoke` whose function has returned."""
    try:
        return Outcome(kept=effect.keep(value))
    except Exception as error:
        return Outcome(error=error)
