"""Submitted tasks: futures and states as their arguments, and what they wait for."""

from __future__ import annotations

import threading
from itertools import pairwise
from typing import Any

import pytest

from tests.e2e.submitting import Model, Order, Point, aecho, echo, fail, inputs_of
from upshot import allow_failure, task, unmapped
from upshot.exceptions import ParameterBindError, UnfinishedRun
from upshot.runstore import open_store
from upshot.states import Completed, Failed

pytestmark = pytest.mark.usefixtures("upshot_home")


@pytest.mark.parametrize(
    ("put", "take"),
    [
        (lambda x: x, lambda x: x),
        (lambda x: [x], lambda x: x[0]),
        (lambda x: {"deep": (1, {"er": {2: x}})}, lambda x: x["deep"][1]["er"][2]),
        (lambda x: {x: 1}, lambda x: next(iter(x))),
        (lambda x: Order(x), lambda x: x.item),
        (lambda x: Model(item=[x]), lambda x: x.item[0]),
        (lambda x: Point(x), lambda x: x.x),
        (lambda x: unmapped(x), lambda x: x),
        (lambda x: allow_failure(x), lambda x: x),
    ],
)
@pytest.mark.parametrize("as_state", [False, True])
def test_futures_and_states_stand_for_their_values_and_are_recorded(
    in_flow: Any, put: Any, take: Any, as_state: bool
) -> None:
    def use() -> Any:
        first = echo.submit("value", return_state=as_state)
        id = (first.state_details.task_run_id) if as_state else first.task_run.id
        return id, echo.submit(put(first), return_state=True)

    id, state = in_flow(use)
    assert take(state.result()) == "value"
    assert inputs_of(state) == {"x": [str(id)], "y": []}


def test_a_direct_call_waits_for_futures_and_takes_their_values_too(in_flow: Any) -> None:
    def use() -> Any:
        first = echo.submit(1)
        return echo([first, echo.submit(2, return_state=True)]), aecho({"a": first})

    assert in_flow(use) == ([1, 2], {"a": 1})


def test_marks_come_off_also_where_there_is_no_future(in_flow: Any) -> None:
    def use() -> Any:
        return (
            echo.submit(allow_failure(1)).result(),
            echo([unmapped(2)]),
            echo(allow_failure(Order(3))),
        )

    assert in_flow(use) == (1, [2], Order(3))


def test_a_run_that_depends_on_nothing_has_no_inputs(in_flow: Any) -> None:
    found = inputs_of(in_flow(lambda: echo.submit([1], return_state=True)))
    assert found == {"x": [], "y": []}


def test_dependencies_are_recorded_for_each_parameter_each_once(in_flow: Any) -> None:
    @task
    def variadic(a: Any, *items: Any, b: Any = 0, **named: Any) -> None: ...

    def use() -> Any:
        one, two = echo.submit(1), echo.submit(2)
        before = [echo.submit(3)]
        state = variadic.submit(
            [one, one], two, {"k": one}, c=two, wait_for=before, return_state=True
        )
        return [str(future.task_run.id) for future in (one, two, *before)], state

    (one, two, before), state = in_flow(use)
    expected = {"a": [one], "items": [two, one], "b": [], "named": [two], "wait_for": [before]}
    assert inputs_of(state) == expected


def test_a_state_made_by_hand_is_a_value_and_no_dependency(in_flow: Any) -> None:
    state = in_flow(lambda: echo.submit(Completed(data=5), return_state=True))
    assert state.result() == 5
    assert inputs_of(state) == {"x": [], "y": []}
    state = in_flow(lambda: echo.submit(Failed(message="by hand"), return_state=True))
    assert state.name == "NotReady"
    assert "None" not in state.message


def test_arguments_that_do_not_fit_raise_where_they_are_submitted(in_flow: Any) -> None:
    def use() -> None:
        with pytest.raises(ParameterBindError):
            echo.submit()
        with pytest.raises(ParameterBindError):
            echo.submit(1, 2, 3)

    in_flow(use)


def test_arguments_are_taken_as_they_are_while_values_arrive(in_flow: Any) -> None:
    shared = [1]

    def use() -> Any:
        return echo.submit({"same": shared, "new": [echo.submit(2)]}).result()

    value = in_flow(use)
    assert value["same"] is shared
    assert value == {"same": [1], "new": [2]}


def test_what_cannot_stand_where_its_future_stood_fails_the_run(in_flow: Any) -> None:
    state = in_flow(lambda: echo.submit({echo.submit([1])}, return_state=True))
    assert state.is_failed()
    assert "unhashable" in state.message


