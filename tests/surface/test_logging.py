"""Loggers of runs: what they are called, what their records say, and which are let through."""

from __future__ import annotations

import asyncio
import io
import logging
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from upshot import exceptions, flow, get_run_context, get_run_logger, tags, task
from upshot.client.schemas import objects as client
from upshot.context import FlowRunContext, TaskRunContext
from upshot.exceptions import InvalidSettings, MissingContextError
from upshot.logging import (
    disable_logger,
    disable_run_logger,
    flow_run_logger,
    get_logger,
    task_run_logger,
)
from upshot.settings import temporary_settings
from upshot.task_runners import ConcurrentTaskRunner

pytestmark = pytest.mark.usefixtures("upshot_home")


@pytest.fixture(autouse=True)
def level_of_nobody() -> Iterator[None]:
    """The logger "upshot" as it is in a new process."""
    top = logging.getLogger("upshot")
    before = top.level
    top.setLevel(logging.NOTSET)
    yield
    top.setLevel(before)


def test_the_logger_of_a_flow_run_names_the_run(caplog: pytest.LogCaptureFixture) -> None:
    @flow(name="around", flow_run_name="today")
    def logs() -> str:
        get_run_logger().info("Hello %s", "you")
        return str(get_run_context().flow_run.id)  # type: ignore[union-attr]

    id = logs()
    record: Any = caplog.records[-1]
    assert (record.name, record.levelname) == ("upshot.flow_runs", "INFO")
    assert record.getMessage() == "Hello you"
    assert record.flow_run_id == id
    assert (record.flow_run_name, record.flow_name) == ("today", "around")


def test_the_logger_of_a_task_run_names_the_run_and_its_flow(
    caplog: pytest.LogCaptureFixture,
) -> None:
    @task(name="inner", task_run_name="first")
    def logs() -> tuple[str, str]:
        get_run_logger().warning("careful")
        run = get_run_context().task_run  # type: ignore[union-attr]
        return str(run.id), str(run.flow_run_id)

    @flow(name="around", flow_run_name="today")
    def runs() -> tuple[str, str]:
        return logs()

    task_run_id, flow_run_id = runs()
    record: Any = caplog.records[-1]
    assert record.name == "upshot.task_runs"
    assert (record.task_run_id, record.flow_run_id) == (task_run_id, flow_run_id)
    assert (record.task_run_name, record.task_name) == ("first", "inner")
    assert (record.flow_run_name, record.flow_name) == ("today", "around")


def test_async_runs_have_loggers(caplog: pytest.LogCaptureFixture) -> None:
    @task
    async def inner() -> None:
        get_run_logger().info("in the task")

    @flow
    async def around() -> None:
        get_run_logger().info("in the flow")
        await inner()

    asyncio.run(around())
    assert [record.name for record in caplog.records] == ["upshot.flow_runs", "upshot.task_runs"]


def test_submitted_tasks_have_loggers(caplog: pytest.LogCaptureFixture) -> None:
    @task
    def inner(x: int) -> None:
        get_run_logger().info("task %s", x)

    @flow(task_runner=ConcurrentTaskRunner())
    def around() -> None:
        inner.map([1, 2])

    around()
    assert {record.getMessage() for record in caplog.records} == {"task 1", "task 2"}
    assert {record.task_run_name for record in caplog.records} == {"inner-0", "inner-1"}  # type: ignore[attr-defined]


def test_a_task_outside_of_flows_has_a_logger(caplog: pytest.LogCaptureFixture) -> None:
    @task
    def alone() -> None:
        get_run_logger().info("alone")

    alone()
    record: Any = caplog.records[-1]
    assert record.name == "upshot.task_runs"
    assert (record.flow_run_id, record.flow_run_name) == (None, "<unknown>")


def test_outside_of_runs_there_is_no_run_logger() -> None:
    with pytest.raises(MissingContextError):
        get_run_logger()
    assert issubclass(exceptions.MissingContextError, RuntimeError)


def test_the_context_can_be_given(caplog: pytest.LogCaptureFixture) -> None:
    @flow(name="around")
    def gives() -> Any:
        return get_run_context()

    context = gives(return_state=True).result()
    get_run_logger(context).info("afterwards")
    assert caplog.records[-1].flow_name == "around"  # type: ignore[attr-defined]


def test_a_context_that_is_made_by_hand_has_a_logger() -> None:
    with FlowRunContext.construct(flow_run=client.FlowRun.construct(id=1, name="by hand")):
        record = get_run_logger().extra
    assert record == {"flow_run_id": "1", "flow_run_name": "by hand", "flow_name": "<unknown>"}
    run = client.TaskRun.construct(id=2, name="inner", flow_run_id=1)
    with TaskRunContext.construct(task_run=run):
        assert get_run_logger().extra == {
            "flow_run_id": "1",
            "flow_run_name": "<unknown>",
            "flow_name": "<unknown>",
            "task_run_id": "2",
            "task_run_name": "inner",
            "task_name": "<unknown>",
        }


