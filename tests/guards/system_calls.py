"""Counts the system calls that calls make, with strace.

    python -m tests.guards.system_calls

prints them by name. What a call makes is the difference between two numbers of calls.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

KINDS = ("plain", "persisted", "hit", "awaited", "empty")  # of `instructions.py`
FEW, MANY = 100, 300
# for memory, and for turns of threads: they are made when the system happens to need them
NOT_COUNTED = {"brk", "futex", "madvise", "mmap", "mprotect", "mremap", "munmap"}


def counted(kind: str) -> dict[str, float]:
    """How often one call makes each system call."""
    few, many = (_of_process(kind, calls) for calls in (FEW, MANY))
    names = sorted({*few, *many} - NOT_COUNTED)
    made = {name: (many[name] - few[name]) / (MANY - FEW) for name in names}
    return {name: number for name, number in made.items() if number}


def _of_process(kind: str, calls: int) -> Counter[str]:
    command = [sys.executable, "-m", "tests.guards.instructions", kind, str(calls)]
    environment = os.environ | {"PYTHONHASHSEED": "0"}
    with TemporaryDirectory() as folder:
        trace = Path(folder) / "trace"
        strace = ["strace", "-f", "-qq", "-o", str(trace)]
        subprocess.run([*strace, *command], env=environment, capture_output=True, check=True)
        lines = trace.read_text("utf-8", "replace").splitlines()
    # one that another thread interrupts has two lines; the second begins otherwise
    return Counter(found[1] for line in lines if (found := re.match(r"\d+ +(\w+)\(", line)))


def main() -> None:
    """Print them."""
    for kind in KINDS:
        made = counted(kind)
        told = ", ".join(f"{number:.4g} {name}" for name, number in made.items())
        print(f"{kind} = {sum(made.values()):.4g}  # {told}", flush=True)


if __name__ == "__main__":
    main()
