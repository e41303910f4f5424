"""States: what they are, and what `result()` gives to sync callers."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from pydantic import ValidationError

from upshot import states
from upshot.documents import Failure, LiteralResult, PersistedResult, UnpersistedResult
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
    State,
    StateType,
    is_state,
    is_state_iterable,
    summarize,
)

MAKERS = {
    Pending: "Pending",
    Scheduled: "Scheduled",
    Running: "Running",
    Retrying: "Retrying",
    AwaitingRetry: "AwaitingRetry",
    Completed: "Completed",
    Failed: "Failed",
    Crashed: "Crashed",
    Cancelled: "Cancelled",
    Cancelling: "Cancelling",
    Paused: "Paused",
}
RUN = UUID(int=7)


def held(value: Any) -> UnpersistedResult[Any]:
    document: UnpersistedResult[Any] = UnpersistedResult()
    document.hold(value)
    return document


@pytest.mark.parametrize(("make", "name"), MAKERS.items(), ids=MAKERS.values())
def test_each_maker_makes_its_state(make: Any, name: str) -> None:
    state = make(message="why")
    assert (state.name, state.message, state.data) == (name, "why", None)
    assert state.timestamp.tzinfo is UTC


@pytest.mark.parametrize("type", StateType)
def test_a_state_is_of_one_type_and_named_after_it(type: StateType) -> None:
    state: State[Any] = State(type=type)
    assert state.name == type.value.capitalize()
    assert State(type=type.value, name=None).name == state.name
    assert State(type=type, name="Mine").name == "Mine"
    true = [name for name in dir(State) if name.startswith("is_") and getattr(state, name)()]
    final = ["is_final"] if type in states.model.FINAL else []
    assert sorted(true) == sorted([f"is_{type.value.lower()}", *final])


@pytest.mark.parametrize(
    "fields", [{}, {"type": "DONE"}, {"type": None}, {"type": "FAILED", "colour": "red"}]
)
def test_a_state_of_no_type_is_refused(fields: Any) -> None:
    with pytest.raises(ValidationError):
        State(**fields)


def test_states_are_hashable_and_differ() -> None:
    first, second = Completed(), Completed()
    assert first != second
    assert len({first, second, first.copy()}) == 2
    assert [first] == [first.copy()]


def test_a_state_may_be_changed_and_stays_where_it_is_in_a_set() -> None:
    state: State[Any] = Completed()
    known = {state}
    state.name, state.state_details.cache_key = "Mine", "key"
    assert state in known
    assert State.parse_raw(state.json()) == state


def test_json_holds_references_the_text_of_exceptions_and_no_value_of_a_document() -> None:
    document = PersistedResult[str](
        serializer_type="pickle", storage_block_id=RUN, storage_key="key"
    )
    document.hold("secret")
    failure = Failure(exception_type="a.B", message="m")
    for data, kept in [
        (document, document),
        (LiteralResult(value=True), LiteralResult(value=True)),
        (failure, failure),
        (ValueError("m"), Failure(exception_type="builtins.ValueError", message="m")),
        ([Completed(data="secret")], None),
        (("secret",), None),
    ]:
        state = Failed(data=data, state_details={"task_run_id": RUN}, message="m")
        assert "secret" not in state.json()
        assert State.parse_raw(state.json()) == state.copy(update={"data": kept})


@pytest.mark.parametrize("data", ["text", 1, 0.5, True, None, [], {}, {"a": [1, None, {"b": "c"}]}])
def test_json_holds_plain_data_of_a_state_that_was_made_by_hand(data: Any) -> None:
    again = State.parse_raw(Completed(data=data).json())
    assert again.data == data
    assert type(again.data) is type(data)


def test_json_leaves_out_data_that_it_would_change() -> None:
    for data in ((1, 2), {1: 2}, float("inf"), {"type": "literal", "value": True}, object()):
        assert State.parse_raw(Completed(data=data).json()).data is None


def test_a_dict_that_looks_like_a_document_stays_a_dict() -> None:
    lookalike = {"type": "literal", "value": True}
    assert State(type="COMPLETED", data=lookalike).data == lookalike
    assert State.parse_obj({"type": "COMPLETED", "data": lookalike}).result() == lookalike


def test_a_state_that_raised_can_be_pickled() -> None:
    state = Failed(data=ValueError("x"), timestamp=datetime(2026, 1, 1, tzinfo=UTC))
    with pytest.raises(ValueError):
        state.result()
    again = pickle.loads(pickle.dumps(state))
    assert (again.id, again.timestamp, str(again.data)) == (state.id, state.timestamp, "x")
    assert pickle.loads(pickle.dumps(Completed(data=held([1])))).result() == [1]


def test_no_value_stands_in_the_text_of_a_state() -> None:
    assert "secret" not in repr(Completed(data="secret"))
    assert "secret" not in str(Failed(data=ValueError("secret")))


@pytest.mark.parametrize(
    ("made", "type", "message"),
    [
        ([], StateType.COMPLETED, "All states completed."),
        ([Completed(), Completed()], StateType.COMPLETED, "All states completed."),
        ([Completed(), Failed(), Crashed()], StateType.FAILED, "2/3 states failed."),
        ([Cancelled(), Failed(), Paused()], StateType.CANCELLED, "1/3 states cancelled."),
        ([Paused(), Failed()], StateType.PAUSED, "1/2 states paused."),
        ([Completed(), Running(), Cancelling()], StateType.FAILED, "2/3 states are not final."),
    ],
)
def test_several_states_amount_to_one(made: Any, type: StateType, message: str) -> None:
    assert summarize(state.type for state in made) == (type, message)


def test_what_is_a_state_and_what_holds_states() -> None:
    state = Completed()
    assert is_state(state)
    assert not is_state(State)
    assert all(map(is_state_iterable, ([state], (state, state), {state})))
    assert not any(map(is_state_iterable, ([], [state, 1], {"a": state}, state, iter([state]))))
