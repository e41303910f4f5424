"""The runs that an attempt of a flow has made, and what is kept of their exceptions."""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Iterator
from types import FrameType
from typing import Any

from upshot._frames import can_be_suspended, frames_of, let_go
from upshot.records import FlowRun, Run

_MOST_AT_ONCE = 4


class MadeRuns:
    """The ends of runs, in the order in which the runs were made.

    An exception that was raised to who called keeps the variables of its frames, for debuggers.
    When the caller has dealt with it, so that it is held here only, they are let go: with the
    next end, or by `settle`.
    """

    def __init__(self) -> None:
        self._ends: dict[bytes, Any] = {}  # of a run that has not ended, None
        # with the frames that have ended; those through which an exception goes later may go on
        self._raised: deque[tuple[Any, list[FrameType]]] = deque()
        self._lock = threading.Lock()

    def __iter__(self) -> Iterator[Any]:
        return iter([end for end in list(self._ends.values()) if end is not None])

    def begin(self, run: Run) -> None:
        """Have a run's end stand behind those of the runs that were made before."""
        self._ends[_call_of(run)] = None

    def add(self, end: Any) -> None:
        """Add the end of a run."""
        if self._raised:
            self.settle(_MOST_AT_ONCE)
        if end.raised is not None:
            self._raised.append((end, _frames_of_run(end.raised)))
        self._ends[_call_of(end.run)] = end

    def clear(self) -> None:
        """Forget all."""
        self._raised.clear()
        self._ends.clear()

    def settle(self, most: int | None = None) -> None:
        """Let go of the variables of exceptions that nobody else holds; looks at `most` of them."""
        with self._lock:
            for _ in range(min(most or len(self._raised), len(self._raised))):
                end, ended = self._raised.popleft()
                if sys.getrefcount(end.raised) > _HELD_HERE:
                    self._raised.append((end, ended))
                else:
                    later = frames_of(end.raised.__traceback__)
                    let_go(ended)
                    let_go(frame for frame in later if not can_be_suspended(frame))


def _call_of(run: Run) -> bytes:
    """What a run is known by among those of its flow run: a flow's by what stands for it."""
    return run.parent.uid if isinstance(run, FlowRun) and run.parent else run.uid


def _frames_of_run(error: BaseException) -> list[FrameType]:
    """The frames of an exception as it left its run, and of those that it came from there."""
    own = frames_of(error.__traceback__)
    found, seen = list(own), {id(error)}
    cause = error.__cause__ or error.__context__
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        frames = frames_of(cause.__traceback__)
        if frames and frames[0] in own:
            found += frames
        cause = cause.__cause__ or cause.__context__
    return found


class _Probe:
    __slots__ = ("_data",)

    def __init__(self) -> None:
        self._data = ValueError()

    @property
    def raised(self) -> BaseException:
        return self._data


def _held_here(end: Any) -> int:
    return sys.getrefcount(end.raised)


_HELD_HERE = _held_here(_Probe())
