"""A process that interrupts itself, again and again, each time at a later line of a call."""

from __future__ import annotations

import gc
import os
import random
import signal
import sqlite3
import sys
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import upshot
from tests.faults.calls_kill import kept, overwriting
from tests.faults.harness import Tell
from upshot import flow, task
from upshot._blob import read_blob
from upshot.filesystems import LocalFileSystem
from upshot.runstore import open_store
from upshot.testing import isolated

FOLDER = os.path.dirname(upshot.__file__) + os.sep
# not the run store: a trace function can raise between the end of a `with lock:` and the lock's
# release, where a signal never comes
TRACED = tuple(
    FOLDER + room
    for room in ("results.py", "blocks.py", "_blob", "filesystems", "serializers", "_engine")
)


class Interrupting:
    """Sends this process SIGINT at the n-th line of traced files; each line, if it is 0, counts."""

    def __init__(self, number: int) -> None:
        self._left = number

    def __enter__(self) -> None:
        sys.settrace(self._anywhere)

    def __exit__(self, *raised: object) -> None:
        sys.settrace(None)

    def _anywhere(self, frame: FrameType, event: str, argument: Any) -> Any:
        return self._in_file if frame.f_code.co_filename.startswith(TRACED) else None

    def _in_file(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event == "line":
            self._left -= 1
            if self._left == 0:
                sys.settrace(None)
                signal.raise_signal(signal.SIGINT)
        return self._in_file


@task(cache_key_fn=lambda context, parameters: parameters["key"])
def cached(key: str) -> list[str]:
    return [key]


@flow
def inner(key: str) -> list[str]:
    kept()
    return cached(key)


@flow(persist_result=True)
def calls(key: str) -> dict[str, Any]:
    inner(key)
    return overwriting()


def at_every_line(folder: Path, tell: Tell) -> None:
    with at_home(folder):
        number, interrupted = 0, True
        while interrupted:
            number += 1
            interrupted = was_interrupted(Interrupting(number), str(number))
            for problem in look(folder / "home"):
                tell(f"line {number}: {problem}")
        tell(str(number))


def at_random_instants(folder: Path, tell: Tell) -> None:
    dice = random.Random(5)
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    with at_home(folder):
        interrupted = 0
        for number in range(400):
            interrupted += was_interrupted(Alarm(dice.random() * 0.004), str(number))
            for problem in look(folder / "home"):
                tell(f"call {number}: {problem}")
        tell(str(interrupted))


class Alarm:
    """Has this process interrupted after some seconds, wherever it is then."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __enter__(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, self._seconds)

    def __exit__(self, *raised: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)


@contextmanager
def at_home(folder: Path) -> Iterator[None]:
    # a file that was opened when the interrupt came has no owner yet
    warnings.simplefilter("ignore", ResourceWarning)
    with isolated(folder / "home"):
        calls("warm")
        gc.disable()
        gc.freeze()  # so that collecting what a call leaves is quick
        yield


def was_interrupted(how: AbstractContextManager[None], key: str) -> bool:
    try:
        with how:
            calls(key)
    except KeyboardInterrupt:
        return True
    return False


def look(home: Path) -> list[Any]:
    """What should not be: runs without an end, half a value, a file beside its place."""
    gc.collect()
    open_store().flush()
    with closing(sqlite3.connect(home / "runs.db")) as connection:
        problems = connection.execute(
            "SELECT task_name, state_name FROM task_run WHERE state_type NOT IN (3, 6)"
            " UNION ALL SELECT flow_name, state_name FROM flow_run WHERE state_type NOT IN (3, 6)"
        ).fetchall()
        connection.execute("DELETE FROM task_run")
        connection.execute("DELETE FROM flow_run")
        connection.commit()
    problems += [path.name for path in (home / "storage").rglob(".upshot-*")]
    value = read_blob(LocalFileSystem(basepath=home / "storage"), "latest/value.json")
    assert set(value["data"].split(value["run"])) == {""}
    return problems
