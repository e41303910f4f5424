"""What becomes of the exceptions of failed runs, in this process and in others."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from upshot import State, flow, task
from upshot.exceptions import FailedRun
from upshot.runstore import open_store
from upshot.serializers import PickleSerializer
from upshot.states import StateDetails

pytestmark = pytest.mark.usefixtures("upshot_home")

# what a program has in a module of its own
ERRORS = """
class Plain(Exception):
    pass

class Formatted(Exception):
    def __init__(self, code):
        super().__init__(f"code {code}")
        self.code = code

class Two(Exception):
    def __init__(self, first, *, second):
        super().__init__(f"{first} and {second}")
        self.first, self.second = first, second

def chained():
    try:
        raise KeyError("inner")
    except KeyError as cause:
        error = Plain("outer")
        error.add_note("a note")
        raise error from cause

def implicit():
    try:
        raise KeyError("inner")
    except KeyError:
        raise Plain("outer")
"""
READ = """
import sys
from upshot import State
error = State.parse_raw(sys.stdin.read()).result(raise_on_failure=False)
print(f"{type(error).__module__}.{type(error).__qualname__}")
print(error)
print(getattr(error, "__notes__", []))
print(repr(error.__cause__), repr(error.__context__))
print({name: value for name, value in vars(error).items() if name != "__notes__"})
"""


@pytest.fixture
def errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    (tmp_path / "program_errors.py").write_text(ERRORS)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    import program_errors  # type: ignore[import-not-found]

    yield program_errors
    del sys.modules["program_errors"]


def in_a_new_process(state: State[Any]) -> list[str]:
    open_store().flush()
    ran = subprocess.run(
        [sys.executable, "-c", READ],
        input=state.json(),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ},
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.splitlines()


def failed(work: Any, **options: Any) -> State[Any]:
    @flow(**options)
    def failing() -> None:
        work()

    state: State[Any] = failing(return_state=True)
    assert state.is_failed()
    return state


def raising(error: BaseException) -> Any:
    def work() -> None:
        raise error

    return work


@pytest.mark.parametrize("options", [{}, {"persist_result": True, "result_serializer": "json"}])
def test_a_failed_run_read_back_raises_the_same_exception(options: Any) -> None:
    @task(**options)
    def child() -> None:
        raise ValueError("no data")

    @flow(**options)
    def parent() -> None:
        child()

    for run in (child, parent):
        again = State.parse_raw(run(return_state=True).json())
        with pytest.raises(ValueError, match=r"^no data$") as caught:
            again.result()
        assert type(caught.value) is ValueError

        async def main(state: State[Any] = again) -> Any:
            return await state.result(raise_on_failure=False, fetch=True)

        assert repr(asyncio.run(main())) == "ValueError('no data')"


def test_an_exception_of_an_async_run_is_kept_alike() -> None:
    @task(result_serializer="json", persist_result=True)
    async def child() -> None:
        raise ValueError("no data")

    async def main() -> Any:
        state = await child(return_state=True)
        error = await state.result(raise_on_failure=False, fetch=True)
        again = State.parse_raw(state.json())
        return error, await again.result(raise_on_failure=False, fetch=True)

    for error in asyncio.run(main()):
        assert repr(error) == "ValueError('no data')"


@pytest.mark.parametrize("serializer", ["pickle", "json"])
def test_an_exception_is_the_same_in_a_new_process(errors: Any, serializer: str) -> None:
    state = failed(errors.chained, result_serializer=serializer, persist_result=True)
    kind, text, notes, chain, _ = in_a_new_process(state)
    assert (kind, text, notes) == ("program_errors.Plain", "outer", "['a note']")
    assert chain.startswith("KeyError('inner')")


def test_what_was_being_handled_is_the_context(errors: Any) -> None:
    *_, chain, _ = in_a_new_process(failed(errors.implicit))
    assert chain == "None KeyError('inner')"


def test_an_exception_whose_class_takes_other_arguments_is_the_same(errors: Any) -> None:
    kind, text, _, _, fields = in_a_new_process(failed(raising(errors.Formatted(5))))
    assert (kind, text, fields) == ("program_errors.Formatted", "code 5", "{'code': 5}")
    kind, text, _, _, fields = in_a_new_process(failed(raising(errors.Two(1, second=2))))
    assert (kind, text) == ("program_errors.Two", "1 and 2")
    assert fields == "{'first': 1, 'second': 2}"


class Locked(Exception):
    """An exception that no pickle can hold."""

    def __init__(self, text: str) -> None:
        super().__init__(text, threading.Lock())

    def __str__(self) -> str:
        return str(self.args[0])


class Huge(Exception):
    """An exception that is too large to be kept."""

    def __str__(self) -> str:
        return "huge"


@pytest.mark.parametrize("error", [Locked("held"), Huge(bytes(10_000_000))])
def test_what_cannot_be_pickled_has_a_stand_in(error: Exception) -> None:
    error.add_note("a note")
    state = failed(raising(error))
    assert state.result(raise_on_failure=False) is error
    stand_in = State.parse_raw(state.json()).result(raise_on_failure=False)
    assert type(stand_in) is FailedRun
    assert str(stand_in) == f"{type(error).__module__}.{type(error).__qualname__}: {error}"
    notes = "\n".join(stand_in.__notes__)
    assert "a note" in notes
    assert "raise error" in notes
    assert len(state.json()) < 100_000


def test_the_json_of_a_state_loads_nothing_that_this_store_did_not_write(errors: Any) -> None:
    state = failed(raising(errors.Plain("x")))
    text = state.json()
    assert "pickled" not in text.replace('"pickled":null', "")
    elsewhere = State.parse_raw(text).copy(update={"state_details": StateDetails()})
    forged = json.loads(elsewhere.json())
    forged["data"]["pickled"] = PickleSerializer().dumps(ValueError("forged")).decode()
    for fields in (elsewhere.json(), json.dumps(forged)):
        assert type(State.parse_raw(fields).result(raise_on_failure=False)) is FailedRun


def test_an_exception_that_was_returned_is_a_value() -> None:
    @task(persist_result=True, result_serializer="json")
    def returning() -> Any:
        return ValueError("x")

    state = returning(return_state=True)
    assert state.is_completed()
    assert repr(State.parse_raw(state.json()).result()) == "ValueError('x')"