def test_a_context_that_is_none_is_refused() -> None:
    with pytest.raises(TypeError, match="FlowRunContext or a TaskRunContext, not 'foo'"):
        get_run_logger("foo")  # type: ignore[arg-type]


def test_records_carry_what_else_is_given(caplog: pytest.LogCaptureFixture) -> None:
    @flow(name="around")
    def logs() -> None:
        logger = get_run_logger(foo="test", flow_run_name="bar")
        logger.info("one")
        logger.info("two", extra={"foo": "other", "more": 1})
        logger.getChild("below", {"deep": True}).info("three")

    logs()
    one, two, three = (vars(record) for record in caplog.records)
    assert (one["foo"], one["flow_run_name"], one["flow_name"]) == ("test", "bar", "around")
    assert (two["foo"], two["more"], two["flow_name"]) == ("other", 1, "around")
    assert (three["name"], three["foo"], three["deep"]) == ("upshot.flow_runs.below", "test", True)


def test_loggers_of_runs_can_be_made_of_their_records(caplog: pytest.LogCaptureFixture) -> None:
    @task(name="inner")
    def inner() -> Any:
        return get_run_context()

    @flow(name="around")
    def around() -> tuple[Any, Any]:
        return get_run_context(), inner()

    of_flow, of_task = around()
    flow_run_logger(of_flow.flow_run, of_flow.flow, more=1).info("flow")
    task_run_logger(of_task.task_run, of_task.task, of_flow.flow_run, of_flow.flow).info("task")
    flow_run_logger(of_flow.flow_run).info("flow")
    task_run_logger(of_task.task_run).info("task")
    for record in map(vars, caplog.records):
        assert record["flow_run_id"] == str(of_flow.flow_run.id)
        assert record["flow_name"] == "around"
        assert record.get("task_name", "inner") == "inner"
    assert vars(caplog.records[0])["more"] == 1


def test_loggers_are_below_upshot() -> None:
    assert get_logger().name == "upshot"
    assert get_logger("test").name == "upshot.test"
    assert get_logger("upshot").name == "upshot"
    assert get_logger("upshot.test").name == "upshot.test"
    assert logging.getLogger("upshot").propagate


def test_disabled_run_loggers_drop_all(caplog: pytest.LogCaptureFixture) -> None:
    @task
    def logs() -> int:
        get_run_logger().info("hidden")
        return 42

    with disable_run_logger():
        assert logs.fn() == 42
        with disable_run_logger():
            assert logs() == 42
        assert logs() == 42
    assert "hidden" not in caplog.text
    logs()
    assert "hidden" in caplog.text
    with pytest.raises(MissingContextError):
        logs.fn()


def test_a_logger_can_be_disabled_for_a_block() -> None:
    logger = logging.getLogger("griffin")
    with disable_logger("griffin"):
        assert logger.disabled
    assert not logger.disabled


def test_run_loggers_are_enabled_again_after_an_error() -> None:
    with pytest.raises(ValueError, match="oh"), disable_run_logger():
        raise ValueError("oh")
    assert not logging.getLogger("upshot.flow_runs").disabled
    assert not logging.getLogger("upshot.task_runs").disabled


@flow
def logs_all() -> None:
    for level in (logging.DEBUG, logging.INFO, logging.WARNING):
        get_run_logger().log(level, "x")


def levels(caplog: pytest.LogCaptureFixture) -> list[str]:
    found = [record.levelname for record in caplog.records]
    caplog.clear()
    return found


def test_records_of_info_and_above_are_let_through(caplog: pytest.LogCaptureFixture) -> None:
    logs_all()
    assert levels(caplog) == ["INFO", "WARNING"]


def test_the_setting_says_the_level(caplog: pytest.LogCaptureFixture) -> None:
    with temporary_settings({"UPSHOT_LOGGING_LEVEL": "DEBUG"}):
        logs_all()
    assert levels(caplog) == ["DEBUG", "INFO", "WARNING"]
    with temporary_settings({"UPSHOT_LOGGING_LEVEL": "warning"}):
        logs_all()
    assert levels(caplog) == ["WARNING"]
    logs_all()
    assert levels(caplog) == ["INFO", "WARNING"]


def test_the_programs_own_level_is_kept(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="upshot"):
        logs_all()
        assert levels(caplog) == ["WARNING"]
    with caplog.at_level(logging.DEBUG):
        logs_all()
    assert levels(caplog) == ["DEBUG", "INFO", "WARNING"]


def test_a_level_that_logging_does_not_know_is_refused() -> None:
    with (
        pytest.raises(InvalidSettings, match=r"'LOUD' cannot be used as logging_level: .*no level"),
        temporary_settings({"UPSHOT_LOGGING_LEVEL": "LOUD"}),
    ):
        pass


