"""What goes wrong in worker processes, and on the way there and back."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import traceback
import types
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.processes import (
    in_processes,
    submitted,
    where,
)
from upshot import flow, task
from upshot.exceptions import FailedRun, UnserializableValue, WorkerDied
from upshot.task_runners import ProcessPoolTaskRunner

pytestmark = pytest.mark.usefixtures("upshot_home")


@task
def fail(message: str) -> None:
    """Raise from below, with a note and a cause."""
    try:
        raise LookupError("the cause")
    except LookupError as error:
        problem = ValueError(message, 7)
        problem.add_note("a note of its own")
        raise problem from error


class Unpicklable(Exception):
    """It has what no pickle takes."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.lock = threading.Lock()


class Unmakable(Exception):
    """It can be pickled, and not be made again."""

    def __init__(self, *, message: str) -> None:
        super().__init__(message)


@task
def die(name: str) -> None:
    os.kill(os.getpid(), signal.Signals[name])


def test_an_argument_that_cannot_be_pickled_fails_its_run() -> None:
    state = submitted(where, threading.Lock())
    assert state.is_failed()
    assert "cannot be sent to a worker process" in str(state.message)
    with pytest.raises(UnserializableValue, match="lock"):
        state.result()


def test_a_module_that_workers_cannot_import_is_named() -> None:
    module = types.ModuleType("only_here")
    exec("def function(): return 1", vars(module))
    sys.modules["only_here"] = module
    try:
        state = submitted(task(module.function))
    finally:
        del sys.modules["only_here"]
    with pytest.raises(ModuleNotFoundError, match="only_here"):
        state.result()


def test_a_value_that_cannot_be_pickled_fails_its_run() -> None:
    state = submitted(task(lambda: threading.Lock()))
    assert state.is_failed()
    with pytest.raises(UnserializableValue, match=r"cannot be sent back.*lock"):
        state.result()


def test_a_value_that_could_not_be_sent_is_not_tried_again(tmp_path: Path) -> None:
    calls = tmp_path / "calls"

    @task(retries=3)
    def give() -> Any:
        with calls.open("a") as file:
            file.write("x")
        return threading.Lock()

    assert submitted(give).is_failed()
    assert calls.read_text() == "x"


def test_an_exception_keeps_type_message_notes_and_tells_its_frames() -> None:
    state = submitted(fail, "the message")
    assert state.is_failed()
    error = state.result(raise_on_failure=False)
    assert type(error) is ValueError
    assert error.args == ("the message", 7)
    assert error.__notes__[0] == "a note of its own"
    assert "raise problem from error" in error.__notes__[1]
    assert "In worker process" in "".join(traceback.format_exception(error))
    with pytest.raises(ValueError, match="the message"):
        state.result()


def test_an_exception_of_a_class_that_is_sent_along_is_of_that_class() -> None:
    class Own(Exception):
        pass

    @task
    def raise_own() -> None:
        raise Own("mine")

    assert type(submitted(raise_own).result(raise_on_failure=False)) is Own


@pytest.mark.parametrize("make", [Unpicklable, lambda text: Unmakable(message=text)])
def test_an_exception_that_cannot_come_back_is_told_of(make: Any) -> None:
    @task
    def raise_it() -> None:
        raise make("the message")

    state = submitted(raise_it)
    assert state.is_failed()
    error = state.result(raise_on_failure=False)
    assert type(error) is FailedRun
    assert str(error).endswith(": the message")
    assert "raise make" in error.__notes__[-1]


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "SIGABRT"])
def test_a_worker_that_dies_crashes_its_run_alone(name: str, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)

    @task
    def wait_for_a_word(path: Path) -> str:
        return path.read_text()

    def use() -> list[Any]:
        slow = wait_for_a_word.submit(fifo)
        with fifo.open("w") as writer:  # opens when the other worker reads
            crashed = die.submit(name, return_state=True)
            after = [where.submit(i).result()[0] for i in range(3)]
            writer.write("word")
        return [crashed, slow.result(), after]

    states: list[Any] = []
    in_processes(lambda: states.append(use()) or 0)
    ((crashed, word, after),) = states
    assert crashed.is_crashed()
    assert name in str(crashed.message)
    assert type(crashed.result(raise_on_failure=False)) is WorkerDied
    assert word == "word"
    assert after == [0, 1, 2]


def test_a_worker_that_leaves_at_once_crashes_its_run() -> None:
    state = submitted(task(lambda: os._exit(3)))
    assert state.is_crashed()
    assert "exit code 3" in str(state.message)


def test_sys_exit_in_a_worker_crashes_the_run_and_ends_no_worker() -> None:
    def use() -> list[Any]:
        first = where.submit().result()[1]
        state = task(lambda: sys.exit(3)).submit(return_state=True)
        return [first, state, where.submit().result()[1]]

    found: list[Any] = []
    in_processes(lambda: found.extend(use()) or 0, workers=1)
    first, state, second = found
    assert state.is_crashed()
    assert type(state.result(raise_on_failure=False)) is SystemExit
    assert first == second


def test_ctrl_c_reaches_workers_and_leaves_them_be() -> None:
    @task
    def interrupt() -> int:
        os.kill(os.getpid(), signal.SIGINT)
        return os.getpid()

    assert submitted(interrupt).result() != os.getpid()


def test_an_interrupted_flow_breaks_off_what_its_workers_do(tmp_path: Path) -> None:
    begun, made = tmp_path / "begun", []
    os.mkfifo(begun)

    @task
    def waits(path: Path) -> None:
        path.write_text("begun")
        threading.Event().wait()

    def use() -> None:
        made.extend([waits.submit(begun), where.submit(), where.submit()])
        begun.read_text()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        in_processes(use, workers=1)
    # the one that was being called, and two that waited for the one worker
    states = [future.wait(20) for future in made]
    assert [state.name for state in states] == ["Crashed"] * 3
    assert ["was interrupted" in str(state.message) for state in states] == [True] * 3


@pytest.mark.parametrize("ends", ["well", "badly"])
def test_the_end_of_workers_does_not_block_a_loop(
    ends: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = []
    original = ProcessPoolTaskRunner.close

    def close(self: ProcessPoolTaskRunner) -> None:
        threads.append(threading.current_thread())
        original(self)

    monkeypatch.setattr(ProcessPoolTaskRunner, "close", close)

    @flow(task_runner=ProcessPoolTaskRunner(max_workers=1))
    async def body() -> None:
        where.submit().result()
        if ends == "badly":
            raise asyncio.CancelledError

    async def main() -> None:
        try:
            await body()
        except asyncio.CancelledError:
            assert ends == "badly"

    asyncio.run(main())
    assert len(threads) == 1
    assert threads[0] is not threading.current_thread()
