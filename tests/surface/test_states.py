"""States: what they are made of, and what can be asked of them."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from upshot import State, flow, task
from upshot.results import LiteralResult, PersistedResult, ResultFactory, UnpersistedResult
from upshot.states import (
    AwaitingRetry,
    Cancelled,
    Cancelling,
    Completed,
    Crashed,
    Failed,
    Paused,
    Pending,
    Retrying,
    Running,
    Scheduled,
    StateDetails,
    StateGroup,
    StateType,
    exception_to_crashed_state,
    exception_to_failed_state,
    is_state,
    is_state_iterable,
    return_value_to_state,
)

pytestmark = pytest.mark.usefixtures("upshot_home")

MAKERS = {
    Pending: (StateType.PENDING, "Pending"),
    Scheduled: (StateType.SCHEDULED, "Scheduled"),
    Running: (StateType.RUNNING, "Running"),
    Retrying: (StateType.RUNNING, "Retrying"),
    AwaitingRetry: (StateType.SCHEDULED, "AwaitingRetry"),
    Completed: (StateType.COMPLETED, "Completed"),
    Failed: (StateType.FAILED, "Failed"),
    Crashed: (StateType.CRASHED, "Crashed"),
    Cancelled: (StateType.CANCELLED, "Cancelled"),
    Cancelling: (StateType.CANCELLING, "Cancelling"),
    Paused: (StateType.PAUSED, "Paused"),
}
ASKED = {
    "is_completed": {"COMPLETED"},
    "is_failed": {"FAILED"},
    "is_crashed": {"CRASHED"},
    "is_cancelled": {"CANCELLED"},
    "is_cancelling": {"CANCELLING"},
    "is_paused": {"PAUSED"},
    "is_pending": {"PENDING"},
    "is_running": {"RUNNING"},
    "is_scheduled": {"SCHEDULED"},
    "is_final": {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"},
}


def test_a_state_takes_these_fields() -> None:
    at, id = datetime(2026, 1, 2, tzinfo=UTC), uuid4()
    state = State(
        type=StateType.FAILED,
        name="Mine",
        message="why",
        data="because",
        state_details=StateDetails(cache_key="key"),
        timestamp=at,
        id=id,
    )
    assert (state.type, state.name, state.message) == (StateType.FAILED, "Mine", "why")
    assert (state.data, state.timestamp, state.id) == ("because", at, id)
    assert state.state_details.cache_key == "key"


def test_there_are_nine_types_of_states() -> None:
    assert {type.value for type in StateType} == {
        "PENDING",
        "RUNNING",
        "SCHEDULED",
        "COMPLETED",
        "FAILED",
        "CANCELLED",
        "CRASHED",
        "PAUSED",
        "CANCELLING",
    }


@pytest.mark.parametrize("type", StateType)
def test_a_state_is_named_after_its_type(type: StateType) -> None:
    assert State(type=type).name == type.value.capitalize()
    assert State(type=type, name="Mine").name == "Mine"


def test_state_details_are_given_as_a_dict_or_as_an_object() -> None:
    ids = {"flow_run_id": uuid4(), "task_run_id": uuid4(), "child_flow_run_id": uuid4()}
    rest: dict[str, Any] = {
        "cache_key": "key",
        "cache_expiration": datetime(2026, 1, 2, tzinfo=UTC),
        "scheduled_time": datetime(2026, 1, 3, tzinfo=UTC),
        "untrackable_result": True,
    }
    details = StateDetails(**ids, **rest)
    assert Completed(state_details={**ids, **rest}).state_details == details
    assert Completed(state_details=details).state_details == details
    assert State.parse_raw(Completed(state_details=details).json()).state_details == details


@pytest.mark.parametrize(
    ("make", "made"), MAKERS.items(), ids=lambda item: getattr(item, "__name__", "")
)
def test_each_constructor_makes_its_state(make: Any, made: tuple[StateType, str]) -> None:
    state = make(message="why", data=3)
    assert (state.type, state.name) == made
    assert (state.message, state.data) == ("why", 3)
    assert make(name="Mine").name == "Mine"


def test_a_constructor_makes_states_of_another_class() -> None:
    class Mine(State):
        pass

    assert type(Completed(cls=Mine)) is Mine
    assert type(Scheduled(cls=Mine)) is Mine


@pytest.mark.parametrize("make", [Scheduled, AwaitingRetry])
def test_a_scheduled_state_has_a_time(make: Any) -> None:
    at = datetime(2030, 1, 1, tzinfo=UTC)
    assert make(scheduled_time=at).state_details.scheduled_time == at
    assert make(state_details={"scheduled_time": at}).state_details.scheduled_time == at
    with pytest.raises(ValueError, match="scheduled_time"):
        make(scheduled_time=at, state_details={"scheduled_time": at})


def test_a_scheduled_state_without_a_time_is_for_now() -> None:
    for state in (Scheduled(), State(type="SCHEDULED"), AwaitingRetry()):
        assert abs(datetime.now(UTC) - state.state_details.scheduled_time) < timedelta(minutes=1)
    assert Completed().state_details.scheduled_time is None


@pytest.mark.parametrize("question", ASKED)
def test_a_state_says_where_its_run_stands(question: str) -> None:
    true = {type.value for type in StateType if getattr(State(type=type), question)()}
    assert true == ASKED[question]


def test_final_are_those_of_runs_that_have_ended() -> None:
    final = [make for make in MAKERS if make().is_final()]
    assert final == [Completed, Failed, Crashed, Cancelled]


def test_states_can_be_hashed_and_lists_of_them_compared() -> None:
    first, second = Completed(data=1), Completed(data=1)
    assert len({first, second, first.copy()}) == 2
    assert [first, second] == [first.copy(), second.copy()]
    assert [first, second] != [second, first]


def test_a_state_answers_to_the_idioms_of_pydantic() -> None:
    state = Completed(message="why", data=3)
    assert "data" not in state.dict(exclude={"data"})
    assert state.dict()["data"] == 3
    assert State.parse_obj(state.dict()) == state
    assert State.parse_raw(state.json()) == state
    assert state.copy(update={"name": "Mine"}).name == "Mine"
    assert State.construct(type=StateType.FAILED, name="Mine").name == "Mine"


@pytest.mark.parametrize(
    "result", [LiteralResult(value=True), LiteralResult(value=None), UnpersistedResult()]
)
def test_a_result_among_the_data_comes_back_as_a_result(result: Any) -> None:
    state = Completed(data=result)
    for again in (
        State.parse_obj(state.dict()),
        State.parse_raw(state.json()),
        State.parse_obj(json.loads(state.json())),
    ):
        assert again == state
        assert type(again.data) is type(result)


def test_a_dict_that_looks_like_a_result_comes_back_unchanged() -> None:
    lookalike = {"type": "literal", "value": True}
    assert Completed(data=lookalike).result() == lookalike
    assert State.parse_obj(Completed(data=lookalike).dict()).result() == lookalike


def test_what_is_a_state() -> None:
    assert is_state(Completed())
    assert not is_state(State)
    assert not is_state(None)
    assert not is_state("Completed")


def test_what_holds_states() -> None:
    state = Completed()
    assert all(map(is_state_iterable, ([state], (state, state), {state})))
    for thing in ([], (), set(), [state, 1], {"a": state}, {state: state}, state, iter([state])):
        assert not is_state_iterable(thing)


def factory(**options: Any) -> ResultFactory:
    made: ResultFactory = ResultFactory.default_factory(**options)
    return made


def to_state(value: Any, **options: Any) -> Any:
    async def main() -> Any:
        return await return_value_to_state(value, await ResultFactory.default_factory(**options))

    return asyncio.run(main())


def test_a_value_becomes_the_result_of_a_completed_state() -> None:
    state = to_state("foo")
    assert state.is_completed()
    assert state.result() == "foo"
    assert return_value_to_state("foo", factory()).result() == "foo"


@pytest.mark.parametrize(
    ("states", "type", "message"),
    [
        ([Completed(message="hi"), Completed()], "COMPLETED", "All states completed."),
        ([Completed(), Cancelled(), Failed()], "CANCELLED", "1/3 states cancelled."),
        ([Completed(), Paused(), Failed()], "PAUSED", "1/3 states paused."),
        ([Completed(), Failed(), Crashed()], "FAILED", "2/3 states failed."),
        ([Completed(), Running(), Pending()], "FAILED", "2/3 states are not final."),
    ],
)
def test_states_are_summed_up(states: Any, type: str, message: str) -> None:
    state = to_state(states)
    assert (state.type.value, state.message) == (type, message)
    if type != "PAUSED":
        assert state.result(raise_on_failure=False) == states


def test_a_state_that_was_made_by_hand_is_given_back_itself() -> None:
    state = Completed(data="hello!")
    assert to_state(state) is state
    assert state.result() == "hello!"
    failed = Failed(data="hello!", message="why")
    assert to_state(failed) is failed
    assert failed.result(raise_on_failure=False) == "hello!"
    with pytest.raises(Exception, match="hello!"):
        failed.result()


def test_a_state_without_data_gets_the_result_none() -> None:
    state = Completed(data=None)
    assert to_state(state) is state
    assert isinstance(state.data, UnpersistedResult)
    assert state.result() is None


def test_the_data_of_a_state_is_persisted_where_results_are() -> None:
    state = Completed(data="test")
    assert to_state(state, persist_result=True) is state
    assert isinstance(state.data, PersistedResult)
    assert state.result() == "test"


def test_data_that_is_a_result_is_kept() -> None:
    result = factory(persist_result=True).create_result(42)
    state = to_state(result)
    assert state.data == result
    assert state.result() == 42
    by_hand = Completed(data=result)
    assert to_state(by_hand) is by_hand
    assert by_hand.data is result


def test_a_group_counts_its_states() -> None:
    group = StateGroup([Failed(), Crashed(), Running(), Completed()])
    assert group.fail_count == 2
    assert (group.total_count, group.not_final_count, group.final_count) == (4, 1, 3)


@pytest.mark.parametrize(
    ("states", "all_completed", "any_cancelled", "any_paused", "any_failed", "all_final"),
    [
        ([Completed(), Completed()], True, False, False, False, True),
        ([Completed(), Cancelled()], False, True, False, False, True),
        ([Completed(), Paused()], False, False, True, False, False),
        ([Completed(), Failed()], False, False, False, True, True),
        ([Completed(), Crashed()], False, False, False, True, True),
        ([Completed(), Running()], False, False, False, False, False),
    ],
)
def test_a_group_says_what_holds_of_all_and_of_any(
    states: Any,
    all_completed: bool,
    any_cancelled: bool,
    any_paused: bool,
    any_failed: bool,
    all_final: bool,
) -> None:
    group = StateGroup(states)
    assert group.all_completed() is all_completed
    assert group.any_cancelled() is any_cancelled
    assert group.any_paused() is any_paused
    assert group.any_failed() is any_failed
    assert group.all_final() is all_final


def test_a_group_tells_its_counts() -> None:
    states = [Failed(), Running(), Running(), Completed()]
    assert StateGroup(states).counts_message() == (
        "total=4, not_final=2, 'FAILED'=1, 'RUNNING'=2, 'COMPLETED'=1"
    )
    assert StateGroup([Completed()]).counts_message() == "total=1, 'COMPLETED'=1"


def test_an_exception_becomes_a_failed_state() -> None:
    error = ValueError("no")
    state = exception_to_failed_state(error, message="Before:", name="Mine")
    assert (state.type, state.name, state.data) == (StateType.FAILED, "Mine", error)
    assert state.message == "Before: ValueError: no"
    try:
        raise error
    except ValueError:
        assert exception_to_failed_state().data is error
    with pytest.raises(ValueError, match="no exception"):
        exception_to_failed_state()


def test_an_interrupt_becomes_a_crashed_state() -> None:
    async def main() -> Any:
        return await exception_to_crashed_state(KeyboardInterrupt())

    state = asyncio.run(main())
    assert state.is_crashed()
    assert "interrupt" in state.message


def test_states_of_runs_know_their_runs() -> None:
    @task
    def child() -> int:
        return 1

    @flow
    def parent() -> Any:
        return child(return_state=True).state_details

    state = parent(return_state=True)
    details = state.result()
    assert isinstance(details.task_run_id, UUID)
    assert details.flow_run_id == state.state_details.flow_run_id


@pytest.mark.parametrize("make", [Scheduled, AwaitingRetry])
def test_a_scheduled_time_is_checked_where_it_is_given(make: Any) -> None:
    state = make(scheduled_time="2030-01-02T03:04:05Z")
    assert state.state_details.scheduled_time == datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
    with pytest.raises(ValueError, match="scheduled_time"):
        make(scheduled_time="soon")
