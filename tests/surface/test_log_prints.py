"""`log_prints`: what runs print is logged where it says so, and printed everywhere else."""

from __future__ import annotations

import asyncio
import builtins
import io
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from upshot import flow, task
from upshot.logging import loggers
from upshot.settings import temporary_settings
from upshot.task_runners import ConcurrentTaskRunner

pytestmark = pytest.mark.usefixtures("upshot_home")


@pytest.fixture(autouse=True)
def print_is_left_as_it_was() -> Iterator[None]:
    before = builtins.print
    yield
    assert builtins.print is before


def prints(text: str = "hello") -> Any:
    print(text)
    return builtins.print


async def aprints(text: str = "hello") -> Any:
    print(text)
    return builtins.print


def logged(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str, str]]:
    return [(record.name, record.levelname, record.getMessage()) for record in caplog.records]


IN_FLOW = [("upshot.flow_runs", "INFO", "hello")]
IN_TASK = [("upshot.task_runs", "INFO", "hello")]


def test_prints_of_a_flow_are_logged(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    before = print
    printer = flow(log_prints=True)(prints)()
    assert printer is loggers.print_as_log
    assert builtins.print is before
    assert logged(caplog) == IN_FLOW
    assert capsys.readouterr().out == ""


def test_prints_of_an_async_flow_are_logged(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    assert asyncio.run(flow(log_prints=True)(aprints)()) is loggers.print_as_log
    assert logged(caplog) == IN_FLOW
    assert capsys.readouterr().out == ""


def test_prints_of_a_task_are_logged(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    inner = task(log_prints=True)(prints)
    assert flow(inner)() is loggers.print_as_log
    assert logged(caplog) == IN_TASK
    assert inner() is loggers.print_as_log  # in no flow
    assert logged(caplog) == IN_TASK * 2
    assert capsys.readouterr().out == ""


def test_prints_of_an_async_task_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    inner = task(log_prints=True)(aprints)

    @flow
    async def around() -> Any:
        return await inner()

    assert asyncio.run(around()) is loggers.print_as_log
    assert logged(caplog) == IN_TASK


@pytest.mark.parametrize("log_prints", [False, None])
def test_prints_go_to_stdout_otherwise(
    log_prints: bool | None,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = print
    assert flow(log_prints=log_prints)(prints)() is before
    assert task(log_prints=log_prints)(prints)() is before
    assert capsys.readouterr().out == "hello\nhello\n"
    assert logged(caplog) == []


def test_a_task_and_a_subflow_take_it_from_the_flow(caplog: pytest.LogCaptureFixture) -> None:
    inner, subflow = task(prints), flow(prints)

    @flow(log_prints=True)
    def around() -> None:
        inner()
        subflow()
        inner.submit().result()

    around()
    assert logged(caplog) == IN_TASK + IN_FLOW + IN_TASK


def test_a_task_takes_the_false_of_its_flow_before_the_setting(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with temporary_settings({"UPSHOT_LOGGING_LOG_PRINTS": True}):
        flow(log_prints=False)(task(prints))()
    assert capsys.readouterr().out == "hello\n"


def test_the_setting_holds_where_nothing_is_said(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    with temporary_settings({"UPSHOT_LOGGING_LOG_PRINTS": True}):
        flow(prints)()
        task(prints)()
        flow(log_prints=False)(prints)("own word")
    assert logged(caplog) == IN_FLOW + IN_TASK
    assert capsys.readouterr().out == "own word\n"


@pytest.mark.parametrize("kind", [task, flow])
def test_a_nested_run_with_false_prints_to_stdout(
    kind: Any, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    inner = kind(log_prints=False)(prints)

    @flow(log_prints=True)
    def around() -> None:
        print("before")
        inner()
        print("after")

    around()
    assert [message for _, _, message in logged(caplog)] == ["before", "after"]
    assert capsys.readouterr().out == "hello\n"


def test_with_options_changes_it(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    for kind in (flow, task):
        quiet: Any = kind(prints)
        loud = quiet.with_options(log_prints=True)
        assert (quiet.log_prints, loud.log_prints) == (None, True)
        assert loud.with_options(name="other").log_prints is True
        loud()
        loud.with_options(log_prints=False)("printed")
    assert logged(caplog) == IN_FLOW + IN_TASK
    assert capsys.readouterr().out == "printed\nprinted\n"


def test_a_print_is_one_record_as_it_would_be_printed(caplog: pytest.LogCaptureFixture) -> None:
    @flow(log_prints=True)
    def several() -> None:
        print("a", 1, None, sep="-")
        print("100%", "%s", flush=True)
        print("no newline", end="")
        print("two\nlines", file=sys.stderr)
        print()

    several()
    assert [message for _, _, message in logged(caplog)] == [
        "a-1-None",
        "100% %s",
        "no newline",
        "two\nlines",
        "",
    ]
    assert {record.funcName for record in caplog.records} == {"several"}


def test_what_is_printed_to_a_file_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    file = io.StringIO()

    @flow(log_prints=True)
    def to_file() -> None:
        print("hello", file=file)

    to_file()
    assert file.getvalue() == "hello\n"
    assert logged(caplog) == []


def test_print_is_put_back_after_a_failure() -> None:
    @flow(log_prints=True)
    def fails() -> None:
        raise ValueError("oh")

    with pytest.raises(ValueError, match="oh"):
        fails()


def test_flows_in_two_threads_do_not_disturb_each_other(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    both = threading.Barrier(2, timeout=20)

    def meets(name: str) -> None:
        both.wait()
        print(name, "first")
        both.wait()
        print(name, "then")

    loud, quiet = flow(log_prints=True)(meets), flow(log_prints=False)(meets)
    threads = [
        threading.Thread(target=run, args=(name,)) for run, name in ((loud, "loud"), (quiet, "low"))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [message for _, _, message in logged(caplog)] == ["loud first", "loud then"]
    assert capsys.readouterr().out == "low first\nlow then\n"


def test_other_threads_print_while_a_run_logs(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    @flow(log_prints=True)
    def starts() -> None:
        thread = threading.Thread(target=print, args=("from a thread",))
        thread.start()
        thread.join()

    starts()
    assert capsys.readouterr().out == "from a thread\n"
    assert logged(caplog) == []


def test_concurrent_async_tasks_each_have_their_own(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    async def slow(text: str) -> None:
        await asyncio.sleep(0)
        print(text)
        await asyncio.sleep(0)

    loud, quiet = task(log_prints=True)(slow), task(log_prints=False)(slow)

    @flow
    async def around() -> None:
        await asyncio.gather(loud("logged"), quiet("printed"), loud("logged"))
        print("of the flow")

    asyncio.run(around())
    assert [message for _, _, message in logged(caplog)] == ["logged"] * 2
    assert capsys.readouterr().out == "printed\nof the flow\n"


def test_tasks_in_worker_threads_log_what_they_print(caplog: pytest.LogCaptureFixture) -> None:
    @flow(log_prints=True, task_runner=ConcurrentTaskRunner())
    def around() -> None:
        task(prints).map(["a", "b", "c"])

    around()
    assert {message for _, _, message in logged(caplog)} == {"a", "b", "c"}
    assert {record.name for record in caplog.records} == {"upshot.task_runs"}


def test_who_has_replaced_print_keeps_the_replacement() -> None:
    heard: list[Any] = []

    @flow(log_prints=True)
    def replaces() -> None:
        builtins.print = mine

    def mine(*args: Any) -> None:
        heard.append(args)

    before = builtins.print
    try:
        replaces()
        assert builtins.print is mine
        flow(log_prints=False)(prints)("heard")
        flow(log_prints=True)(prints)("logged")
        assert builtins.print is mine
    finally:
        builtins.print = before
    assert heard == [("heard",)]


def test_a_handler_may_print(capsys: pytest.CaptureFixture[str]) -> None:
    class Printing(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            print("handled", record.getMessage())

    handler = Printing()
    logging.getLogger("upshot").addHandler(handler)
    try:
        flow(log_prints=True)(prints)()
    finally:
        logging.getLogger("upshot").removeHandler(handler)
    assert capsys.readouterr().out == "handled hello\n"


def test_print_as_log_prints_outside_of_runs(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    with loggers.patch_print():
        print("foo")
    loggers.print_as_log("bar")
    assert capsys.readouterr().out == "foo\nbar\n"
    assert logged(caplog) == []


WITHOUT_HANDLERS = """
from upshot import flow

@flow(log_prints=True)
def around():
    print("hello")

around()
"""


def test_what_no_handler_would_take_is_printed() -> None:
    command = [sys.executable, "-c", WITHOUT_HANDLERS]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (run.stdout, run.stderr) == ("hello\n", "")
