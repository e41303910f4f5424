"""The installed command line looks at what a real program ran."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pty = pytest.importorskip("pty", reason="platform: no pseudo-terminals")

PROGRAM = """
from upshot import flow, task

attempts = []

@task(retries=2, persist_result=True)
def load(name: str) -> dict[str, int]:
    attempts.append(name)
    if len(attempts) == 1:
        raise ConnectionError("the line is busy")
    return {"size": len(name)}

@flow(persist_result=True, result_serializer="json")
def clean(names: list[str]) -> list[str]:
    return [name for name in names if load(name)]

@task
def fail():
    raise ValueError("no numbers")

@flow
def report(label: str) -> bool:
    load("first")
    clean(["größe", "b"])
    fail(return_state=True)
    return True

report("daily")
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli")
    script = folder / "program.py"
    script.write_text(PROGRAM, "utf-8")
    home = folder / "home"
    subprocess.run([sys.executable, script], env=environment(home), check=True)
    return home


def environment(home: Path, **more: str) -> dict[str, str]:
    ours = {name for name in os.environ if name.startswith("UPSHOT_")}
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    return {**kept, "UPSHOT_HOME": str(home), "COLUMNS": "", **more}


def upshot(home: Path, *arguments: str, code: int = 0) -> str:
    command = [sys.executable, "-W", "error", "-m", "upshot.cli", *arguments]
    done = subprocess.run(command, env=environment(home), capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (code, ""), done.stderr
    return done.stdout


def asked(home: Path, *arguments: str) -> Any:
    return json.loads(upshot(home, *arguments, "--json"))


@pytest.fixture
def report(home: Path) -> str:
    (run,) = asked(home, "runs", "ls", "--flow", "report")["flow_runs"]
    return str(run["id"])


def test_a_program_s_runs_are_listed_and_shown(home: Path, report: str) -> None:
    listed = asked(home, "runs", "ls", "--since", "1h", "--state", "completed")["flow_runs"]
    told = asked(home, "runs", "show", report)
    tree = upshot(home, "runs", "show", report)

    assert {run["flow_name"] for run in listed} == {"report", "clean"}
    assert told["run"]["parameters"] == {"label": "daily"}
    shown = [(run["kind"], run["depth"], run["attempts"]) for run in told["runs"]]
    assert shown == [
        ("task run", 1, 2),
        ("task run", 1, 1),
        ("flow run", 1, 1),
        ("task run", 2, 1),
        ("task run", 2, 1),
        ("task run", 1, 1),
    ]
    assert re.search(r"^├── load-0  Completed .*  2 attempts", tree, re.MULTILINE)
    assert re.search(r"^├── clean-0  Completed .*  flow run clean-", tree, re.MULTILINE)
    assert re.search(r"^│   └── load-1  Completed", tree, re.MULTILINE)
    assert re.search(r"^└── fail-0  Failed .*ValueError: no numbers$", tree, re.MULTILINE)


def test_a_program_s_results_are_listed_shown_and_fetched(
    home: Path, report: str, tmp_path: Path
) -> None:
    results = asked(home, "results", "ls", report)["results"]
    clean = next(one for one in results if one["serializer"] == "json")
    shown = asked(home, "results", "show", clean["key"])
    target = tmp_path / "names.json"
    upshot(home, "results", "get", clean["key"], "--to", str(target))

    assert [one["blob"] for one in results] == ["there"] * 4
    assert shown["run"]["id"] == clean["run"]["id"]
    assert json.loads(target.read_text("utf-8")) == ["größe", "b"]


def test_a_reference_of_one_process_is_looked_at_by_another(home: Path, report: str) -> None:
    reference = asked(home, "results", "ls", report)["results"][0]["document"]
    command = [sys.executable, "-m", "upshot.cli", "results", "get", "-", "--to", "-"]
    done = subprocess.run(
        command,
        input=json.dumps(reference),
        env=environment(home),
        capture_output=True,
        text=True,
        check=True,
    )

    assert json.loads(done.stdout) == {"size": 5}
    assert done.stderr.startswith("this result is a pickle")


def test_settings_that_were_set_hold_in_the_next_process(tmp_path: Path) -> None:
    home = tmp_path / "home"
    upshot(home, "config", "set", "durability=full", "results_default_serializer=json")
    script = "from upshot.settings import get_current_settings as s; print(s().durability)"
    command = [sys.executable, "-c", script]

    assert subprocess.check_output(command, env=environment(home), text=True) == "full\n"
    assert "durability" in upshot(home, "config", "view")
    assert upshot(home, "config", "unset", "durability") == "durability = normal\n"


def test_all_is_well_after_a_program_ran(home: Path) -> None:
    assert asked(home, "doctor")["ok"] is True
    assert "upshot" in asked(home, "version")
    assert asked(home, "plugins")["plugins"]


def test_the_script_is_the_same_program(home: Path) -> None:
    script = Path(sys.executable).with_name("upshot")
    if not script.exists():
        pytest.fail("upshot is installed without its script: install it again")
    told = subprocess.check_output([script, "runs", "ls"], env=environment(home), text=True)
    assert told == upshot(home, "runs", "ls")


def test_who_reads_only_the_beginning_gets_it_without_a_word(home: Path, report: str) -> None:
    command = f"'{sys.executable}' -m upshot.cli runs show {report} --json | head -n 1"
    done = subprocess.run(
        command, shell=True, env=environment(home), capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("{\n", "")


def test_a_shell_gets_a_script_for_completion(home: Path) -> None:
    for shell in ("bash", "zsh", "fish"):
        script = upshot_with(home, {"SHELL": f"/bin/{shell}"}, "--show-completion", shell)
        assert "_UPSHOT_COMPLETE" in script


def upshot_with(home: Path, variables: dict[str, str], *arguments: str) -> str:
    command = [sys.executable, "-m", "upshot.cli", *arguments]
    variables = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1", **variables}
    return subprocess.check_output(command, env=environment(home, **variables), text=True)


def test_ctrl_c_ends_it_without_a_traceback(home: Path) -> None:
    command = [sys.executable, "-m", "upshot.cli", "results", "show", "-"]
    with subprocess.Popen(
        command,
        env=environment(home),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        wait_until_it_reads(process.pid)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)

    assert process.returncode in (1, 130)
    assert b"Traceback" not in err
    assert out == b""


def wait_until_it_reads(pid: int) -> None:
    """Wait for a process that waits for its input; where no system tells, for 5 s."""
    wchan = Path(f"/proc/{pid}/wchan")
    for _ in range(100):
        time.sleep(0.05)
        if wchan.exists() and "pipe" in wchan.read_text():
            return


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_all_output_fits_a_terminal(home: Path, report: str, columns: int) -> None:
    # the unit tests do the same for each command, with a terminal that is none
    for command in (["runs", "show", report], ["results", "ls", report], ["version"]):
        lines = list(on_a_terminal(home, columns, *command))
        assert lines, command
        assert max(map(len, lines)) <= columns, command


def on_a_terminal(home: Path, columns: int, *arguments: str) -> Iterator[str]:
    """The lines that a terminal of this width gets, without colours."""
    import fcntl
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    command = [sys.executable, "-m", "upshot.cli", *arguments]
    variables = environment(home, TERM="xterm-256color")
    del variables["COLUMNS"]
    with subprocess.Popen(command, env=variables, stdin=theirs, stdout=theirs) as process:
        os.close(theirs)
        content = b""
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # the other side is closed
                break
            if not piece:
                break
            content += piece
    os.close(ours)
    assert process.returncode == 0
    assert b"\x1b[" in content or arguments[0] == "version"
    for line in content.decode().splitlines():
        yield re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip()
