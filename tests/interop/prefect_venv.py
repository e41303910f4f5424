"""The real Prefect 2, in a virtual environment of its own: it does not fit beside today's packages.

It is made once and kept in `.venv-prefect2/`; other pins or another Python make another one.
"""

import fcntl
import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests._uv import uv

PROJECT = Path(__file__).resolve().parents[2]
KEPT = PROJECT / ".venv-prefect2"
REQUIREMENTS = PROJECT / "requirements" / "prefect2.txt"
NEWEST_PYTHON = (3, 13)


@pytest.fixture(scope="session")
def prefect_python() -> Path:
    """The Python of an environment in which Prefect 2.20.25 is installed."""
    if sys.version_info[:2] > NEWEST_PYTHON:
        pytest.skip("platform: Prefect 2 does not run on this Python")
    digest = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:12]
    venv = KEPT / f"{sys.implementation.cache_tag}-{digest}"
    KEPT.mkdir(exist_ok=True)
    with (KEPT / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one pytest worker makes it, the others wait
        if not (venv / "complete").exists():
            uv("venv", "--clear", "--python", sys.executable, venv)
            uv(
                "pip",
                "install",
                "--python",
                venv / "bin" / "python",
                "--requirements",
                REQUIREMENTS,
            )
            (venv / "complete").touch()
    return venv / "bin" / "python"


@pytest.fixture
def run_prefect(prefect_python: Path, tmp_path: Path) -> Callable[..., str]:
    """Runs the text of a script under Prefect 2, in a home of its own; gives what it printed."""

    def run(script: str, *arguments: str | Path) -> str:
        inherited = ("PREFECT_", "PYTHON", "UPSHOT_")
        done = subprocess.run(
            [prefect_python, "-c", script, *arguments],
            cwd=tmp_path,
            env={
                **{
                    name: value
                    for name, value in os.environ.items()
                    if not name.startswith(inherited)
                },
                "PREFECT_HOME": str(tmp_path / "prefect"),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