def test_values_that_hold_themselves_pass(in_flow: Any) -> None:
    ring: list[Any] = [1]
    ring.append(ring)
    assert in_flow(lambda: echo.submit(ring).result()) is ring


def test_wait_for_orders_runs_and_passes_nothing(in_flow: Any) -> None:
    order: list[str] = []
    gate = threading.Event()

    @task
    def first() -> None:
        gate.wait(0.05)
        order.append("first")

    @task
    def second() -> None:
        order.append("second")

    def use() -> Any:
        before = first.submit()
        return second.submit(wait_for=[before]).wait(), before.task_run.id

    state, id = in_flow(use)
    assert order == ["first", "second"]
    assert inputs_of(state) == {"wait_for": [str(id)]}


def test_a_run_that_waits_for_a_failure_is_not_ready_unless_that_is_allowed(in_flow: Any) -> None:
    def use() -> Any:
        bad = fail.submit()
        return (
            echo.submit(1, wait_for=[bad], return_state=True),
            echo.submit(1, wait_for=[allow_failure(bad)], return_state=True),
            echo(1, wait_for=[bad], return_state=True),
            echo.submit(1, wait_for=[[{"a": bad}]], return_state=True),
        )

    states = in_flow(use)
    assert [state.name for state in states] == ["NotReady", "Completed", "NotReady", "NotReady"]


def test_wait_for_nothing_is_recorded_as_nothing(in_flow: Any) -> None:
    state = in_flow(lambda: echo.submit(1, wait_for=[], return_state=True))
    assert state.result() == 1
    assert inputs_of(state) == {"x": [], "y": [], "wait_for": []}


def test_a_run_whose_upstream_failed_ends_not_ready_and_names_it(in_flow: Any) -> None:
    calls: list[int] = []

    def use() -> Any:
        bad = fail.submit()
        return bad.task_run.id, task(lambda x: calls.append(1)).submit([bad], return_state=True)

    id, state = in_flow(use)
    assert (state.type, state.name) == ("PENDING", "NotReady")
    assert state.message == f"Upstream task run '{id}' did not reach a 'COMPLETED' state."
    assert inputs_of(state) == {"x": [str(id)]}
    assert calls == []
    with pytest.raises(UnfinishedRun, match="was not started"):
        state.result()


def test_a_run_that_is_not_ready_is_recorded_so(in_flow: Any) -> None:
    state = in_flow(lambda: echo.submit(fail.submit(), return_state=True))
    run = open_store().task_run(state.state_details.task_run_id)
    assert run is not None
    assert [step.name for step in run.history] == ["Pending", "NotReady"]
    assert run.run_count == 0


def test_a_chain_behind_a_failure_does_not_run(in_flow: Any) -> None:
    def use() -> Any:
        future = fail.submit()
        chain = [future]
        for _ in range(5):
            chain.append(echo.submit(chain[-1]))
        return [(future.task_run.id, future.wait()) for future in chain]

    chain = in_flow(use)
    assert [state.name for _, state in chain] == ["Failed"] + ["NotReady"] * 5
    for (id, _), (_, state) in pairwise(chain):
        assert str(id) in state.message


def test_a_direct_call_behind_a_failure_raises(in_flow: Any) -> None:
    def use() -> None:
        with pytest.raises(UnfinishedRun, match="did not reach a 'COMPLETED' state"):
            echo(fail.submit())
        assert echo(fail.submit(), return_state=True).name == "NotReady"

    in_flow(use)


@pytest.mark.parametrize("put", [lambda x: x, lambda x: [x], lambda x: Order(x)])
def test_a_failure_that_is_allowed_comes_as_the_exception(in_flow: Any, put: Any) -> None:
    def use() -> Any:
        bad = fail.submit("the message")
        return (
            echo.submit(allow_failure(put(bad))).result(),
            echo.submit(put(allow_failure(bad))).result(),
            echo.submit(allow_failure(echo.submit(bad))).result(),
        )

    values = in_flow(use)
    for value in values[:2]:
        error = value[0] if isinstance(value, list) else getattr(value, "item", value)
        assert type(error) is ValueError
        assert str(error) == "the message"
    assert isinstance(values[2], UnfinishedRun)


def test_an_allowed_failure_excuses_no_other(in_flow: Any) -> None:
    def use() -> Any:
        bad, other = fail.submit(), fail.submit()
        return echo.submit(allow_failure(bad), other, return_state=True), other.task_run.id

    state, other = in_flow(use)
    assert state.name == "NotReady"
    assert str(other) in state.message
