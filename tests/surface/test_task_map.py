"""`map`: which arguments it iterates over, and which are the same for each run."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from upshot import Flow, allow_failure, flow, task, unmapped
from upshot.exceptions import MappingLengthMismatch, MappingMissingIterable
from upshot.task_runners import ConcurrentTaskRunner, SequentialTaskRunner
from upshot.utilities.annotations import quote

pytestmark = pytest.mark.usefixtures("upshot_home")


@task
def pair(x: Any, y: Any = (7, 8)) -> Any:
    return x, y


@task
def fails(x: int) -> int:
    raise ValueError(f"at {x}")


@pytest.fixture(params=[ConcurrentTaskRunner, SequentialTaskRunner])
def mapped(request: pytest.FixtureRequest) -> Any:
    """What the runs of a map give, in a flow."""

    def results(make: Any) -> list[Any]:
        found: list[Any] = []  # not what the flow returns, where states would stand for futures

        def body() -> str:
            found.extend(future.result(raise_on_failure=False) for future in make())
            return "done"

        Flow(body, name="f", task_runner=request.param)()
        return found

    return results


def test_a_map_gives_a_list_of_futures_or_of_states(mapped: Any) -> None:
    assert mapped(lambda: pair.map([1, 2], 3)) == [(1, 3), (2, 3)]
    assert flow(lambda: [s.name for s in pair.map([1, 2], return_state=True)], name="f")() == [
        "Completed",
        "Completed",
    ]


def count_to(number: int) -> Iterator[int]:
    yield from range(number)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: [1, 2], [1, 2]),
        (lambda: (1, 2), [1, 2]),
        (lambda: range(1, 3), [1, 2]),
        (lambda: {"a": 1, "b": 2}, ["a", "b"]),
        (lambda: count_to(2), [0, 1]),
        (lambda: iter([1, 2]), [1, 2]),
        (lambda: (n for n in (1, 2)), [1, 2]),
    ],
)
def test_everything_that_can_be_iterated_is(mapped: Any, make: Any, expected: list[Any]) -> None:
    assert mapped(lambda: pair.map(make())) == [(x, (7, 8)) for x in expected]


def test_a_set_is_iterated_too(mapped: Any) -> None:
    assert sorted(x for x, _ in mapped(lambda: pair.map({1, 2}))) == [1, 2]


@pytest.mark.parametrize("static", ["ab", b"ab", 5, None, object])
def test_text_bytes_and_what_cannot_be_iterated_are_the_same_for_all(
    mapped: Any, static: Any
) -> None:
    assert mapped(lambda: pair.map([1, 2], static)) == [(1, static), (2, static)]


def test_all_arguments_that_can_be_iterated_go_side_by_side(mapped: Any) -> None:
    assert mapped(lambda: pair.map([1, 2], y=[3, 4])) == [(1, 3), (2, 4)]


def test_defaults_are_not_iterated(mapped: Any) -> None:
    assert mapped(lambda: pair.map([1, 2, 3])) == [(1, (7, 8)), (2, (7, 8)), (3, (7, 8))]


def test_what_is_unmapped_is_the_same_for_all(mapped: Any) -> None:
    assert mapped(lambda: pair.map([1, 2], unmapped([3]))) == [(1, [3]), (2, [3])]


def test_a_future_and_a_state_are_iterated_as_their_result(mapped: Any) -> None:
    numbers = task(lambda: [1, 2])
    assert mapped(lambda: pair.map(numbers.submit(), 0)) == [(1, 0), (2, 0)]
    assert mapped(lambda: pair.map(numbers(return_state=True), 0)) == [(1, 0), (2, 0)]


def test_a_future_of_what_cannot_be_iterated_is_the_same_for_all(mapped: Any) -> None:
    one = task(lambda: 1)
    assert mapped(lambda: pair.map(one.submit(), [2, 3])) == [(1, 2), (1, 3)]


def test_futures_among_the_elements_are_replaced_each_in_its_run(mapped: Any) -> None:
    one = task(lambda: 1)
    assert mapped(lambda: pair.map([one.submit(), 2], 0)) == [(1, 0), (2, 0)]


def test_what_is_quoted_is_iterated_and_each_element_quoted(mapped: Any) -> None:
    seen: list[Any] = []
    given: dict[int, Any] = {}
    # not returned: a task that returns futures ends in the sum of their states
    take = task(lambda what, place: given.update({place: what}), name="take")

    def make() -> Any:
        one = task(lambda: 1).submit()
        seen.append(one)
        return take.map(quote([one, [one]]), [0, 1])

    mapped(make)
    assert given[0] is seen[0]
    assert given[1] == [seen[0]]


def test_what_is_quoted_and_cannot_be_iterated_is_the_same_for_all(mapped: Any) -> None:
    seen: list[Any] = []

    def make() -> Any:
        seen.append(task(lambda: [8, 9]).submit())
        return pair.map([1, 2], quote(seen[0]))

    assert mapped(make) == [(1, seen[0]), (2, seen[0])]


def test_a_failure_is_allowed_for_each_element(mapped: Any) -> None:
    def make() -> Any:
        return pair.map(allow_failure(fails.map([1, 2])), 0)

    assert [(repr(x), y) for x, y in mapped(make)] == [
        ("ValueError('at 1')", 0),
        ("ValueError('at 2')", 0),
    ]


def test_a_failure_that_is_allowed_is_the_same_for_all(mapped: Any) -> None:
    def make() -> Any:
        return pair.map(allow_failure(fails.submit(1)), [1, 2])

    assert [(repr(x), y) for x, y in mapped(make)] == [
        ("ValueError('at 1')", 1),
        ("ValueError('at 1')", 2),
    ]


def test_named_arguments_beyond_the_parameters_are_iterated_too(mapped: Any) -> None:
    @task
    def named(x: int, **more: Any) -> Any:
        return x, more

    assert mapped(lambda: named.map([1, 2], a=[3, 4], b=5)) == [
        (1, {"a": 3, "b": 5}),
        (2, {"a": 4, "b": 5}),
    ]


def test_with_nothing_to_iterate_over_there_is_an_error() -> None:
    @flow
    def around() -> None:
        pair.map(1, unmapped([2]))

    with pytest.raises(MappingMissingIterable):
        around()


@pytest.mark.parametrize("second", [[1, 2, 3], [], (n for n in (1, 2, 3))])
def test_different_lengths_are_an_error(second: Any) -> None:
    @flow
    def around() -> None:
        pair.map([1, 2], second)

    with pytest.raises(MappingLengthMismatch):
        around()


def test_the_sequential_runner_runs_strictly_in_order() -> None:
    order: list[str] = []

    @task
    def noted(x: int) -> None:
        order.append(f"{x} begins")
        order.append(f"{x} ends")

    flow(lambda: noted.map(range(20)) and 0, name="f", task_runner=SequentialTaskRunner)()
    assert order == [f"{x} {what}" for x in range(20) for what in ("begins", "ends")]


def test_the_default_runner_lets_runs_overlap() -> None:
    both = threading.Barrier(2, timeout=20)

    @task
    def meets(x: int) -> bool:
        both.wait()
        return True

    @flow
    def around() -> list[bool]:
        return [future.result() for future in meets.map([1, 2])]

    assert around() == [True, True]


def test_an_async_task_is_mapped_in_an_async_flow() -> None:
    @task
    async def apair(x: int, y: int) -> tuple[int, int]:
        return x, y

    @flow
    async def around() -> list[Any]:
        return [await future.aresult() for future in await apair.map([1, 2], 3)]

    assert asyncio.run(around()) == [(1, 3), (2, 3)]


def test_a_sync_task_in_an_async_flow_is_mapped_over_the_future_of_an_async_one() -> None:
    @task
    async def numbers() -> list[int]:
        await asyncio.sleep(0)
        return [1, 2]

    @task
    def double(x: int) -> int:
        return 2 * x

    @flow
    async def around() -> Any:
        doubled = double.map(await numbers.submit())
        submitted = [double.submit(future) for future in doubled]
        later = double.submit(1, wait_for=[await numbers.submit()])
        return [future.result() for future in (*doubled, *submitted, later)]

    assert asyncio.run(around()) == [2, 4, 4, 8, 2]
