"""The wheel is complete: it installs into an empty environment and runs where no source tree is."""

import os
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

import upshot
from tests._uv import uv

PROJECT = Path(__file__).resolve().parents[2]
SOURCES = PROJECT / "src" / "upshot"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SCRIPT = """
from importlib.metadata import entry_points

import upshot
from upshot import flow, task


@task(persist_result=True)
def double(number):
    return {"doubled": 2 * number}


@flow
def main():
    state = double(21, return_state=True)
    return type(state.data).__name__, state.result()


if __name__ == "__main__":
    print(*main())
    print(upshot.__file__)
    print(*(row.value for row in entry_points(group="pytest11", name="upshot")))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    # with the installed hatchling, which needs no network
    uv(
        "build",
        "--wheel",
        "--no-build-isolation",
        "--python",
        sys.executable,
        "-o",
        folder,
        PROJECT,
    )
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_holds_every_file_of_the_package(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if name.startswith("upshot/")}
    files = (path for path in SOURCES.rglob("*") if path.is_file())
    assert packed == {
        f"upshot/{path.relative_to(SOURCES).as_posix()}"
        for path in files
        if "__pycache__" not in path.parts
    }
    assert "upshot/py.typed" in packed
    assert any(name.startswith("upshot/runstore/migrations/versions/") for name in packed)


def test_the_wheel_runs_without_the_source_tree(wheel: Path, tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    python = venv / "bin" / "python"
    pins = PROJECT / "requirements" / "dev.txt"
    uv("venv", "--python", sys.executable, venv)
    uv("pip", "install", "--python", python, "--constraints", pins, wheel)
    uv("pip", "check", "--python", python)

    script = tmp_path / "elsewhere" / "script.py"
    script.parent.mkdir()
    script.write_text(SCRIPT)
    done = subprocess.run(
        [python, script],
        cwd=script.parent,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("PYTHON")},
            "HOME": str(tmp_path),
            "UPSHOT_HOME": str(tmp_path / "home"),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    result, where, plugin = done.stdout.splitlines()
    assert result == "PersistedResult {'doubled': 42}"
    assert Path(where).is_relative_to(venv)
    assert plugin == "upshot.testing.plugin"
    told = subprocess.run(
        [venv / "bin" / "upshot", "version"],
        env={**os.environ, "UPSHOT_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert upshot.__version__ in told.stdout
