"""Which process has something, and whether it still lives."""

from __future__ import annotations

import os
import socket
from functools import lru_cache
from pathlib import Path

_PROC = Path("/proc")


def owner() -> str:
    """This process, told from all others: also from a later one that is given its number."""
    return _owner(os.getpid())


@lru_cache(maxsize=1)
def _owner(pid: int) -> str:
    return f"{_place()}:{pid}:{_boot()}:{_start(pid)[1]}"


def has_died(owner: str) -> bool:
    """Whether a process is known to have ended; never of those that cannot be seen from here."""
    place, number, boot, start = owner.rsplit(":", 3)
    if place != _place() or os.name == "nt":  # where to ask is to kill
        return False
    if boot != _boot():
        return True
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except OSError:
        pass  # it is another user's
    state, started = _start(int(number))
    return state in ("Z", "X") or (started != "" and started != start)


def _place() -> str:
    """Where process numbers mean the same: a host, or a container of it."""
    try:
        space = os.readlink("/proc/self/ns/pid").strip("pid:[]")
    except OSError:
        space = ""
    return f"{socket.gethostname()}:{space}"


@lru_cache(maxsize=1)
def _boot() -> str:
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _start(pid: int) -> tuple[str, str]:
    """A process's state, and when it started; where there is no `/proc`, the number must do."""
    try:
        facts = (_PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()
        return facts[0].decode(), facts[19].decode()
    except (OSError, IndexError):
        return "", ""
