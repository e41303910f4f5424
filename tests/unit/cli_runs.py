"""Calling the command line in this process, and runs for it to look at."""

from __future__ import annotations

import contextlib
import io
import json
import sys
import time
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest

from upshot.blocks import default_storage
from upshot.cli import main
from upshot.documents import PersistedResult
from upshot.filesystems import FileSystem
from upshot.records import FlowRun, Run, StateType, TaskRun, moment
from upshot.runstore import RunStore, open_store
from upshot.serializers import JSONSerializer, PickleSerializer
from upshot.settings import get_current_settings

NOW = time.time()


@dataclass
class Ran:
    """What a call of the command line came to."""

    code: int
    out: str
    err: str
    content: bytes

    def json(self) -> Any:
        """The one document that was printed."""
        assert self.err == ""
        return json.loads(self.out)

    def lines(self) -> list[list[str]]:
        """The words of each line."""
        return [line.split() for line in self.out.splitlines()]


class _Output(io.TextIOWrapper):
    terminal = False

    def isatty(self) -> bool:
        return self.terminal


def upshot(*arguments: str, stdin: str = "", terminal: bool = False) -> Ran:
    """Call `upshot`, and expect all errors in one line."""
    out, err = (_Output(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    out.terminal = terminal
    before, sys.stdin = sys.stdin, io.StringIO(stdin)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(arguments)
    finally:
        sys.stdin = before
    content = out.buffer.getvalue()  # type: ignore[attr-defined]
    said = err.buffer.getvalue().decode()  # type: ignore[attr-defined]
    assert "Traceback" not in said
    return Ran(code, content.decode("utf-8", "replace"), said, content)


def refused(ran: Ran, code: int, *said: str) -> None:
    """Expect that a call wrote nothing, and one line about an error, with these words in it."""
    assert ran.out == ""
    assert ran.err.startswith("upshot: ")
    assert ran.err.count("\n") == 1
    assert [word for word in said if word not in ran.err] == [], ran.err
    assert ran.code == code


@pytest.fixture
def columns(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> int:
    """The width of the terminal that `upshot(…, terminal=True)` writes to."""
    monkeypatch.setenv("COLUMNS", str(request.param))
    monkeypatch.setenv("TERM", "xterm")
    return int(request.param)


def a_flow_run(
    flow: str = "report",
    *,
    ago: float = 60.0,
    state: StateType = StateType.COMPLETED,
    took: float = 1.5,
    parent: TaskRun | None = None,
) -> FlowRun:
    """A flow run that was made some seconds ago."""
    at = NOW - ago
    uid = int(at * 1000).to_bytes(6, "big") + b"\x7a" + uuid4().bytes[7:]
    run = FlowRun(name=f"{flow}-{uid.hex()[-6:]}", flow_name=flow, uid=uid, parent=parent)
    run.owner, run.parameters_json = "here:42", '{"n":3,"label":"größe"}'
    _go(run, at, state, took)
    open_store().record(run)
    return run


def a_task_run(
    flow_run: FlowRun | None,
    name: str = "parse-0",
    *,
    state: StateType = StateType.COMPLETED,
    attempts: int = 1,
    result: str | None = None,
    message: str | None = None,
    after: tuple[TaskRun, ...] = (),
) -> TaskRun:
    """A task run of a flow run."""
    at = NOW - 50
    run = TaskRun(name=name, task_name=name.partition("-")[0], task_key="key", flow_run=flow_run)
    run.uid = int(at * 1000).to_bytes(6, "big") + b"\x7b" + uuid4().bytes[7:]
    run.result = result
    if after:
        run.inputs = json.dumps({"x": [str(one.id) for one in after]})
    for _ in range(attempts - 1):
        run.enter(StateType.RUNNING, "Running", at)
        run.enter(StateType.SCHEDULED, "AwaitingRetry", at)
    _go(run, at, state, 0.25, message)
    open_store().record(run)
    return run


def a_subflow(
    flow_run: FlowRun, flow: str = "clean", *, result: str | None = None
) -> tuple[TaskRun, FlowRun]:
    """A flow run that another one called, and the task run that stands for it there."""
    stand_in = TaskRun(name=f"{flow}-0", task_name=flow, task_key=flow, flow_run=flow_run)
    open_store().record(stand_in)
    run = a_flow_run(flow, parent=stand_in)
    run.result = result
    open_store().record(run)
    stand_in.child_uid, stand_in.states, stand_in.run_count = run.uid, run.states, run.run_count
    stand_in.began, stand_in.ended, stand_in.result = run.began, run.ended, result
    open_store().record(stand_in)
    return stand_in, run


def _go(run: Run, at: float, state: StateType, took: float, message: str | None = None) -> None:
    run.enter(StateType.RUNNING, "Running", at)
    if state is not StateType.RUNNING:
        run.enter(state, state.value.capitalize(), at + took, message)


def kept(
    value: Any,
    *,
    key: str | None = None,
    storage: FileSystem | None = None,
    as_json: bool = False,
    store: RunStore | None = None,
) -> PersistedResult[Any]:
    """A value in a storage, and its reference."""
    from upshot.results import ResultFactory

    factory = ResultFactory(
        persist_result=True,
        cache_result_in_memory=False,
        serializer=JSONSerializer() if as_json else PickleSerializer(),
        storage_block=storage or default_storage(get_current_settings()),
        storage_block_id=None,
        storage_key_fn=lambda: key or uuid4().hex,
    )
    document = factory.create(value, at=moment(NOW), store=store or open_store())
    assert isinstance(document, PersistedResult)
    return document


def a_kept_result(value: Any, flow_run: FlowRun | None = None, **how: Any) -> TaskRun:
    """A task run that returned a value, which was kept."""
    return a_task_run(flow_run, "make-0", result=kept(value, **how).model_dump_json())
