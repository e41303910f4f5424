"""From what a flow returns to the state that it ends in."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from upshot import allow_failure, flow, task
from upshot.annotations import quote
from upshot.exceptions import CancelledRun, PausedRun
from upshot.results import UnpersistedResult
from upshot.states import Cancelled, Completed, Failed, Paused, Pending, State, StateType

pytestmark = pytest.mark.usefixtures("upshot_home")


@task
def good() -> int:
    return 1


@task
def bad() -> int:
    raise ValueError("bad")


@task
def given(state: Any) -> Any:
    return state()


def ended(function: Any, **options: Any) -> State[Any]:
    state: State[Any] = flow(function, name="it", **options)(return_state=True)
    return state


def of(*makers: Any) -> list[State[Any]]:
    return [given(maker, return_state=True) for maker in makers]


def test_a_state_made_by_hand_is_the_flows_with_its_data_as_a_result() -> None:
    state = ended(lambda: Completed(message="by hand", name="Fine", data=5))
    assert (state.type, state.name, state.message) == (StateType.COMPLETED, "Fine", "by hand")
    assert isinstance(state.data, UnpersistedResult)
    assert state.result() == 5


def test_a_failed_state_made_by_hand_fails_the_flow_with_its_message() -> None:
    state = ended(lambda: Failed(message="by hand"))
    assert (state.is_failed(), state.message) == (True, "by hand")
    with pytest.raises(Exception, match="by hand"):
        state.result()


@pytest.mark.parametrize("collection", [list, tuple, set])
@pytest.mark.parametrize(
    ("makers", "type", "message"),
    [
        ([Completed, Completed], StateType.COMPLETED, "All states completed."),
        ([Completed, Cancelled, Failed], StateType.CANCELLED, "1/3 states cancelled."),
        ([Completed, Paused, Failed], StateType.PAUSED, "1/3 states paused."),
        ([Completed, Failed, Failed], StateType.FAILED, "2/3 states failed."),
        ([Completed, Pending, Pending], StateType.FAILED, "2/3 states are not final."),
    ],
)
def test_states_are_summed_up(
    collection: Any, makers: list[Any], type: StateType, message: str
) -> None:
    state = ended(lambda: collection(of(*makers)))
    assert (state.type, state.message) == (type, message)


def test_a_single_state_of_a_run_is_summed_up_too() -> None:
    state = ended(lambda: bad(return_state=True))
    assert (state.type, state.message) == (StateType.FAILED, "1/1 states failed.")
    with pytest.raises(ValueError, match="bad"):
        state.result()


def test_the_states_become_the_data_of_a_flow_that_completed() -> None:
    made: list[Any] = []
    state = ended(lambda: made.extend(of(Completed, Completed)) or list(made))
    assert state.result() == made


def test_the_states_become_the_data_of_a_flow_that_failed() -> None:
    made: list[Any] = []
    state = ended(lambda: made.extend([good(return_state=True), bad(return_state=True)]) or made)
    assert state.data == made
    with pytest.raises(ValueError, match="bad"):
        state.result()


def test_futures_are_replaced_by_states() -> None:
    state = ended(lambda: [good.submit(), good.submit()])
    assert state.message == "All states completed."
    assert [type(item) for item in state.result()] == [State, State]
    assert [item.result() for item in state.result()] == [1, 1]


def test_a_single_future_is_replaced_by_its_state() -> None:
    state = ended(lambda: good.submit())
    assert state.result().result() == 1


def test_futures_deeper_in_collections_are_replaced_too_and_not_summed_up() -> None:
    state = ended(lambda: {"a": [bad.submit()], "b": 2})
    assert (state.type, state.message) == (StateType.COMPLETED, None)
    assert state.result()["a"][0].is_failed()


def test_a_failed_future_that_is_returned_fails_the_flow() -> None:
    state = ended(lambda: [good.submit(), bad.submit()])
    assert (state.type, state.message) == (StateType.FAILED, "1/2 states failed.")


def test_none_stands_for_all_runs_that_the_flow_made() -> None:
    @flow
    def child() -> int:
        return 2

    def function() -> None:
        good()
        good.submit()
        child()
        bad.submit()

    state = ended(function)
    assert (state.type, state.message) == (StateType.FAILED, "1/4 states failed.")
    states = state.data
    assert [inner.type.value for inner in states] == ["COMPLETED"] * 3 + ["FAILED"]
    assert [inner.result() for inner in states[:3]] == [1, 1, 2]


def test_none_with_completed_runs_has_them_as_data() -> None:
    def function() -> None:
        good()
        good.submit()

    state = ended(function)
    assert state.message == "All states completed."
    assert [inner.result() for inner in state.result()] == [1, 1]


def test_the_states_are_in_the_order_in_which_the_runs_were_made() -> None:
    @task
    async def slow(n: int) -> int:
        for _ in range(10 - n):
            await asyncio.sleep(0)
        return n

    @flow
    async def many() -> None:
        for n in range(5):
            await slow.submit(n)

    state = asyncio.run(many(return_state=True))
    assert [inner.data.fetch() for inner in state.data.fetch()] == [0, 1, 2, 3, 4]


def test_none_without_runs_is_completed_with_none() -> None:
    state = ended(lambda: None)
    assert (state.type, state.message) == (StateType.COMPLETED, None)
    assert state.result() is None


def test_a_nested_tasks_failure_is_not_among_the_flows_states() -> None:
    @task
    def outer() -> int:
        bad(return_state=True)
        return 1

    state = ended(lambda: outer() and None)
    assert state.message == "All states completed."
    assert len(state.result()) == 1


@pytest.mark.parametrize("decorate", [flow, task])
def test_generators_are_turned_into_lists(decorate: Any) -> None:
    made = decorate(lambda: (n for n in range(3)), name="it")
    assert made() == [0, 1, 2]


@pytest.mark.parametrize("decorate", [flow, task])
def test_a_generator_function_gives_the_list_of_what_it_yields(decorate: Any) -> None:
    @decorate  # type: ignore[untyped-decorator]
    def three() -> Any:
        yield from range(3)

    assert three() == [0, 1, 2]


@pytest.mark.parametrize("decorate", [flow, task])
def test_an_async_generator_function_gives_the_list_of_what_it_yields(decorate: Any) -> None:
    @decorate  # type: ignore[untyped-decorator]
    async def three() -> Any:
        for n in range(3):
            yield n

    assert asyncio.run(three()) == [0, 1, 2]


def test_tasks_called_in_a_generator_function_belong_to_its_flow() -> None:
    @flow
    def two() -> Any:
        yield good(return_state=True)
        yield good(return_state=True)

    state = two(return_state=True)
    assert [inner.state_details.flow_run_id for inner in state.result()] == [
        state.state_details.flow_run_id
    ] * 2


def test_a_marked_value_is_passed_through_untouched() -> None:
    marked = allow_failure([1, 2])
    assert ended(lambda: marked).result() is marked


def test_a_quoted_value_is_passed_through_untouched() -> None:
    assert ended(lambda: quote([1, 2])).result() == quote([1, 2])


def test_submitted_tasks_end_before_their_flow_does() -> None:
    ends = []

    @task
    def late() -> None:
        ends.append("task")

    @flow
    def early() -> str:
        late.submit()
        return "done"

    early()
    ends.append("flow")
    assert ends == ["task", "flow"]


def test_a_failed_task_that_was_called_raises_in_the_flow() -> None:
    with pytest.raises(ValueError, match="bad"):
        flow(lambda: bad(), name="it")()


def test_a_failed_task_that_was_submitted_does_not_fail_the_flow() -> None:
    assert ended(lambda: (bad.submit(), 5)[1]).result() == 5


@pytest.mark.parametrize(
    ("made", "error", "text"),
    [(Paused, PausedRun, "result is not available"), (Cancelled, CancelledRun, None)],
)
def test_a_paused_or_cancelled_state_is_given_and_its_result_raises(
    made: Any, error: type[Exception], text: str | None
) -> None:
    state = ended(lambda: made())
    assert state.type is made().type
    with pytest.raises(error, match=text):
        state.result()
    with pytest.raises(error, match=text):
        flow(lambda: made(), name="it")()


def test_a_paused_task_pauses_the_flow_that_returns_its_state() -> None:
    state = ended(lambda: given(Paused, return_state=True))
    assert state.is_paused()


def test_an_exception_fails_the_flow_and_is_its_data() -> None:
    error = ValueError("no")

    def function() -> None:
        raise error

    state = ended(function)
    assert (state.type, state.name) == (StateType.FAILED, "Failed")
    assert state.data is error
    assert state.result(raise_on_failure=False) is error
    with pytest.raises(ValueError, match="no") as raised:
        state.result()
    assert raised.value is error


def test_states_of_the_same_run_are_equal() -> None:
    made: list[Any] = []
    state = ended(lambda: made.append(good(return_state=True)))
    assert state.result() == made
