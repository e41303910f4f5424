"""The example on a terminal: a bar that moves, and tables that fit."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "examples" / "stdlib_report.py"


def on_a_terminal(folder: Path) -> str:
    """What the example writes to a terminal."""
    ours, theirs = pty.openpty()
    environ = {**os.environ, "TERM": "xterm", "COLUMNS": "80", "UPSHOT_HOME": str(folder / "home")}
    environ.pop("NO_COLOR", None)
    options = ["--root", str(folder / "files"), "--html", str(folder / "report.html")]
    with subprocess.Popen(
        [sys.executable, str(SCRIPT), "--threads", *options],
        cwd=folder,
        env=environ,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        written = b""
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # Linux: who wrote has gone
                piece = b""
            if not piece:
                break
            written += piece
        os.close(ours)
    assert process.returncode == 0, written.decode()
    return written.decode()


@pytest.mark.skipif(sys.platform == "win32", reason="platform: no pseudo-terminals")
def test_a_terminal_is_shown_a_bar_that_counts_the_files(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    for number in range(20):
        (tmp_path / "files" / f"m{number}.py").write_text(
            f"def f{number}():\n    return {number}\n"
        )
    written = on_a_terminal(tmp_path)
    assert "20/20" in written
    assert "━" in written
    assert "\x1b[" in written
