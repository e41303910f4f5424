"""The gate before functions whose values are to be stored."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from upshot.task_runners import _gate
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
    gate.leave(second)
    assert all(event.wait(20) for event in passed)


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


@pytest.fixture
def blocks(monkeypatch: pytest.MonkeyPatch) -> Blocks:
    return Blocks(monkeypatch)


class Blocks:
    """Has threads come to a gate, and tells for how long each of them would wait."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.timeouts: list[float | None] = []
        self._blocked = threading.Semaphore(0)
        told = self

        class Told(threading.Event):
            def wait(self, timeout: float | None = None) -> bool:
                told.timeouts.append(timeout)
                told._blocked.release()
                return super().wait(timeout)

        monkeypatch.setattr(_gate, "Event", Told)

    def come(self, gate: Gate, count: int) -> list[threading.Event]:
        """For each of the threads, what is set when it has passed; all of them wait by now."""
        passed = []
        for _ in range(count):
            passed.append(passes(gate))
            assert self._blocked.acquire(timeout=20)
        return passed


def test_nobody_looks_at_a_gate_that_is_shut(blocks: Blocks) -> None:
    gate = Gate(most=MB)
    size = gate.enter(bytes(8 * MB))
    passed = blocks.come(gate, 3)
    gate.leave(size)
    assert all(event.wait(20) for event in passed)
    assert blocks.timeouts == [None] * 3


def test_all_pass_when_nothing_is_being_stored_though_none_of_them_returns(blocks: Blocks) -> None:
    gate = Gate(most=10 * MB)
    sizes = [gate.enter(bytes(8 * MB)) for _ in range(2)]
    passed = blocks.come(gate, 5)
    gate.leave(sizes[0])
    assert passed[-1].wait(20)
    assert [event.is_set() for event in passed[:-1]] == [False] * 4
    gate.leave(sizes[1])
    assert all(event.wait(20) for event in passed)


def test_as_many_pass_as_there_is_room_for(blocks: Blocks) -> None:
    gate = Gate(most=10 * MB)
    sizes = [gate.enter(bytes(4 * MB)), gate.enter(bytes(2 * MB)), gate.enter(bytes(8 * MB))]
    passed = blocks.come(gate, 5)
    gate.leave(sizes[2])  # 6 MB are left, and 4 are free: not enough for another 8
    assert passed[4].wait(20)
    gate.leave(sizes[1])  # 4 are left: room for three more of 2
    assert all(event.wait(20) for event in passed[1:])
    assert not passed[0].is_set()
    gate.leave(sizes[0])
    assert passed[0].wait(20)


def test_who_passed_and_keeps_nothing_large_lets_in_the_next(blocks: Blocks) -> None:
    gate = Gate(most=10 * MB)
    stays, size = gate.enter(bytes(8 * MB)), gate.enter(bytes(8 * MB))
    passed = blocks.come(gate, 3)
    gate.leave(size)
    assert passed[2].wait(20)
    gate.pass_on()
    assert passed[1].wait(20)
    again = gate.enter(bytes(8 * MB))
    gate.pass_on()  # it is shut
    assert not passed[0].is_set()
    gate.leave(again)
    assert passed[0].wait(20)
    gate.leave(stays)
