"""Who waits for whom: whether a wait would close a circle, and what would open that again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol, TypeVar


class Waited(Protocol):
    """A run that others wait for."""

    name: str
    thread: int | None
    begun: bool
    movable: bool
    moved: bool

    def done(self) -> bool:
        """Whether it has ended."""

    def awaited(self) -> Sequence[Any]:
        """The runs that must end before this one can."""


W = TypeVar("W", bound=Waited)


def stuck(
    runs: Sequence[W],
    blocked: Mapping[int, Sequence[W]],
    *,
    thread: int | None = None,
    inside: W | None = None,
    moving: list[W] | None = None,
) -> str | None:
    """The name of a run that cannot end before a thread, or a run, goes on.

    Args:
        runs: of which one is looked for.
        blocked: what threads wait for.
        thread: the one that is to go on.
        inside: the run that is to go on.
        moving: is given the runs that stand in the way on loops which are blocked, and need not.
    """
    seen: set[W] = set()
    for run in runs:
        left = [run]
        while left:
            item = left.pop()
            if item in seen or item.done():
                continue
            seen.add(item)
            left += item.awaited()
            if moving is not None and item.movable and not item.begun:
                if item.thread == thread or item.thread in blocked:
                    moving.append(item)
                continue
            if item is inside or (thread is not None and item.thread == thread):
                return run.name
            left += blocked.get(item.thread or 0, ())
    return None


def moved(runs: Sequence[W], blocked: Mapping[int, Sequence[W]], thread: int) -> list[W] | None:
    """Take runs off loops that are blocked, if none is stuck then.

    Args:
        runs: for which the thread waits.
        blocked: what other threads wait for.
        thread: the one that waits.

    Returns:
        Those that were moved; None if one is stuck nevertheless, and nothing was moved.
    """
    moving: list[W] = []
    if stuck(runs, blocked, thread=thread, moving=moving) is not None:
        return None
    for run in moving:
        run.movable, run.moved, run.thread = False, True, None
    return moving


def begin_elsewhere(asked: list[Callable[[], object]] | None) -> None:
    """Begin a function of a run that was moved, unless that has begun."""
    with suppress(IndexError):
        if asked:
            asked.pop()()