def test_a_handler_of_the_program_gets_the_records() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(flow_name)s %(levelname)s %(message)s"))
    logger = logging.getLogger("upshot.flow_runs")
    logger.addHandler(handler)
    try:
        flow(name="around")(lambda: get_run_logger().info("hello"))()
    finally:
        logger.removeHandler(handler)
    assert stream.getvalue() == "around INFO hello\n"


ALONE = """
import logging
from upshot import flow, task, get_run_logger
import upshot.flows, upshot.tasks, upshot.logging.loggers
top = logging.getLogger("upshot")
assert top.level == logging.NOTSET and not top.handlers and top.propagate
assert not logging.getLogger().handlers

@flow
def around():
    get_run_logger().info("nobody asked for this")
    get_run_logger().warning("somebody should know")

around()
assert not top.handlers and not logging.getLogger().handlers
"""


def test_a_program_that_sets_up_nothing_sees_warnings_alone() -> None:
    run = subprocess.run([sys.executable, "-c", ALONE], capture_output=True, text=True, check=True)
    assert (run.stdout, run.stderr) == ("", "somebody should know\n")


def test_tags_do_not_disturb_loggers(caplog: pytest.LogCaptureFixture) -> None:
    with tags("a"):
        logs_all()
    assert levels(caplog) == ["INFO", "WARNING"]


def said(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str, str]]:
    ours = [one for one in caplog.records if one.name.startswith("upshot")]
    return [(one.name, one.levelname, one.getMessage()) for one in ours]


@pytest.mark.parametrize("is_async", [False, True])
def test_retries_and_failures_are_logged(is_async: bool, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    @task(retries=1, task_run_name="the task")
    def fails() -> None:
        raise ValueError("boom")

    @task(retries=1, task_run_name="the task")
    async def afails() -> None:
        raise ValueError("boom")

    @flow(flow_run_name="the flow")
    def around() -> Any:
        return fails.submit()

    @flow(flow_run_name="the flow")
    async def aaround() -> Any:
        return await afails.submit()

    state = asyncio.run(aaround(return_state=True)) if is_async else around(return_state=True)
    assert state.is_failed()
    task_runs, flow_runs = "upshot.task_runs", "upshot.flow_runs"
    again = "Task run 'the task' has failed and is tried again (1 of 1): ValueError: boom"
    assert said(caplog) == [
        (task_runs, "INFO", again),
        (task_runs, "ERROR", "Task run 'the task' has ended as Failed: ValueError: boom"),
        (flow_runs, "ERROR", "Flow run 'the flow' has ended as Failed: 1/1 states failed."),
    ]
    record: Any = caplog.records[-2]
    assert record.flow_run_name == "the flow"
    assert record.flow_run_id == str(state.state_details.flow_run_id)
    assert record.task_run_name == "the task"
    assert record.exc_info is None


def test_a_failure_of_several_lines_is_logged_on_one(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    @task(retries=1, task_run_name="the task")
    def fails() -> None:
        raise ValueError("two errors:\n\n  one\r\n  another")

    state = fails(return_state=True)
    said_of_it = "ValueError: two errors: one another"
    assert [message for _, _, message in said(caplog)] == [
        f"Task run 'the task' has failed and is tried again (1 of 1): {said_of_it}",
        f"Task run 'the task' has ended as Failed: {said_of_it}",
    ]
    assert "two errors:\n\n  one\r\n  another" in state.message


def test_a_late_run_is_logged_and_an_interrupt_is_not(caplog: pytest.LogCaptureFixture) -> None:
    @flow(flow_run_name="the flow")
    def crashes() -> None:
        raise KeyboardInterrupt

    @task(timeout_seconds=0.01, task_run_name="the task")
    def late() -> None:
        while True:
            pass

    with pytest.raises(KeyboardInterrupt):
        crashes()
    assert late(return_state=True).name == "TimedOut"
    ((_, _, message),) = said(caplog)
    assert message.startswith("Task run 'the task' has ended as TimedOut: TimeoutError: ")
    assert "exceeded timeout of 0.01 seconds" in message


def test_what_no_file_can_hold_is_logged_as_escapes(caplog: pytest.LogCaptureFixture) -> None:
    @task(task_run_name="the task")
    def fails() -> None:
        raise ValueError("half of a pair: \ud800")

    assert fails(return_state=True).is_failed()
    assert said(caplog)[0][2].endswith("ValueError: half of a pair: \\ud800")


def test_what_ends_well_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "upshot.task_runs")
    caplog.set_level(logging.DEBUG, "upshot.flow_runs")

    @task
    def inner() -> int:
        return 1

    @flow
    def around() -> Any:
        return inner() + inner.submit().result()

    assert around() == 2
    assert caplog.records == []
