"""The system calls of a persisted call, as strace sees them: what is forced to disk, and when."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from itertools import groupby
from pathlib import Path

import pytest

pytestmark = pytest.mark.apt

PROGRAM = Path(__file__).with_name("calls_traced.py")
CALLS = "openat,write,pwrite64,fsync,fdatasync,rename,renameat,renameat2,linkat"
STRACE = ["strace", "-f", "-y", "-s", "16", "-e", f"trace={CALLS}", "-o"]
BEGUN = re.compile(r"(?P<pid>\d+) +(?P<begin>.*) <unfinished \.\.\.>")
RESUMED = re.compile(r"(?P<pid>\d+) +<\.\.\. [a-z0-9]+ resumed>(?P<end>.*)")


def system_calls(home: Path, durability: str, *arguments: str) -> list[str]:
    """What a persisted call asked of the system, as lines of strace, in the order of their ends."""
    trace = home.with_name("trace")
    subprocess.run(
        [*STRACE, str(trace), sys.executable, "-W", "error", str(PROGRAM), *arguments],
        env=os.environ | {"UPSHOT_HOME": str(home), "UPSHOT_DURABILITY": durability},
        check=True,
        stdout=subprocess.PIPE,
        timeout=50,
    )
    lines: list[str] = []
    begun: dict[str, str] = {}
    for line in trace.read_text().splitlines():
        if found := BEGUN.fullmatch(line):
            begun[found["pid"]] = found["begin"]
        elif found := RESUMED.fullmatch(line):
            lines.append(begun.pop(found["pid"]) + found["end"])
        else:
            lines.append(line.partition(" ")[2].lstrip())
    first, last = (
        next(i for i, line in enumerate(lines) if line.startswith("write(1<") and word in line)
        for word in ("begin", "told")
    )
    return lines[first + 1 : last + 1]


def event(line: str, storage: Path) -> str | None:
    """What a system call does, of what matters here."""
    name, _, rest = line.partition("(")
    if name == "write" and rest.startswith("1<"):
        return "tell"
    if name.startswith(("rename", "link")):
        assert rest.split('"')[3].startswith(f"{storage}/"), line
        return "name blob"
    path = re.match(r"\d+<([^>]*)>", rest)
    if path is None:
        return None
    verb = {"write": "write", "pwrite64": "write", "fsync": "sync", "fdatasync": "sync"}.get(name)
    if re.search(r"/(\.upshot-|#\d)", path[1]):
        what = "blob"
    elif path[1].endswith("runs.db-wal"):
        what = "rows"
    elif Path(path[1]).is_dir():
        what = f"folder {Path(path[1]).relative_to(storage.parent)}"
    else:
        what = Path(path[1]).name if path[1].startswith(str(storage.parent)) else ""
    return f"{verb} {what}" if what and verb else None


def events(home: Path, durability: str, *arguments: str) -> list[str]:
    """The order of what matters, from the first byte of the blob on."""
    lines = system_calls(home, durability, *arguments)
    named = [found for line in lines if (found := event(line, home / "storage"))]
    # the writer thread may have recorded by then that the run has begun
    placed = named.index("name blob")
    before = [found for found in named[:placed] if not found.endswith("rows")]
    return [found for found, _ in groupby(before + named[placed:])]


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_with_full_durability_blob_and_row_reach_the_disk_in_order_before_the_caller_is_told(
    tmp_path: Path, colour: str
) -> None:
    assert events(tmp_path / "home", "full", colour) == [
        "write blob",
        "sync blob",
        "name blob",
        "sync folder storage",
        "write rows",
        "sync rows",
        "tell",
    ]


def test_with_full_durability_new_folders_reach_the_disk_too(tmp_path: Path) -> None:
    found = events(tmp_path / "home", "full", "sync", "deep/er/{task_run.id}")

    assert found == [
        "sync folder storage",
        "sync folder storage/deep",
        "write blob",
        "sync blob",
        "name blob",
        "sync folder storage/deep/er",
        "write rows",
        "sync rows",
        "tell",
    ]


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_with_normal_durability_nothing_is_forced_to_disk_and_the_order_is_the_same(
    tmp_path: Path, colour: str
) -> None:
    home = tmp_path / "home"

    assert events(home, "normal", colour) == ["write blob", "name blob", "write rows", "tell"]
    assert not [line for line in system_calls(home, "normal", colour) if "sync(" in line]
