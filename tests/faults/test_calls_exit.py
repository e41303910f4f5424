"""How programs end that called flows and tasks: what is recorded, the exit code, no hanging."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.faults.test_calls_processes import run
from tests.faults.test_runstore_kill import assert_whole

START = """
import atexit
atexit.register(lambda: early and mixed())  # called after all that upshot registers
early = False
import asyncio, os, sys, threading, time, warnings
import trio
from upshot import flow, task
warnings.simplefilter("ignore", DeprecationWarning)  # a fork among our own threads

@task
def unkept(x): return [x]
@task(persist_result=True)
def kept(x): return [x]
@task
async def aunkept(x): return [x]
@task(persist_result=True)
async def akept(x): return [x]
@flow
def mixed(): return [unkept(1), kept(2), aunkept(3), akept(4)]
@flow
async def amixed(): return [unkept(1), kept(2), await aunkept(3), await akept(4)]
"""
DONE = [[1], [2], [3], [4]]


# an async task that a sync function calls needs a loop in a thread of its own
needs_a_thread_at_the_end = pytest.mark.skipif(
    sys.version_info[:2] == (3, 12),
    reason="platform: Python 3.12 starts no thread once the interpreter ends",
)


def ended(home: Path, program: str, code: int = 0, stderr: str = "") -> list[str]:
    """Run a program, see how it ended, and give the names of its runs with their states."""
    end = run(home, "-c", START + program)
    assert end.returncode == code, end.stderr
    if stderr:
        assert stderr in end.stderr
    else:
        assert end.stderr == ""
    assert [path.name for path in home.iterdir() if path.name.startswith("runs.db")] == ["runs.db"]
    assert_whole(home / "runs.db")
    with closing(sqlite3.connect(home / "runs.db")) as connection:
        return [
            f"{name} {state}"
            for name, state in connection.execute(
                "SELECT task_name, state_name FROM task_run WHERE child_uid IS NULL"
                " UNION ALL SELECT flow_name, state_name FROM flow_run"
            )
        ]


@pytest.mark.parametrize(
    "end", ["", "sys.exit()", "threading.Thread(target=unkept, args=[1]).start()"]
)
def test_a_program_that_ends_right_after_a_task_has_its_run_recorded(
    tmp_path: Path, end: str
) -> None:
    found = ended(tmp_path, f"unkept(1)\n{end}")

    assert found == ["unkept Completed"] * (2 if "Thread" in end else 1)


@needs_a_thread_at_the_end
def test_tasks_that_are_called_while_the_interpreter_ends_are_recorded(tmp_path: Path) -> None:
    late = "atexit.register(mixed)\nearly = True\nmixed()"

    assert sorted(ended(tmp_path, late)) == sorted(ALL * 3)


ALL = sorted(f"{name} Completed" for name in ("unkept", "kept", "aunkept", "akept", "mixed"))


IN_A_DAEMON = """
done = threading.Event()
work = lambda: (mixed(), done.set(), time.sleep(1000))
threading.Thread(target=work, daemon=True).start()
mixed()
done.wait()
"""


@pytest.mark.parametrize(
    "program",
    [
        "mixed()",
        "mixed()\npid = os.fork()\nmixed() if pid else None\npid and os.waitpid(pid, 0)",
        "mixed()\nif not os.fork(): mixed(); sys.exit()\nassert os.wait()[1] == 0",
        pytest.param(
            "thread = threading.Thread(target=mixed)\nthread.start()",
            marks=needs_a_thread_at_the_end,
        ),
        IN_A_DAEMON,
    ],
)
def test_a_program_that_called_async_tasks_from_sync_flows_ends_cleanly(
    tmp_path: Path, program: str
) -> None:
    found = ended(tmp_path, program)

    assert set(found) == set(ALL)


def test_a_task_that_is_left_on_the_loop_of_sync_flows_is_cancelled_at_the_end(
    tmp_path: Path,
) -> None:
    program = """
left = []
async def forgotten():
    try:
        await asyncio.sleep(1000)
    finally:
        os.write(2, b"cancelled")
@task
async def leaving():
    left.append(asyncio.ensure_future(forgotten()))
    await asyncio.sleep(0)
@flow
def around(): return leaving()
around()
"""
    assert ended(tmp_path, program, stderr="cancelled") == [
        "leaving Completed",
        "around Completed",
    ]


@pytest.mark.parametrize("runner", ["asyncio.run({0}())", "trio.run({0})"])
def test_loops_that_come_and_go_in_one_process_can_all_run_flows(
    tmp_path: Path, runner: str
) -> None:
    call = runner.format("amixed")
    program = f"for _ in range(5): assert {call} == {DONE} == mixed()"

    found = ended(tmp_path, program)

    assert len(found) == 5 * 2 * 5
    assert {one.partition(" ")[2] for one in found} == {"Completed"}


@pytest.mark.parametrize(
    ("ends", "code"),
    [("sys.exit(7)", 7), ("raise SystemExit('bye')", 1), ("sys.exit()", 0), ("exit(3)", 3)],
)
@pytest.mark.parametrize("colour", ["sync", "async", "async in sync", "trio"])
def test_a_flow_that_exits_is_recorded_as_crashed_and_its_exit_code_kept(
    tmp_path: Path, ends: str, code: int, colour: str
) -> None:
    calls = {
        "sync": "@flow\ndef outer(): exits()\nouter()",
        "async": "@flow\nasync def outer(): exits()\nasyncio.run(outer())",
        "async in sync": "@task\nasync def inner(): exits()\n@flow\ndef outer(): inner()\nouter()",
        "trio": "@flow\nasync def outer(): exits()\ntrio.run(outer)",
    }
    program = f"@task\ndef exits(): {ends}\n{calls[colour]}"

    found = ended(tmp_path, program, code, stderr="bye" if "bye" in ends else "")

    inner = ["inner Crashed"] if colour == "async in sync" else []
    assert sorted(found) == sorted(["exits Crashed", "outer Crashed", *inner])


def test_an_exception_that_nobody_catches_is_recorded_as_failed(tmp_path: Path) -> None:
    program = "@flow\ndef outer(): unkept(1); 1 / 0\nouter()"

    found = ended(tmp_path, program, 1, stderr="ZeroDivisionError: division by zero")

    assert found == ["unkept Completed", "outer Failed"]


@pytest.mark.parametrize("call", ["kept", "akept"])
def test_a_process_that_ends_at_once_loses_no_run_whose_result_persists(
    tmp_path: Path, call: str
) -> None:
    how = "kept(1)" if call == "kept" else "asyncio.run(akept(1))"

    end = run(tmp_path, "-c", f"{START}{how}\nunkept(1)\nos._exit(3)")

    assert (end.returncode, end.stderr) == (3, "")
    with closing(sqlite3.connect(tmp_path / "runs.db")) as connection:
        found = connection.execute("SELECT task_name, state_name FROM task_run").fetchall()
    assert (call, "Completed") in found
    assert_whole(tmp_path / "runs.db")
