"""The frames that an exception holds, and letting go of the variables in them."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterable
from contextlib import suppress
from types import FrameType, TracebackType

_OURS = os.path.dirname(os.path.abspath(__file__)) + os.sep
_SUSPENDABLE = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR


def frames_of(rest: TracebackType | None) -> list[FrameType]:
    """The frames through which an exception went, from the outermost on."""
    found = []
    while rest is not None:
        found.append(rest.tb_frame)
        rest = rest.tb_next
    return found


def is_ours(frame: FrameType) -> bool:
    """Whether it is of a function of upshot's."""
    return frame.f_code.co_filename.startswith(_OURS)


def can_be_suspended(frame: FrameType) -> bool:
    """Whether it is of a generator or coroutine, which `let_go` would end if it is suspended."""
    return bool(frame.f_code.co_flags & _SUSPENDABLE)


def let_go(frames: Iterable[FrameType]) -> None:
    """Clear frames that have ended, and those of ours from which they were called."""
    for frame in frames:
        _clear(frame)
        caller = frame.f_back
        while caller is not None and is_ours(caller):
            if not can_be_suspended(caller):
                _clear(caller)
            caller = caller.f_back


def _clear(frame: FrameType) -> None:
    with suppress(RuntimeError):  # still running: the frame of who called
        frame.clear()


def clear_frames(error: BaseException | None) -> None:
    """Let go of the variables in the frames of an exception and of those that it came from."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        let_go(frames_of(error.__traceback__))
        error = error.__cause__ or error.__context__
