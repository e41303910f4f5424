"""The gate before functions whose values are to be stored."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from upshot.task_runners._gate import Gate

MB = 2**20


class Array:
    """Something that tells its size as arrays do."""

    nbytes = 8 * MB


def passes(gate: Gate) -> threading.Event:
    """Set when a thread has come through the gate."""
    passed = threading.Event()

    def come() -> None:
        gate.wait()
        passed.set()

    threading.Thread(target=come, daemon=True).start()
    return passed


@pytest.mark.parametrize("value", [bytes(8 * MB), bytearray(8 * MB), "x" * (8 * MB), Array()])
def test_it_is_shut_while_too_many_bytes_are_being_stored(value: Any) -> None:
    gate = Gate(most=10 * MB)
    first, second = gate.enter(value), gate.enter(value)
    passed = [passes(gate), passes(gate)]
    assert not passed[0].is_set()
    gate.leave(first)
    assert all(event.wait(20) for event in passed)
    gate.leave(second)


@pytest.mark.parametrize("value", [None, 1, b"small", [bytes(8 * MB)], object()])
def test_small_values_and_those_that_tell_no_size_do_not_count(value: Any) -> None:
    gate = Gate(most=0)
    gate.enter(value)
    gate.wait()
    asyncio.run(gate.wait_async())


def test_one_value_alone_passes_however_large_it_is() -> None:
    gate = Gate(most=MB)
    gate.wait()
    gate.leave(gate.enter(bytes(8 * MB)))
    gate.wait()


def test_async_callers_wait_without_blocking_the_loop() -> None:
    async def main() -> None:
        gate = Gate(most=MB)
        size = gate.enter(bytes(8 * MB))
        waiting = [asyncio.ensure_future(gate.wait_async()) for _ in range(3)]
        await asyncio.sleep(0)
        assert not any(task.done() for task in waiting)
        await asyncio.to_thread(gate.leave, size)
        await asyncio.gather(*waiting)

    asyncio.run(main())


def test_a_value_that_cannot_be_stored_counts_no_longer() -> None:
    gate = Gate(most=0)

    def keep(value: Any) -> None:
        raise OSError

    with pytest.raises(OSError):
        gate.counted(keep, bytes(8 * MB))
    gate.wait()
