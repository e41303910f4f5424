"""`map` through a window: results in order, in constant memory."""

from __future__ import annotations

import asyncio
import gc
import threading
import tracemalloc
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.mapping import WINDOW, adouble, double, fail_at, pair
from upshot import flow, task
from upshot.exceptions import (
    MappingLengthMismatch,
    MappingMissingIterable,
)
from upshot.runstore import open_store
from upshot.runstore._writer import MOST_QUEUED
from upshot.settings import temporary_settings
from upshot.task_runners import ConcurrentTaskRunner

pytestmark = pytest.mark.usefixtures("upshot_home")


class Flight:
    """Counts what is on its way: taken from the elements, and not given as a result."""

    def __init__(self, count: int) -> None:
        self.count, self.taken, self.given, self.most = count, 0, 0, 0

    def elements(self) -> Iterator[int]:
        for i in range(self.count):
            self.taken += 1
            self.most = max(self.most, self.taken - self.given)
            yield i

    def landed(self, value: int) -> int:
        self.given += 1
        return value


def test_a_window_gives_results_in_order_and_no_more_ahead(in_flow: Any) -> None:
    flight = Flight(100)

    def use() -> list[int]:
        return [flight.landed(x) for x in double.map(flight.elements(), window=WINDOW)]

    assert in_flow(use) == [2 * i for i in range(100)]
    assert flight.most == WINDOW


def test_no_more_functions_than_the_window_is_wide_run_at_a_time() -> None:
    lock, running, most = threading.Lock(), 0, 0

    @task
    def counted(x: int) -> int:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        together.wait(5)
        with lock:
            running -= 1
        return x

    together = threading.Barrier(WINDOW)

    @flow(task_runner=ConcurrentTaskRunner(max_workers=32))
    def use() -> list[int]:
        return list(counted.map(range(10 * WINDOW), window=WINDOW))

    # in order, so the first of a window holds up all that come after it
    assert use() == list(range(10 * WINDOW))
    assert most == WINDOW


def test_an_async_window_gives_results_in_order_and_no_more_ahead() -> None:
    flight = Flight(100)

    @flow
    async def use() -> list[int]:
        iterator = adouble.map(flight.elements(), window=WINDOW)
        return [flight.landed(x) async for x in iterator]

    assert asyncio.run(use()) == [2 * i for i in range(100)]
    assert flight.most == WINDOW


def test_a_sync_task_has_a_sync_window_in_an_async_flow_too() -> None:
    @flow
    async def use() -> list[int]:
        return list(double.map(range(10), window=WINDOW))

    assert asyncio.run(use()) == [2 * i for i in range(10)]


@pytest.mark.parametrize("count", [0, 1, WINDOW - 1, WINDOW, WINDOW + 1])
def test_a_window_may_be_as_wide_as_there_are_elements(in_flow: Any, count: int) -> None:
    assert in_flow(lambda: list(double.map(range(count), window=WINDOW))) == [
        2 * i for i in range(count)
    ]


def test_a_failure_is_raised_at_its_element(in_flow: Any) -> None:
    def use() -> list[int]:
        iterator, found = fail_at.map(range(20), 7, window=WINDOW), list[int]()
        with pytest.raises(ValueError, match="at 7"):
            found.extend(iterator)
        return found

    assert in_flow(use) == list(range(7))


def test_states_come_through_a_window_and_raise_nothing(in_flow: Any) -> None:
    def use() -> Any:
        iterator = fail_at.map(range(5), 2, window=2, return_state=True)
        return [state.name for state in iterator]

    assert in_flow(use) == ["Completed", "Completed", "Failed", "Completed", "Completed"]


def test_wrong_arguments_raise_at_once_with_a_window_too() -> None:
    with pytest.raises(MappingMissingIterable):
        double.map(1, window=2)
    with pytest.raises(MappingLengthMismatch):
        pair.map([1], [1, 2], window=2)


def test_generators_of_different_lengths_are_told_of_when_one_ends(in_flow: Any) -> None:
    def use() -> list[Any]:
        iterator, found = pair.map(iter([1, 2, 3]), iter([1, 2]), window=1), list[Any]()
        with pytest.raises(MappingLengthMismatch):
            found.extend(iterator)
        return found

    assert in_flow(use) == [(1, 1), (2, 2)]


def test_an_error_of_the_elements_is_raised_where_the_next_is_taken(in_flow: Any) -> None:
    def elements() -> Iterator[int]:
        yield 1
        raise LookupError("no more")

    def use() -> list[int]:
        iterator, found = double.map(elements(), window=1), list[int]()
        with pytest.raises(LookupError, match="no more"):
            found.extend(iterator)
        return found

    assert in_flow(use) == [2]


def test_nothing_runs_before_a_windowed_map_is_iterated() -> None:
    flight = Flight(5)
    double.map(flight.elements(), window=2)
    assert flight.taken == 0


def test_a_broken_off_iteration_leaves_nothing_behind() -> None:
    class Element:
        pass

    alive = weakref.WeakSet[Element]()

    def elements() -> Iterator[Element]:
        while True:
            element = Element()
            alive.add(element)
            yield element

    @task
    def look(x: Element) -> int:
        return 1

    @flow
    def use() -> Any:
        for value in look.map(elements(), window=WINDOW):
            assert value == 1
            break
        return 0

    state = use(return_state=True)
    gc.collect()
    assert not alive
    runs = open_store().task_runs(state.state_details.flow_run_id)
    assert [run.state_name for run in runs] == ["Completed"] * WINDOW


def test_a_broken_off_async_iteration_leaves_nothing_behind() -> None:
    @flow
    async def use() -> int:
        async for value in adouble.map(iter(range(10**9)), window=WINDOW):
            if value == 10:
                break
        return 0

    state = asyncio.run(use(return_state=True))
    runs = open_store().task_runs(state.state_details.flow_run_id)
    assert {run.state_name for run in runs} == {"Completed"}
    assert 6 <= len(runs) <= 6 + WINDOW


def grown_over(count: int, which: Any, **kwargs: Any) -> tuple[int, int]:
    """How many bytes more than over 2,000 elements the peak is, and how many more are left."""

    @flow
    def use(n: int) -> int:
        total = sum(which.map(iter(range(n)), window=16, **kwargs))
        assert total == n * (n - 1)
        return n

    use(2_000)
    gc.collect()
    tracemalloc.start()
    try:
        use(2_000)
        left, peak = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        use(count)
        left_now, peak_now = tracemalloc.get_traced_memory()
        return peak_now - peak, left_now - left
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("which", [double, adouble])
def test_memory_stays_constant_over_20_000_elements(which: Any) -> None:
    with temporary_settings({"UPSHOT_RUN_STORE": "sqlite"}):
        grown, left = grown_over(20_000, which)
        assert grown < 2 * 2**20
        assert left < 2**18


@pytest.mark.exhaustive
@pytest.mark.timeout(3600)
def test_memory_stays_constant_over_1_000_000_elements() -> None:
    grown, left = grown_over(1_000_000, double)
    # what is left would tell of a byte an element; the queue of the store may fill up once in so
    # many, where the disk is slow, and each run in it has some 600 bytes
    assert left < 2**19
    assert grown < MOST_QUEUED * 800
