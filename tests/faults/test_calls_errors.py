"""Whatever users' functions raise and return: the right state in the store, the very exception."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from upshot import flow, task
from upshot.exceptions import UnserializableValue
from upshot.records import TaskRun
from upshot.runstore import open_store


class Awkward(Exception):
    """Has neither a text nor a pickle. (With no repr, asyncio itself cannot take it.)"""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    def __reduce__(self) -> Any:
        raise RuntimeError("no pickle")


class Holding(Exception):
    """Holds what no pickle can take."""

    def __init__(self) -> None:
        super().__init__("holding")
        self.lock = threading.Lock()


class NoteIsNoText(Exception):
    __notes__ = (1, b"x", "\ud800")


def with_cause() -> Exception:
    error = ValueError("outer")
    error.__cause__ = Awkward()
    return error


def in_a_circle() -> Exception:
    first, second = ValueError("first"), ValueError("second")
    first.__context__, second.__context__ = second, first
    return first


FAILED: list[Callable[[], Exception]] = [
    lambda: ExceptionGroup("several", [ValueError("one"), Awkward()]),
    Awkward,
    Holding,
    NoteIsNoText,
    lambda: UnicodeDecodeError("utf-8", b"\xff", 0, 1, "\ud800 half"),
    with_cause,
    in_a_circle,
    StopAsyncIteration,
    lambda: TimeoutError("of the user's own"),
]
CRASHED: list[Callable[[], BaseException]] = [
    lambda: SystemExit(3),
    KeyboardInterrupt,
    asyncio.CancelledError,
    GeneratorExit,
    lambda: BaseExceptionGroup("several", [SystemExit(3), ValueError("one")]),
    lambda: BaseException("of the user's own"),
]

Raise = Callable[[BaseException], Any]


@pytest.fixture(params=["sync", "asyncio", "trio", "async in sync"])
def call(request: pytest.FixtureRequest, upshot_home: Path) -> Callable[[Callable[[], Any]], Any]:
    """Calls a function as a task of a flow."""

    def calling(function: Callable[[], Any]) -> Any:
        async def awork() -> Any:
            return function()

        options: Any = {"persist_result": True, "name": "work", "retries": 1}
        work: Any = task(function if request.param == "sync" else awork, **options)

        @flow
        def outer() -> Any:
            return work()

        @flow(name="outer")
        async def aouter() -> Any:
            return await work()

        if request.param == "asyncio":
            with asyncio.Runner() as runner:
                return runner.run(aouter())
        return trio.run(aouter) if request.param == "trio" else outer()

    return calling


def raising(error: BaseException) -> Callable[[], None]:
    def work() -> None:
        raise error

    return work


def ended() -> dict[str, Any]:
    """The runs that are recorded, by their names."""
    store = open_store()
    runs: list[Any] = [*store.flow_runs()]
    runs += [run for one in list(runs) for run in store.task_runs(one.id)]
    return {run.task_name if isinstance(run, TaskRun) else run.flow_name: run for run in runs}


@pytest.mark.parametrize("make", FAILED)
def test_an_exception_fails_its_run_and_is_raised_as_it_is(
    make: Callable[[], Exception], call: Callable[[Callable[[], Any]], Any]
) -> None:
    error = make()

    with pytest.raises(Exception) as caught:
        call(raising(error))

    assert caught.value is error
    for run in ended().values():
        assert run.state_name == "Failed"
        assert type(error).__name__ in run.failure
        assert run.result is None
    assert ended()["work"].run_count == 2


@pytest.mark.parametrize("make", CRASHED)
def test_what_ends_a_program_crashes_its_runs_and_is_raised_as_it_is(
    make: Callable[[], BaseException], call: Callable[[Callable[[], Any]], Any]
) -> None:
    error = make()

    with pytest.raises(BaseException) as caught:
        call(raising(error))

    assert caught.value is error or isinstance(error, asyncio.CancelledError)
    for run in ended().values():
        assert run.state_name == "Crashed"
        assert type(error).__name__ in run.failure
        assert run.run_count == 1


def test_a_stop_iteration_fails_its_run(call: Callable[[Callable[[], Any]], Any]) -> None:
    # in a coroutine Python itself makes a RuntimeError of it
    with pytest.raises((StopIteration, RuntimeError)) as caught:
        call(raising(StopIteration(5)))

    assert "StopIteration" in repr(caught.value)
    assert {run.state_name for run in ended().values()} == {"Failed"}


class Refusing:
    """A value whose pickling raises."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __reduce__(self) -> Any:
        raise self.error


@pytest.mark.parametrize(
    "make",
    [
        lambda: threading.Lock(),
        lambda: [1, {"x": threading.Lock()}],
        lambda: Refusing(ValueError()),
    ],
)
def test_a_value_that_no_pickle_takes_fails_its_run_and_leaves_no_file(
    make: Callable[[], Any], call: Callable[[Callable[[], Any]], Any], upshot_home: Path
) -> None:
    with pytest.raises(UnserializableValue, match="result_serializer"):
        call(make)

    assert {run.state_name for run in ended().values()} == {"Failed"}
    assert [path for path in (upshot_home / "storage").rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()])
def test_a_value_whose_pickling_ends_the_program_crashes_its_run_and_leaves_no_file(
    error: BaseException, call: Callable[[Callable[[], Any]], Any], upshot_home: Path
) -> None:
    large = ["x" * 200_000, Refusing(error)]

    with pytest.raises(type(error)) as caught:
        call(lambda: large)

    assert caught.value is error
    assert {run.state_name for run in ended().values()} == {"Crashed"}
    assert [path for path in (upshot_home / "storage").rglob("*") if path.is_file()] == []


def test_a_state_that_is_asked_for_does_not_hide_what_ends_a_program(upshot_home: Path) -> None:
    @task
    def leaving() -> None:
        raise SystemExit(4)

    @flow
    def outer() -> None:
        leaving(return_state=True)

    with pytest.raises(SystemExit) as caught:
        outer(return_state=True)
    assert caught.value.code == 4
    assert {run.state_name for run in ended().values()} == {"Crashed"}
