"""A virtual environment for each peer, made once and kept under build/bench."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
BUILD = ROOT / "build" / "bench"
UV = Path(sys.executable).with_name("uv")


class PeerFailed(Exception):
    """A peer could not be installed, or could not do what it was asked to."""


@contextmanager
def alone() -> Iterator[None]:
    """Let no other run of the command go on in the block: both would use the same folders."""
    BUILD.mkdir(parents=True, exist_ok=True)
    with open(BUILD / ".lock", "w", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit("another run of this command is at work here")
        yield


def python_of(environment: str) -> Path:
    """Its Python."""
    return BUILD / environment / "bin" / "python"


def prepare(environment: str) -> None:
    """Install what the environment needs, unless that was done already.

    Raises:
        PeerFailed: with what the installer said last.
    """
    pins = ROOT / "requirements" / f"bench-{environment}.txt"
    wanted = hashlib.sha256(pins.read_bytes() + sys.version.encode()).hexdigest()
    ready = BUILD / environment / ".ready"
    if not ready.exists() or ready.read_text() != wanted:
        _uv("venv", "--clear", "--python", sys.executable, BUILD / environment)
        _install(environment, "--requirements", pins)
        ready.write_text(wanted)
    if environment == "upshot":
        # as it is now, and as users have it: not the source tree, which may change meanwhile
        _install(environment, "--no-deps", "--no-build-isolation", "--reinstall", ROOT)


def _install(environment: str, *what: str | Path) -> None:
    _uv("pip", "install", "--python", python_of(environment), *what)


def _uv(*arguments: str | Path) -> None:
    done = subprocess.run(
        [UV, *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "UV_PYTHON_DOWNLOADS": "never"},
        check=False,
    )
    if done.returncode:
        print(done.stderr, file=sys.stderr)
        raise PeerFailed(f"cannot be installed: {in_brief(done.stderr)}")


_ERROR = re.compile(r"[A-Za-z_][\w.]*(Error|Exception|Failed|Timeout|Interrupt)\b")


def in_brief(text: str) -> str:
    """What an error says, in a line, without addresses and places of this machine."""
    lines = [line.strip() for line in text.splitlines() if line.strip()] or ["no word"]
    last = next((line for line in reversed(lines) if _ERROR.match(line)), lines[-1])
    plain = re.sub(r"\b\w+://\S+", "…", last)
    plain = re.sub(r"(?<![\w.])(/[\w.@+-]+)+/([\w.@+-]+)", r"…/\2", plain)
    return plain if len(plain) <= 160 else plain[:159] + "…"
