"""Interpreters that end, and are ended, with work in flight: what is recorded, what is left."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.faults.test_calls_exit import START, ended

SUBMITTED = """
begun = threading.Event()

@task
def in_thread(): begun.set(); time.sleep(1000)

@task
async def on_loop():
    begun.set()
    try:
        await asyncio.sleep(1000)
    finally:
        os.write(1, b"cancelled")

@task(retries=1, retry_delay_seconds=1000)
def retried(): begun.set(); raise ValueError
"""


@pytest.mark.parametrize("which", ["in_thread", "on_loop", "retried"])
@pytest.mark.parametrize("end", ["", "sys.exit()"])
def test_work_outside_of_flows_that_the_end_of_the_program_breaks_off_has_crashed(
    tmp_path: Path, which: str, end: str
) -> None:
    # in a task, or else an async one would have to be awaited
    # kept and not returned, for a task that returns a future waits for it
    starts = f"futures = []\n@task\ndef starts(): futures.append({which}.submit())"
    program = f"{SUBMITTED}\n{starts}\nstarts()\nbegun.wait()\n{end}"

    assert sorted(ended(tmp_path, program)) == sorted([f"{which} Crashed", "starts Completed"])


@pytest.mark.parametrize(
    ("which", "runner"),
    [
        ("in_thread", "ConcurrentTaskRunner()"),
        ("retried", "ConcurrentTaskRunner()"),
        ("on_loop", "ConcurrentTaskRunner()"),
        ("on_loop", "ProcessPoolTaskRunner(1)"),
    ],
)
def test_a_flow_that_exits_with_work_in_flight_leaves_no_run_without_an_end(
    tmp_path: Path, which: str, runner: str
) -> None:
    program = f"""{SUBMITTED}
from upshot.task_runners import ConcurrentTaskRunner, ProcessPoolTaskRunner
@flow(task_runner={runner})
def exits():
    {which}.submit()
    begun.wait()
    sys.exit(3)
exits()
"""
    assert sorted(ended(tmp_path, program, 3)) == ["exits Crashed", f"{which} Crashed"]


PROCESSES = """
import anyio
from upshot.task_runners import ProcessPoolTaskRunner
@task
def working(pipe):
    with open(pipe, "wb", 0) as file:
        file.write(f"{os.getpid()}\\n".encode())
        time.sleep(1000)
@flow(task_runner=ProcessPoolTaskRunner(2))
def sync(): [future.wait() for future in working.map([path, path])]
@flow(task_runner=ProcessPoolTaskRunner(2), name="sync")
async def in_a_loop():
    futures = working.map([path, path])
    await anyio.sleep_forever()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="platform: reads /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda one: one.name)
@pytest.mark.parametrize("call", ["sync()", "asyncio.run(in_a_loop())", "trio.run(in_a_loop)"])
def test_a_program_that_is_ended_ends_its_workers(
    tmp_path: Path, number: signal.Signals, call: str
) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    work = PROCESSES
    child = subprocess.Popen(
        [sys.executable, "-c", f"{START}path = {str(fifo)!r}\n{work}\n{call}"],
        env=os.environ | {"UPSHOT_HOME": str(tmp_path / "home")},
        stderr=subprocess.PIPE,
        text=True,
    )
    with child, fifo.open() as told:
        try:
            workers = [int(told.readline()) for _ in range(2)]
            child.send_signal(number)
            _, said = child.communicate(timeout=40)
        finally:
            child.kill()

    assert child.returncode == {signal.SIGINT: -signal.SIGINT, signal.SIGTERM: 1}[number], said
    assert said.rstrip().endswith(("KeyboardInterrupt", "asked to end by SIGTERM"))
    assert [pid for pid in workers if Path(f"/proc/{pid}").exists()] == []
    assert states(tmp_path / "home") == ["Crashed"] * 3


def states(home: Path) -> list[str]:
    with closing(sqlite3.connect(home / "runs.db")) as connection:
        rows = connection.execute(
            "SELECT state_name FROM task_run UNION ALL SELECT state_name FROM flow_run"
        ).fetchall()
    return [name for (name,) in rows]
