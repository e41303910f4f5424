"""Ctrl-C in the middle of calls: a real signal, the right states, the usual exit code."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.faults.calls_interrupts import PROGRAMS
from tests.faults.harness import Nursery
from tests.faults.test_runstore_kill import assert_whole

SCRIPT = Path(__file__).with_name("calls_interrupts.py")

CODES = {signal.SIGINT: -signal.SIGINT, signal.SIGTERM: 1}
LAST_LINES = {
    signal.SIGINT: "\nKeyboardInterrupt\n",
    signal.SIGTERM: "TerminationSignal: the process was asked to end by SIGTERM\n",
}
CRASHED = {"inner": "Crashed", "outer": "Crashed"}
STATES = {
    "sync, caught": {"inner": "Completed", "outer": "Completed"},
    # what is being written in a thread is written to its end
    "asyncio, writing": {"inner": "Completed", "outer": "Crashed"},
    "trio, writing": {"inner": "Completed", "outer": "Completed"},  # no checkpoint came after it
    "async in sync, writing": {"inner": "Completed", "outer": "Crashed"},
    "flow in flow": {"inner": "Crashed", "outer": "Crashed", "outermost": "Crashed"},
}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda one: one.name)
@pytest.mark.parametrize("program", PROGRAMS)
def test_an_interrupt_leaves_final_states_and_the_usual_exit_code(
    tmp_path: Path, program: str, number: signal.Signals
) -> None:
    child = subprocess.Popen(
        [sys.executable, "-W", "error", str(SCRIPT), program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"UPSHOT_HOME": str(tmp_path)},
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        child.send_signal(number)
        told, said = child.communicate("go on\n", timeout=40)

    if program == "sync, caught":
        assert (child.returncode, told, said) == (0, "went on\n", "")
    else:
        assert child.returncode == CODES[number]
        assert said.endswith(LAST_LINES[number])
        assert "ignored" not in said
        assert "never" not in said
    assert states(tmp_path) == STATES.get(program, CRASHED)
    files = [path for path in (tmp_path / "storage").rglob("*") if path.is_file()]
    completed = STATES.get(program, CRASHED)["inner"] == "Completed" and "caught" not in program
    assert len(files) == completed
    assert_whole(tmp_path / "runs.db")


@pytest.mark.parametrize("scenario", ["at_every_line", "at_random_instants"])
def test_interrupts_leave_no_run_without_an_end_and_no_half_value(
    tmp_path: Path, scenario: str
) -> None:
    with Nursery(SCRIPT.with_name("calls_sigint.py"), scenario) as nursery:
        *problems, interrupted = nursery.run(tmp_path).told

    assert problems == []
    assert int(interrupted) > 50


def states(home: Path) -> dict[str, str]:
    with closing(sqlite3.connect(home / "runs.db")) as connection:
        inner = connection.execute(
            "SELECT 'inner', state_name FROM task_run WHERE child_uid IS NULL"
        ).fetchall()
        flows = connection.execute("SELECT flow_name, state_name FROM flow_run").fetchall()
        standing = connection.execute(
            "SELECT task_name, state_name FROM task_run WHERE child_uid IS NOT NULL"
        ).fetchall()
    assert len(inner) == 1
    assert set(standing) <= set(flows)
    return dict([*inner, *flows])
