"""`map`: a run for each element."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.e2e.mapping import adouble, double, fail_at, pair, results
from upshot import allow_failure, flow, task, unmapped
from upshot.exceptions import (
    InvalidOption,
    MappingLengthMismatch,
    MappingMissingIterable,
    ParameterBindError,
)

pytestmark = pytest.mark.usefixtures("upshot_home")


def test_each_element_has_a_run_and_futures_come_in_order(in_flow: Any) -> None:
    futures = in_flow(lambda: double.map(range(50)))
    assert results(futures) == [2 * i for i in range(50)]
    assert [future.name for future in futures] == [f"double-{i}" for i in range(50)]


def test_arguments_that_are_not_mapped_are_the_same_for_all(in_flow: Any) -> None:
    def use() -> Any:
        return [
            results(pair.map([1, 2])),
            results(pair.map([1, 2], "ab")),
            results(pair.map([1, 2], unmapped([3]))),
            results(pair.map([1, 2], y=[3, 4])),
        ]

    assert in_flow(use) == [
        [(1, (7, 8, 9)), (2, (7, 8, 9))],
        [(1, "ab"), (2, "ab")],
        [(1, [3]), (2, [3])],
        [(1, 3), (2, 4)],
    ]


def test_states_come_with_return_state(in_flow: Any) -> None:
    states = in_flow(lambda: fail_at.map(range(3), 1, return_state=True))
    assert [state.name for state in states] == ["Completed", "Failed", "Completed"]


def test_the_result_of_a_future_or_state_is_mapped_over(in_flow: Any) -> None:
    def use() -> Any:
        made = task(lambda: [1, 2, 3]).submit()
        return results(double.map(made)), results(double.map(made.wait()))

    assert in_flow(use) == ([2, 4, 6], [2, 4, 6])


def test_futures_among_the_elements_are_each_the_dependency_of_their_own_run(in_flow: Any) -> None:
    def use() -> Any:
        first, extra = double.map([1, 2]), double.submit(10)
        return first, extra, pair.map(first, extra)

    first, extra, mapped = in_flow(use)
    assert results(mapped) == [(2, 20), (4, 20)]
    ids = [str(future.task_run.id) for future in (*first, extra)]
    inputs = [json.loads(future.task_run.inputs) for future in mapped]
    assert inputs == [{"x": [ids[0]], "y": [ids[2]]}, {"x": [ids[1]], "y": [ids[2]]}]


def test_a_failure_stops_its_own_successor_alone_or_none_if_allowed(in_flow: Any) -> None:
    def use() -> Any:
        first = fail_at.map(range(3), 1)
        return (
            pair.map(first, return_state=True),
            pair.map(allow_failure(first), return_state=True),
        )

    strict, allowed = in_flow(use)
    assert [state.name for state in strict] == ["Completed", "NotReady", "Completed"]
    assert [state.name for state in allowed] == ["Completed"] * 3
    assert str(allowed[1].result()[0]) == "at 1"


def test_all_runs_of_a_map_wait_for_what_they_are_to_wait_for(in_flow: Any) -> None:
    def use() -> Any:
        bad = fail_at.submit(1, 1)
        return double.map([1, 2], wait_for=[bad], return_state=True), bad.task_run.id

    states, id = in_flow(use)
    assert [state.name for state in states] == ["NotReady"] * 2
    assert all(str(id) in state.message for state in states)


def test_wrong_arguments_raise_before_anything_runs(in_flow: Any) -> None:
    def use() -> None:
        with pytest.raises(MappingMissingIterable, match="use submit"):
            double.map(1)
        with pytest.raises(MappingLengthMismatch, match="x: 2, y: 3"):
            pair.map([1, 2], [1, 2, 3])
        with pytest.raises(ParameterBindError):
            pair.map([1], z=1)
        with pytest.raises(ValueError, match="at 1"):
            double.map(fail_at.submit(1, 1))

    in_flow(use)


@pytest.mark.parametrize("window", [0, -1, 1.5, True, "2"])
def test_a_window_is_a_positive_number(window: Any) -> None:
    with pytest.raises(InvalidOption, match="window"):
        double.map([1], window=window)


def test_an_async_map_is_awaited(in_flow: Any) -> None:
    @flow
    async def use() -> Any:
        made = await adouble.submit(1)
        futures = await adouble.map([1, made])
        states = await adouble.map(range(2), return_state=True)
        return [await f.result() for f in futures], [state.name for state in states]

    assert asyncio.run(use()) == ([2, 4], ["Completed"] * 2)
    assert in_flow(lambda: results(adouble.map([1, 2]))) == [2, 4]


def test_the_loop_has_its_turn_while_many_async_runs_are_begun() -> None:
    turns: list[int] = []

    @task
    async def nothing(x: int) -> None: ...

    @flow
    async def mapping() -> list[int]:
        asyncio.get_running_loop().call_soon(turns.append, 1)
        await nothing.map(range(600))
        return list(turns)

    assert asyncio.run(mapping()) == [1]
