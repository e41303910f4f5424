"""A process that forks while runs go on: what the child may wait for, and what not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.test_calls_processes import run

START = """
import asyncio, logging, os, sys, threading, warnings
from upshot import flow, task
from upshot.exceptions import RunElsewhere
from upshot.futures import as_completed
warnings.simplefilter("ignore", DeprecationWarning)  # a fork among our own threads
logging.getLogger("upshot.task_runs").disabled = True  # a refused run logs that it has failed
go = threading.Event()

@task
def waits(): go.wait(); return "ended"

@task
def quick(x): return x

def refused(wait):
    try:
        wait()
    except RunElsewhere as error:
        assert "forked" in str(error), error
        return True

def fork(in_child):
    pid = os.fork()
    if pid == 0:
        try:
            os._exit(0 if in_child() else 1)
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(2)
    assert os.waitpid(pid, 0)[1] == 0
    go.set()
"""

WAITS = {
    "result": "refused(future.result)",
    "wait": "refused(future.wait)",
    "aresult": "refused(lambda: asyncio.run(future.aresult()))",
    "as_completed": "refused(lambda: list(as_completed([future])))",
    "as an argument": "refused(lambda: quick(future))",
    "what has ended is known": "ended.result() == 1 and ended.wait().is_completed()",
    "its own runs end": "quick.submit(2).result() == 2",
}


@pytest.mark.parametrize("wait", WAITS)
def test_a_forked_child_waits_for_no_run_of_its_parent(tmp_path: Path, wait: str) -> None:
    program = f"""
@flow
def forking():
    future, ended = waits.submit(), quick.submit(1)
    ended.result()
    fork(lambda: {WAITS[wait]})
    return future.result()
assert forking() == "ended"
"""
    end = run(tmp_path, "-c", START + program)

    assert (end.returncode, end.stderr) == (0, "")


def test_a_flow_that_ends_in_a_forked_child_does_not_wait_for_the_parents_runs(
    tmp_path: Path,
) -> None:
    program = """
@flow
def forking():
    future = waits.submit()
    pid = os.fork()
    if pid == 0:
        return "child"
    assert os.waitpid(pid, 0)[1] == 0
    go.set()
    return future.result()
print(forking())
"""
    end = run(tmp_path, "-c", START + program)

    assert (end.returncode, end.stderr) == (0, "")
    assert end.stdout.split() == ["child", "ended"]
