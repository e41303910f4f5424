"""Counts the instructions of the processor that calls take, with valgrind.

    PYTHONHASHSEED=0 python -m tests.guards.instructions

prints them anew for limits.toml. What a call takes is the difference between two numbers of calls.
"""

from __future__ import annotations

import asyncio
import gc
import os
import re
import subprocess
import sys
from collections.abc import Callable
from tempfile import TemporaryDirectory
from typing import Any

from upshot import flow, task
from upshot.runstore import _writer
from upshot.settings import UPSHOT_HOME, temporary_settings


@task
def plain(x: int) -> dict[str, Any]:
    return {"x": x, "list": [1, 2, 3]}


@task
async def awaited(x: int) -> dict[str, Any]:
    return {"x": x, "list": [1, 2, 3]}


@task(persist_result=True)
def persisted(x: int) -> dict[str, Any]:
    return {"x": x, "list": [1, 2, 3]}


@task(cache_key_fn=lambda context, parameters: "one")
def hit(x: int) -> dict[str, Any]:
    return {"x": x, "list": [1, 2, 3]}


@flow
def empty() -> bool:
    return True


@flow
def calling(kind: str, calls: int) -> bool:
    called = {"plain": plain, "persisted": persisted, "hit": hit}[kind]
    for x in range(calls):
        called(x)
    return True


@flow
def submitting(calls: int) -> bool:
    for future in [plain.submit(x) for x in range(calls)]:
        future.result()
    return True


@flow
async def awaiting(calls: int) -> bool:
    for x in range(calls):
        await awaited(x)
    return True


def flows(calls: int) -> None:
    for _ in range(calls):
        empty()


KINDS: dict[str, Callable[[int], object]] = {
    "plain": lambda calls: calling("plain", calls),
    "persisted": lambda calls: calling("persisted", calls),
    "hit": lambda calls: calling("hit", calls),
    "awaited": lambda calls: asyncio.run(awaiting(calls)),
    "submitted": submitting,
    "empty": flows,
}


def yardstick(rounds: int) -> int:
    """Work that is nobody's: how much a Python that was built otherwise needs for the same."""
    made = 0
    for i in range(rounds):
        items = {str(n): (n, [n, i]) for n in range(10)}
        made += sum(len(value[1]) for value in items.values())
        made += len("".join(f"{key}={value}" for key, value in sorted(items.items())))
    return made


KINDS["yardstick"] = yardstick

FEW, MANY = 200, 1_200
HEADROOM = 1.03
VALGRIND = ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]


def counted(kind: str) -> float:
    """The instructions of one call, in thousands."""
    few, many = (_of_process(kind, calls) for calls in (FEW, MANY))
    return (many - few) / (MANY - FEW) / 1_000


def _of_process(kind: str, calls: int) -> int:
    command = [*VALGRIND, sys.executable, "-m", "tests.guards.instructions", kind, str(calls)]
    environment = os.environ | {"PYTHONHASHSEED": "0"}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    found = re.search(r"I\s+refs:\s+([\d,]+)", ran.stderr)
    assert found, ran.stderr
    return int(found[1].replace(",", ""))


def make_calls(kind: str, calls: int) -> None:
    """Make them in this process."""
    # what is done now and then would be done as often as it happens to be
    _writer.BATCH_SECONDS = 3600
    gc.disable()
    with TemporaryDirectory() as home, temporary_settings({UPSHOT_HOME: home}):
        KINDS[kind](10)
        KINDS[kind](calls)


def main(arguments: list[str]) -> None:
    if arguments:
        make_calls(arguments[0], int(arguments[1]))
        return
    for kind in KINDS:
        allowed = counted(kind) * (1 if kind == "yardstick" else HEADROOM)
        print(f"{kind} = {allowed:.0f}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
