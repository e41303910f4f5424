"""Retries, the cache, runs inside of workers, large values and scripts, with processes."""

from __future__ import annotations

import os
import select
import signal
import sys
from pathlib import Path
from typing import Any

import numpy
import pytest

from tests.e2e.processes import (
    in_processes,
    linux,
    submitted,
)
from upshot import flow, task
from upshot.runstore import open_store

pytestmark = pytest.mark.usefixtures("upshot_home")


def test_a_submitted_task_is_tried_again_in_a_worker(tmp_path: Path) -> None:
    @task(retries=2)
    def third_time(log: Path) -> int:
        with log.open("a") as file:
            file.write("x")
        if len(log.read_text()) < 3:
            raise ValueError("again")
        return os.getpid()

    state = submitted(third_time, tmp_path / "log")
    assert state.result() != os.getpid()


def test_a_cached_task_is_called_once() -> None:
    @task(cache_key_fn=lambda context, parameters: str(parameters["x"]))
    def cached(x: int) -> int:
        return os.getpid()

    def use() -> list[Any]:
        states = [cached.submit(1, return_state=True) for _ in range(3)]
        return [(state.name, state.result()) for state in states]

    found = in_processes(use)
    assert [name for name, _ in found] == ["Completed", "Cached", "Cached"]
    assert len({pid for _, pid in found}) == 1


@task
def inner(x: int) -> int:
    return x + 1


@task
def outer(x: int) -> tuple[int, int]:
    inner.submit(100)  # nobody waits for it but the run that submitted it
    return inner(x) + inner.submit(x).result(), os.getpid()


@flow
def subflow(x: int) -> int:
    return inner(x)


def test_tasks_that_a_worker_calls_have_rows_in_the_right_flow() -> None:
    state = in_processes(lambda: outer.submit(1).result(), return_state=True)
    assert state.result()[0] == 4
    assert state.result()[1] != os.getpid()
    runs = open_store().task_runs(state.state_details.flow_run_id)
    assert sorted(run.task_name for run in runs) == ["inner"] * 3 + ["outer"]
    assert {run.state_name for run in runs} == {"Completed"}


def test_a_flow_that_a_worker_calls_is_recorded_below_the_right_flow() -> None:
    @task
    def call_flow() -> int:
        return subflow(1)

    state = in_processes(lambda: call_flow.submit().result(), return_state=True)
    assert state.result() == 2
    runs = open_store().task_runs(state.state_details.flow_run_id)
    (standing,) = [run for run in runs if run.child_uid]
    assert standing.task_name == "subflow"
    assert standing.state_name == "Completed"


def vm_hwm() -> int:
    """The most memory that this process has had, in bytes."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


@linux
def test_of_a_large_persisted_value_only_the_reference_comes_back() -> None:
    @task(persist_result=True)
    def large() -> Any:
        return numpy.ones(8 * 2**20)

    def use() -> Any:
        Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here
        before = vm_hwm()
        state = large.submit(return_state=True)
        return vm_hwm() - before, state.data.size

    grown, size = in_processes(use)
    assert size > 64 * 2**20
    assert grown < 8 * 2**20


SCRIPT = """
import os
from upshot import flow, task
from upshot.task_runners import ProcessPoolTaskRunner

FACTOR = 3

class Own(Exception):
    pass

def helper(x):
    return FACTOR * x

@task(persist_result=True)
def scaled(x):
    return helper(x), os.getpid()

@task
def fail():
    raise Own("mine")

@flow(task_runner=ProcessPoolTaskRunner(max_workers=2))
def main():
    values = [future.result() for future in scaled.map([1, 2, 3])]
    assert os.getpid() not in {pid for _, pid in values}
    error = fail.submit(return_state=True).result(raise_on_failure=False)
    assert type(error) is Own, type(error)
    return [value for value, _ in values]

print(main())  # not guarded: no worker runs this
"""


def test_a_script_needs_no_guard_and_sends_what_it_defines(tmp_path: Path) -> None:
    import subprocess

    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "-W", "error", "script.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    failed = "Task run 'fail-0' has ended as Failed: Own: mine\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, "[3, 6, 9]\n", failed)


ORPHANS = """
import os, signal, sys
from upshot import flow, task
from upshot.task_runners import ProcessPoolTaskRunner

@task
def block():
    print(os.getpid(), flush=True)
    open(sys.argv[1]).read()

@flow(task_runner=ProcessPoolTaskRunner(max_workers=1))
def main():
    block.submit().result()

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored
main()
"""


@linux
@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_workers_do_not_outlive_who_started_them(tmp_path: Path, kill: signal.Signals) -> None:
    import subprocess

    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    process = subprocess.Popen(
        [sys.executable, "-c", ORPHANS, fifo], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    worker = os.pidfd_open(int(process.stdout.readline()))
    process.send_signal(kill)
    process.wait()
    # its last copy of the pipe is closed when the worker is gone, too
    process.stdout.read()
    errors = process.stderr.read().decode()
    process.stdout.close()
    process.stderr.close()
    assert select.select([worker], [], [], 30)[0] == [worker]  # it has ended
    os.close(worker)
    assert ("KeyboardInterrupt" in errors) == (kill == signal.SIGINT)
