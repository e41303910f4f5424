"""What is kept in memory only has its document when somebody asks for it, and is the same."""

from __future__ import annotations

from typing import Any

from upshot._engine.endings import Ended, Kept
from upshot.documents import DROPPED, UnpersistedResult
from upshot.records import StateType, TaskRun


def ended(value: Any) -> Ended:
    run = TaskRun(name="t-0", task_name="t", task_key="t")
    run.enter(StateType.COMPLETED, "Completed", 1.0)
    return Ended(run, Kept(value), None, None, 0)


def test_a_value_in_memory_has_one_document_that_holds_it() -> None:
    value = ["kept"]
    end = ended(value)
    assert end.held() is value
    assert type(end.data) is UnpersistedResult
    assert end.data is end.data
    assert end.data.fetch() is value
    assert end.state().data is end.data
    assert end.outcome(raise_on_failure=True) == (value, None)


def test_an_exception_that_a_function_returned_is_its_value() -> None:
    value = ValueError("returned, not raised")
    end = ended(value)
    assert end.raised is None
    assert end.error is None
    assert not end.crashed
    assert end.held() is value
    assert end.state().result() is value


def test_a_run_that_raised_holds_no_value() -> None:
    run = TaskRun(name="t-0", task_name="t", task_key="t")
    run.enter(StateType.FAILED, "Failed", 1.0)
    error = ValueError("raised")
    end = Ended(run, error, None, None, 0)
    assert end.held() is DROPPED
    assert end.raised is error
    assert end.error is error
