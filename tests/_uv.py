"""Runs uv for tests that install something; they skip where no package index can be reached."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

UV = Path(sys.executable).with_name("uv")
# what uv says when it cannot reach an index
UNREACHABLE = ("Failed to fetch", "Request failed", "error sending request", "dns error")


def uv(*arguments: str | Path) -> str:
    """What uv prints when it is called so."""
    done = _run(arguments)
    if done.returncode and any(words in done.stderr for words in UNREACHABLE):
        done = _run(arguments, UV_OFFLINE="1")  # its cache may have it all, if older than it likes
        if done.returncode:
            pytest.skip(f"no network: uv {arguments[0]} cannot reach a package index")
    assert done.returncode == 0, done.stderr
    return done.stdout


def _run(arguments: tuple[str | Path, ...], **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [UV, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "UV_PYTHON_DOWNLOADS": "never", **env},
        check=False,
    )
