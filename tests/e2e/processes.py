"""What the tests of `ProcessPoolTaskRunner` share."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from upshot import Flow, State, task
from upshot.task_runners import ProcessPoolTaskRunner

linux = pytest.mark.skipif(sys.platform != "linux", reason="platform: reads /proc")


def in_processes(function: Any, *args: Any, workers: int = 2, **kwargs: Any) -> Any:
    """Call `function` in a flow whose submitted tasks run in processes."""
    return Flow(function, task_runner=ProcessPoolTaskRunner(max_workers=workers))(*args, **kwargs)


def submitted(which: Any, *args: Any, **kwargs: Any) -> State[Any]:
    """The final state of a task that was submitted to processes."""
    states: list[State[Any]] = []
    in_processes(lambda: states.append(which.submit(*args, return_state=True, **kwargs)) or 0)
    return states[0]


def children() -> set[int]:
    """The processes that this one has started and that are there, dead ones included."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, rest = stat.read_text().split(" (", 1)
        except OSError:
            continue
        if int(rest.rpartition(")")[2].split()[1]) == os.getpid():
            found.add(int(pid))
    return found


@task
def where(x: int = 0) -> tuple[int, int]:
    """In which process this runs."""
    return x, os.getpid()


@task(persist_result=True)
def kept(x: int = 0) -> tuple[int, int]:
    return x, os.getpid()


@task
def files_open_here() -> list[str]:
    """What files this process has open."""
    here = Path("/proc/self/fd")
    return [str(fd.readlink()) for fd in here.iterdir() if fd.is_symlink()]
