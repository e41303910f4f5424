"""Limits that several processes share, and processes that die while they have a slot."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from upshot import task
from upshot.client import get_client
from upshot.runstore import _owner, open_store
from upshot.testing import isolated

PROGRAMS = Path(__file__).with_name("calls_limits.py")

linux = pytest.mark.skipif(sys.platform != "linux", reason="platform: reads /proc")


@contextmanager
def program(home: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-W", "error", str(PROGRAMS), *arguments],
        env=os.environ | {"UPSHOT_HOME": str(home)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def pipe(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None
    return stream


@task(tags=["database"])
def query() -> int:
    return 1


def test_runs_of_two_processes_never_overlap_where_the_limit_is_one(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with isolated(tmp_path):
        open_store().put_limit("database", 1)
        both = ["many", str(log)]
        with program(tmp_path, *both) as one, program(tmp_path, *both) as other:
            assert (one.wait(50), other.wait(50)) == (0, 0)
        assert log.read_text().split() == ["in", "out"] * 40
        limit = open_store().limit("database")
        assert limit is not None
        assert limit.runs == ()


def test_the_slot_of_a_process_that_was_killed_is_free(tmp_path: Path) -> None:
    with isolated(tmp_path):
        open_store().put_limit("database", 1)
        with program(tmp_path, "hold") as holder:
            assert pipe(holder.stdout).readline() == b"holding\n"
            taken = open_store().limit("database")
            assert taken is not None
            assert len(taken.runs) == 1

            holder.send_signal(signal.SIGKILL)  # and nobody waits for it: it is a zombie

            assert query() == 1


def test_who_waits_gets_the_slot_of_a_process_that_is_killed_meanwhile(tmp_path: Path) -> None:
    with isolated(tmp_path):
        open_store().put_limit("database", 1)
        with program(tmp_path, "hold") as holder:
            assert pipe(holder.stdout).readline() == b"holding\n"
            kill_once_it_waits(holder)
            assert query() == 1


def test_who_waits_gets_the_slot_that_another_process_gives_back(tmp_path: Path) -> None:
    with isolated(tmp_path):
        open_store().put_limit("database", 1)
        with program(tmp_path, "hold") as holder:
            assert pipe(holder.stdout).readline() == b"holding\n"
            kill_once_it_waits(holder, gently=True)
            assert query() == 1
            assert holder.wait(20) == 0


def kill_once_it_waits(holder: subprocess.Popen[bytes], *, gently: bool = False) -> None:
    """Have the holder end when a run of this process waits for its slot."""
    client = get_client(sync_client=True)

    def watch() -> None:
        while not any(
            run.state is not None and "waits for a slot" in (run.state.message or "")
            for run in client.read_task_runs()
        ):
            pass
        pipe(holder.stdin).close() if gently else holder.kill()

    threading.Thread(target=watch, daemon=True).start()


# which process it was


def test_this_process_lives() -> None:
    assert not _owner.has_died(_owner.owner())


def test_a_process_of_another_host_is_not_taken_for_dead() -> None:
    _, number, boot, start = _owner.owner().rsplit(":", 3)
    assert not _owner.has_died(f"elsewhere:1:{number}:{boot}:{start}0")


def test_a_process_that_has_ended_is_dead() -> None:
    place, _, boot, start = _owner.owner().rsplit(":", 3)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait(20)
    assert _owner.has_died(f"{place}:{ended.pid}:{boot}:{start}")


@linux
def test_another_process_with_its_number_is_not_taken_for_it() -> None:
    place, number, boot, start = _owner.owner().rsplit(":", 3)
    assert _owner.has_died(f"{place}:{number}:{boot}:{start}0")


@linux
def test_a_process_from_before_the_machine_was_started_is_dead() -> None:
    place, number, boot, start = _owner.owner().rsplit(":", 3)
    assert _owner.has_died(f"{place}:{number}:{boot}0:{start}")


@linux
def test_a_forked_child_is_another_process(tmp_path: Path) -> None:
    before = _owner.owner()
    child = os.fork()
    if not child:
        os._exit(_owner.owner() == before)
    assert os.waitpid(child, 0)[1] == 0
