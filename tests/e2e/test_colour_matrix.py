"""Whoever calls whatever in whatever way gets the value: nothing hangs, nothing asks for more.

Each case runs in a thread of its own under a watchdog, on one worker at the most.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.colours import (
    ASYNC_CALLERS,
    CALLEES,
    GIVES,
    SYNC_CALLERS,
    WAYS,
    as_it_is,
    in_thread,
    on_asyncio,
    on_trio,
)
from upshot.task_runners import ConcurrentTaskRunner, SequentialTaskRunner
from upshot.testing import isolated


@pytest.fixture(scope="module", autouse=True)
def one_home() -> Iterator[None]:
    with isolated():
        yield


HOW = [
    (way, callee)
    for way, callee in itertools.product(WAYS, CALLEES)
    if way == "call" or "task" in callee
]
WHO = [
    *((as_it_is, caller) for caller in SYNC_CALLERS),
    *itertools.product((on_asyncio, on_trio), ASYNC_CALLERS),
]
RUNNERS = {"one worker": lambda: ConcurrentTaskRunner(1), "in turn": SequentialTaskRunner}


@pytest.mark.parametrize("runner", RUNNERS)
@pytest.mark.parametrize(("way", "callee"), HOW)
@pytest.mark.parametrize(
    ("run", "caller"),
    [pytest.param(*who, id=f"{who[0].__name__}-{who[1].__name__}") for who in WHO],
)
def test_every_caller_gets_the_value_of_every_callee(
    run: Any, caller: Any, way: str, callee: str, runner: str
) -> None:
    case = (caller, RUNNERS[runner](), way, CALLEES[callee])
    assert in_thread(lambda: run(*case)) == GIVES[way]
