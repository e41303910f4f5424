"""What `State.result()` gives to sync callers."""

from __future__ import annotations

import contextlib
import gc
import weakref
from traceback import walk_tb
from typing import Any
from uuid import UUID

import pytest

from upshot.documents import Failure, LiteralResult, UnpersistedResult
from upshot.exceptions import (
    CancelledRun,
    CrashedRun,
    DroppedFromMemory,
    FailedRun,
    NotPersisted,
    PausedRun,
    UnfinishedRun,
)
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
    StateDetails,
)

UNFINISHED = [Pending, Scheduled, Running, Retrying, AwaitingRetry, Cancelling]
ENDED_BADLY = [(Failed, FailedRun), (Crashed, CrashedRun), (Cancelled, CancelledRun)]
RUN = UUID(int=7)


def held(value: Any) -> UnpersistedResult[Any]:
    document: UnpersistedResult[Any] = UnpersistedResult()
    document.hold(value)
    return document


@pytest.mark.parametrize("value", [0, "", [], {}, {"type": "literal", "value": 1}, [1], object()])
def test_the_result_of_a_completed_state_is_its_value(value: Any) -> None:
    assert Completed(data=held(value)).result() is value
    assert Completed(data=value).result() is value
    assert Completed(data=value).result(raise_on_failure=False, fetch=True) is value


@pytest.mark.parametrize("value", [None, True, RUN])
def test_a_literal_is_its_own_result(value: Any) -> None:
    assert Completed(data=LiteralResult(value=value)).result() == value


def test_a_completed_state_without_data_has_no_result() -> None:
    with pytest.raises(NotPersisted, match="no data"):
        Completed().result()


def test_a_missing_result_names_its_run() -> None:
    dropped = UnpersistedResult[int]()
    dropped.drop()
    of_task = StateDetails(flow_run_id=UUID(int=1), task_run_id=RUN)
    with pytest.raises(DroppedFromMemory, match=f"the result of task run {RUN}: "):
        Completed(data=dropped, state_details=of_task).result(raise_on_failure=False)
    with pytest.raises(NotPersisted, match=f"the result of flow run {RUN}: "):
        Completed(data=UnpersistedResult(), state_details={"flow_run_id": RUN}).result()


@pytest.mark.parametrize("raise_on_failure", [True, False])
@pytest.mark.parametrize("make", UNFINISHED)
def test_a_run_that_has_not_ended_has_no_result(make: Any, raise_on_failure: bool) -> None:
    with pytest.raises(UnfinishedRun, match="has not ended; wait"):
        make(data=held(1)).result(raise_on_failure)


@pytest.mark.parametrize("raise_on_failure", [True, False])
def test_a_paused_run_has_no_result(raise_on_failure: bool) -> None:
    with pytest.raises(PausedRun, match="result is not available"):
        Paused().result(raise_on_failure)


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt(), StopIteration(1)])
@pytest.mark.parametrize("make", [Failed, Crashed, Cancelled])
def test_a_run_that_ended_badly_raises_the_very_exception_or_returns_it(
    make: Any, error: BaseException
) -> None:
    for data in (error, held(error), make(data=error), [Completed(), make(data=error)]):
        state = make(data=data)
        with pytest.raises(type(error)) as caught:
            state.result()
        assert caught.value is error
    for data in (error, held(error)):
        assert make(data=data).result(raise_on_failure=False) is error


@pytest.mark.parametrize(("make", "kind"), ENDED_BADLY)
def test_a_run_that_ended_badly_without_an_exception_gets_one(make: Any, kind: type) -> None:
    for state, text in ((make(message="why"), "why"), (make(), kind.__doc__)):
        error = state.result(raise_on_failure=False)
        assert type(error) is kind
        assert str(error) == text
    with pytest.raises(kind, match=r"^why$"):
        make(data="why").result()


def test_a_recorded_failure_is_raised_with_what_is_left_of_it() -> None:
    failure = Failure(exception_type="a.B", message="m", traceback="File x", notes=("n",))
    with pytest.raises(FailedRun, match=r"^a\.B: m") as caught:
        Failed(data=failure).result()
    assert str(caught.value) == "a.B: m"
    assert caught.value.__notes__ == ["n", "File x"]


def test_a_failed_state_of_states_needs_a_failed_one() -> None:
    with pytest.raises(ValueError, match="none were failed"):
        Failed(data=[Completed(), Pending()]).result()
    with pytest.raises(ValueError, match="Expected failed or crashed state got Completed"):
        Failed(data=Completed()).result()


def test_asking_again_and_again_adds_no_frames_and_holds_none() -> None:
    class Local:
        pass

    def ask(state: State[Any]) -> weakref.ref[Local]:
        local = Local()
        with pytest.raises(ValueError):
            state.result()
        return weakref.ref(local)

    state = Failed(data=ValueError("x"))
    gc.disable()
    try:
        seen = [ask(state) for _ in range(5)]
    finally:
        gc.enable()
    frames = len([*walk_tb(state.data.__traceback__)])
    ask(state)
    assert len([*walk_tb(state.data.__traceback__)]) == frames
    assert [alive for alive in seen[:-1] if alive() is not None] == []


def test_an_exception_that_was_raised_is_freed_without_the_collector() -> None:
    class Error(ValueError):
        pass

    state = Failed(data=Error())
    alive = weakref.ref(state.data)
    gc.disable()
    try:
        with contextlib.suppress(Error):
            state.result()
        del state
        assert alive() is None
    finally:
        gc.enable()
