"""A reader sees the old blob, the new one or none, whoever writes and however the writer ends."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.blob_processes import STOP
from tests.unit.blobs import put
from upshot._blob import read_blob
from upshot.filesystems import LocalFileSystem, _partial
from upshot.serializers import PickleSerializer

SCRIPT = Path(__file__).with_name("blob_processes.py")


def start(*arguments: object) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, SCRIPT, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_readers_see_whole_values_while_processes_write(tmp_path: Path) -> None:
    writers = [start("write", tmp_path, number) for number in range(3)]
    readers = [start("read", tmp_path) for _ in range(3)]
    ended = [(process, *process.communicate()) for process in writers]
    (tmp_path / STOP).touch()
    ended += [(process, *process.communicate()) for process in readers]
    for process, printed, complaint in ended:
        assert process.returncode == 0, complaint
        assert process in writers or int(printed) > 10
    assert sorted(path.name for path in tmp_path.iterdir()) == ["key", STOP]


@pytest.mark.skipif(sys.platform == "win32", reason="platform: no SIGKILL")
@pytest.mark.parametrize("written", [0, 10, 1_000_000])
def test_a_writer_that_is_killed_leaves_the_old_bytes(tmp_path: Path, written: int) -> None:
    storage = LocalFileSystem(basepath=tmp_path)
    put(storage, PickleSerializer(), "old")
    process = start("die", tmp_path, written)
    assert process.communicate() == ("", "")
    assert process.returncode == -signal.SIGKILL
    assert read_blob(storage, "key") == "old"
    left = [path.name for path in tmp_path.iterdir() if path.name != "key"]
    assert len(left) == (0 if _partial._NAMELESS else 1)
    assert all(name.startswith(".upshot-") for name in left)
    put(storage, PickleSerializer(), "new")
    assert read_blob(storage, "key") == "new"
