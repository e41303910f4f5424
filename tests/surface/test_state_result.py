"""What `state.result()` and `raise_state_exception` give."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable
from typing import Any

import pytest

from upshot import State, flow, task
from upshot.exceptions import (
    CancelledRun,
    CrashedRun,
    FailedRun,
    MissingResult,
    PausedRun,
    UnfinishedRun,
)
from upshot.results import LiteralResult, UnpersistedResult
from upshot.settings import get_current_settings
from upshot.states import (
    AwaitingRetry,
    Cancelled,
    Cancelling,
    Completed,
    Crashed,
    Failed,
    Paused,
    Pending,
    Running,
    Scheduled,
    get_state_exception,
    raise_state_exception,
)
from upshot.testing import isolated

pytestmark = pytest.mark.usefixtures("upshot_home")

ENDED_BADLY = [(Failed, FailedRun), (Crashed, CrashedRun), (Cancelled, CancelledRun)]
BAD = [make for make, _ in ENDED_BADLY]
UNFINISHED = [Pending, Running, Scheduled, AwaitingRetry, Cancelling]


def in_async(work: Callable[[], Any]) -> Any:
    """What `work` gives where a loop runs."""

    async def main() -> Any:
        return work()

    return asyncio.run(main())


def awaited(work: Callable[[], Any]) -> Any:
    async def main() -> Any:
        return await work()

    return asyncio.run(main())


@pytest.mark.parametrize("raise_on_failure", [True, False])
def test_a_paused_state_has_no_result(raise_on_failure: bool) -> None:
    with pytest.raises(PausedRun, match="result is not available"):
        Paused().result(raise_on_failure=raise_on_failure)


@pytest.mark.parametrize("raise_on_failure", [True, False])
@pytest.mark.parametrize("make", UNFINISHED)
def test_a_state_that_is_not_final_has_no_result(make: Any, raise_on_failure: bool) -> None:
    with pytest.raises(UnfinishedRun):
        make(data=1).result(raise_on_failure=raise_on_failure)


@pytest.mark.parametrize("make", BAD)
def test_a_state_that_ended_badly_raises_its_exception_or_gives_it(make: Any) -> None:
    error = ValueError("no")
    state = make(data=error)
    with pytest.raises(ValueError, match="no") as caught:
        state.result()
    assert caught.value is error
    assert state.result(raise_on_failure=False) is error


@pytest.mark.parametrize(("make", "kind"), ENDED_BADLY)
def test_a_state_that_ended_badly_without_data_gives_an_exception_of_its_type(
    make: Any, kind: Any
) -> None:
    error = make(message="why").result(raise_on_failure=False)
    assert type(error) is kind
    assert str(error) == "why"


def test_data_that_is_no_exception_is_given_where_nothing_is_to_be_raised() -> None:
    inner = [Completed(), Failed()]
    assert Failed(data="hello!").result(raise_on_failure=False) == "hello!"
    assert Failed(data=inner).result(raise_on_failure=False) == inner


def test_results_are_fetched() -> None:
    assert Completed(data=LiteralResult(value=True)).result() is True
    assert Completed(data=UnpersistedResult.create([1])).result() == [1]


@pytest.mark.parametrize("value", [0, "", [], {}, "x", {"type": "unpersisted"}])
def test_plain_data_is_the_result(value: Any) -> None:
    assert Completed(data=value).result() is value


def test_a_completed_state_without_data_has_no_result() -> None:
    with pytest.raises(MissingResult):
        Completed().result()
    with pytest.raises(MissingResult):
        Completed().result(raise_on_failure=False)


def test_sync_callers_get_the_value_whatever_fetch_says() -> None:
    state = Completed(data=LiteralResult(value=True))
    assert state.result() is True
    assert state.result(fetch=True) is True


def test_async_callers_get_the_data_with_a_warning() -> None:
    data = LiteralResult(value=True)
    with pytest.warns(
        DeprecationWarning,
        match=r"State\.result\(\) was called from an async context but not awaited\.",
    ):
        assert in_async(lambda: Completed(data=data).result()) is data


def test_async_callers_get_an_awaitable_with_the_setting() -> None:
    with isolated(async_fetch_state_result=True):
        assert get_current_settings().async_fetch_state_result
        assert awaited(lambda: Completed(data=LiteralResult(value=True)).result()) is True
        with pytest.raises(ValueError, match="no"):
            awaited(lambda: Failed(data=ValueError("no")).result())


def test_fetch_false_gives_the_data_without_a_warning() -> None:
    data = LiteralResult(value=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert in_async(lambda: Completed(data=data).result(fetch=False)) is data


def test_fetch_true_gives_async_callers_an_awaitable() -> None:
    assert awaited(lambda: Completed(data=LiteralResult(value=True)).result(fetch=True)) is True
    error = ValueError("no")
    state = Failed(data=error)
    assert awaited(lambda: state.result(raise_on_failure=False, fetch=True)) is error


def test_no_run_triggers_the_warning() -> None:
    @task
    async def child(fails: bool) -> int:
        if fails:
            raise ValueError("no")
        return 1

    @flow
    async def inner() -> int:
        return 2

    @flow
    async def outer() -> Any:
        future = await child.submit(False)
        state = await child(True, return_state=True)
        assert state.is_failed()
        return [await future.result(), await child(False), await inner()]

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert asyncio.run(outer()) == [1, 1, 2]


def test_a_sync_flow_called_from_async_code_gets_the_value() -> None:
    @flow
    def inside() -> Any:
        return Completed(data=LiteralResult(value=True)).result()

    assert in_async(lambda: inside()) is True


def test_a_completed_state_raises_nothing() -> None:
    assert raise_state_exception(Completed(data=ValueError("no"))) is None


@pytest.mark.parametrize("make", BAD)
@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt(), SystemExit(2)])
def test_exceptions_are_raised_as_they_are(make: Any, error: BaseException) -> None:
    for data in (error, UnpersistedResult.create(error)):
        with pytest.raises(type(error)) as caught:
            raise_state_exception(make(data=data))
        assert caught.value is error


@pytest.mark.parametrize("make", BAD)
def test_the_exception_of_an_inner_state_is_raised(make: Any) -> None:
    with pytest.raises(ValueError, match="no"):
        raise_state_exception(make(data=Failed(data=ValueError("no"))))


@pytest.mark.parametrize("collection", [list, tuple])
def test_the_first_failed_one_of_several_states_is_raised(collection: Any) -> None:
    states = collection([Completed(), Failed(data=ValueError("a")), Failed(data=KeyError("b"))])
    with pytest.raises(ValueError, match="a"):
        raise_state_exception(Failed(data=states))


def test_of_several_states_one_must_have_failed() -> None:
    with pytest.raises(
        ValueError,
        match=r"Failed state result was an iterable of states but none were failed\.",
    ):
        raise_state_exception(Failed(data=[Completed(), Completed()]))


def test_an_inner_state_must_have_failed() -> None:
    with pytest.raises(ValueError, match="Expected failed or crashed state got Completed"):
        raise_state_exception(Failed(data=Completed(data="hi")))


@pytest.mark.parametrize(("make", "kind"), ENDED_BADLY)
def test_text_or_the_message_is_raised_by_type(make: Any, kind: Any) -> None:
    for state in (make(data="why"), make(message="why"), make(data="why", message="other")):
        with pytest.raises(kind, match=r"^why$"):
            raise_state_exception(state)
    with pytest.raises(kind):
        raise_state_exception(make())


@pytest.mark.parametrize(("data", "name"), [(5, "int"), ({}, "dict"), ([1], "list")])
def test_other_data_stands_for_no_exception(data: Any, name: str) -> None:
    with pytest.raises(TypeError, match=f"{name} cannot be resolved into an exception"):
        raise_state_exception(Failed(data=data))
    with pytest.raises(TypeError, match=f"{name} cannot be resolved into an exception"):
        Failed(data=data).result()


def test_async_callers_await_it() -> None:
    with pytest.raises(ValueError, match="no"):
        awaited(lambda: raise_state_exception(Failed(data=ValueError("no"))))
    assert awaited(lambda: raise_state_exception(Completed())) is None
    error = ValueError("no")
    assert awaited(lambda: get_state_exception(Failed(data=error))) is error
    assert get_state_exception(Failed(data=error)) is error
    assert awaited(lambda: get_state_exception.aio(Failed(data=error))) is error


def test_a_state_read_back_fetches_what_was_persisted() -> None:
    @task(persist_result=True)
    def persisted() -> dict[str, int]:
        return {"a": 1}

    @task(persist_result=True)
    def literal() -> bool:
        return True

    for run, value in ((persisted, {"a": 1}), (literal, True)):
        text = run(return_state=True).json()
        assert State.parse_raw(text).result() == value
        assert awaited(lambda text=text: State.parse_raw(text).result(fetch=True)) == value


@pytest.mark.parametrize("value", [1, None])
def test_a_state_read_back_has_no_result_that_was_not_persisted(value: Any) -> None:
    @task(persist_result=False)
    def unpersisted() -> Any:
        return value

    state = unpersisted(return_state=True)
    assert state.result() == value
    with pytest.raises(MissingResult):
        State.parse_raw(state.json()).result()
