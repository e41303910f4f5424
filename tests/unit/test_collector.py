"""How often the garbage collector looks at all objects while a map begins its runs."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from upshot import flow, task
from upshot._collector import RARER, full_collections_rarer

Thresholds = tuple[int, int, int]

pytestmark = pytest.mark.skipif(
    sys.version_info >= (3, 14),
    reason="platform: this Python collects in small steps",
)
USUAL: Thresholds = (700, 10, 10) if sys.version_info < (3, 13) else (2000, 10, 10)
RARE: Thresholds = (*USUAL[:2], USUAL[2] * RARER)


@pytest.fixture(autouse=True)
def usual() -> Iterator[None]:
    before = gc.get_threshold()
    gc.set_threshold(*USUAL)
    yield
    gc.set_threshold(*before)


def test_a_map_has_full_collections_rarer_while_it_begins_its_runs(upshot_home: Path) -> None:
    seen: list[Thresholds] = []

    @task
    def look(x: int) -> None:
        seen.append(gc.get_threshold())

    @task
    async def alook(x: int) -> None:
        seen.append(gc.get_threshold())

    def items() -> Iterator[int]:
        for x in range(3):
            seen.append(gc.get_threshold())
            yield x

    @flow
    def mapping() -> bool:
        futures = look.map(items())
        assert gc.get_threshold() == USUAL
        return all(future.wait().is_completed() for future in futures)

    @flow
    async def amapping() -> None:
        await alook.map(items())
        assert gc.get_threshold() == USUAL

    assert mapping()
    assert seen.count(RARE) >= 3
    seen.clear()
    asyncio.run(amapping())
    assert seen.count(RARE) >= 3
    assert gc.get_threshold() == USUAL


def test_the_thresholds_are_put_back_when_the_last_block_ends_however_it_does() -> None:
    def break_off() -> None:
        with full_collections_rarer():
            assert gc.get_threshold() == RARE
            raise ValueError("broken off")

    with full_collections_rarer():
        with pytest.raises(ValueError, match="broken off"):
            break_off()
        assert gc.get_threshold() == RARE
    assert gc.get_threshold() == USUAL


def test_a_program_that_says_itself_how_often_is_left_alone() -> None:
    gc.set_threshold(5_000, 20, 30)
    with full_collections_rarer():
        assert gc.get_threshold() == (5_000, 20, 30)
    assert gc.get_threshold() == (5_000, 20, 30)


def test_a_program_that_says_so_meanwhile_has_its_word() -> None:
    with full_collections_rarer():
        gc.set_threshold(5_000, 20, 30)
    assert gc.get_threshold() == (5_000, 20, 30)


def test_full_collections_still_happen_in_the_block() -> None:
    before = gc.get_stats()[2]["collections"]
    with full_collections_rarer():
        kept = [[x] for x in range(3_000_000)]
    assert gc.get_stats()[2]["collections"] > before
    assert len(kept) == 3_000_000


@pytest.mark.skipif(not hasattr(os, "fork"), reason="platform: this system has no fork")
def test_a_forked_child_has_the_usual_thresholds() -> None:
    reading, writing = os.pipe()
    with full_collections_rarer():
        child = os.fork()
        if not child:
            os.write(writing, repr(gc.get_threshold()).encode())
            os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    with os.fdopen(reading) as told:
        assert told.read() == repr(USUAL)
