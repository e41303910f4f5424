"""The command line as a whole: help, errors, exit codes, completion, and what it loads."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from tests.unit.cli_runs import a_flow_run, refused, upshot
from upshot import _registry, exceptions
from upshot.cli import _main
from upshot.cli._errors import Exit, code_of, one_line
from upshot.runstore import open_store
from upshot.testing import isolated

PAGE = Path(__file__).resolve().parents[2] / "docs" / "cli.md"


@pytest.fixture(autouse=True)
def own_home() -> Iterator[None]:
    with isolated():
        yield


def commands() -> Iterator[tuple[str, ...]]:
    """All commands, by what is written behind `upshot`."""
    for name in _main.SUMMARIES:
        loaded: Any = typer.main.get_command(_registry.load("command", name))
        inner = getattr(loaded, "commands", None)
        yield from ((name, one) for one in inner) if inner else [(name,)]


COMMANDS = list(commands())


def test_help_names_every_command_of_the_table_and_no_other() -> None:
    ran = upshot("--help")
    table = ran.out.partition("Commands:\n")[2].partition("\n\n")[0]
    listed = re.findall(r"^  ([\w-]+)", table, re.MULTILINE)

    assert ran.code == 0
    assert sorted(listed) == sorted(_registry.BUILTIN["command"])
    assert list(_main.SUMMARIES) == listed


@pytest.mark.parametrize("name", _main.SUMMARIES)
def test_help_says_of_a_command_what_the_command_says_itself(name: str) -> None:
    own = upshot(name, "--help").out.splitlines()
    assert own[2].strip() == _main.SUMMARIES[name]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_json_and_an_example_in_its_help(command: tuple[str, ...]) -> None:
    ran = upshot(*command, "--help")

    assert ran.code == 0
    assert "--json" in ran.out
    assert f"  Example:\n      upshot {' '.join(command)}" in ran.out
    assert "..." not in ran.out.replace("}...", "")  # nothing is cut off


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_stands_in_the_docs(command: tuple[str, ...]) -> None:
    assert f"`upshot {' '.join(command)}" in PAGE.read_text("utf-8")


def test_help_the_docs_and_the_code_agree_on_exit_codes() -> None:
    told = dict(re.findall(r"^ +(\d+) +(.+)$", upshot("--help").out, re.MULTILINE))
    page = dict(re.findall(r"^\| `(\d+)` \| ([^|]+?) \|", PAGE.read_text("utf-8"), re.MULTILINE))

    assert told == page
    assert {int(code) for code in told} == set(Exit)


def test_help_loads_no_command() -> None:
    loaded = modules_after("--help")

    assert loaded & {"pydantic", "rich", "sqlite3", "sqlalchemy", "anyio", "cloudpickle"} == set()
    assert {name for name in loaded if name.startswith("upshot.")} == {
        "upshot._registry",
        "upshot._version",
        "upshot.cli",
        "upshot.cli._errors",
        "upshot.cli._main",
        "upshot.exceptions",
    }


def test_version_loads_no_database_and_no_other_room() -> None:
    loaded = modules_after("version")

    assert loaded & {"rich", "sqlite3", "sqlalchemy", "anyio", "cloudpickle"} == set()
    assert loaded & {"upshot.settings", "upshot.runstore", "upshot.documents"} == set()


def test_no_command_loads_alembic_or_sqlalchemy() -> None:
    for command in (["runs", "ls"], ["config", "view"], ["doctor"]):
        assert modules_after(*command) & {"sqlalchemy", "alembic"} == set()


def modules_after(*arguments: str) -> set[str]:
    script = f"""
import sys
from upshot.cli import main
code = main({arguments!r})
print("\\n" + " ".join(sys.modules))
sys.exit(code)
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], check=True, capture_output=True, text=True
    )
    return set(done.stdout.splitlines()[-1].split())


def test_version_says_which_upshot_this_is() -> None:
    assert upshot("--version").out == f"upshot {_main.__version__}\n"
    assert upshot("version").lines()[0] == ["upshot", _main.__version__]
    assert set(upshot("version", "--json").json()) == {"upshot", "python", "system"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["rusn"], "Did you mean 'runs'?"),
        (["runs", "lss"], "No such command 'lss'"),
        (["runs", "ls", "--limt", "3"], "--limit"),
        (["runs", "ls", "--limit", "many"], "--limit"),
        (["runs", "ls", "--limit", "0"], "--limit"),
        (["runs", "show"], "ID"),
        (["runs", "show", "0193", "--limit", "-1"], "--limit"),
        (["results", "ls"], "ID"),
        (["results", "show"], "RESULT"),
        (["results", "get", "0193"], "--to"),
        (["config", "set"], "NAME=VALUE"),
        (["config", "unset"], "NAME"),
        (["config", "view", "more"], "more"),
        (["plugins", "more"], "more"),
        (["doctor", "more"], "more"),
        (["version", "more"], "more"),
    ],
)
def test_a_command_line_that_makes_no_sense_ends_with_2(arguments: list[str], said: str) -> None:
    ran = upshot(*arguments)

    assert ran.code == Exit.USAGE
    assert ran.out == ""
    assert said in ran.err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (exceptions.BlobMissing("k", "storage"), Exit.NOT_FOUND),
        (exceptions.BlobReplaced("k", "storage"), Exit.UNREADABLE),
        (exceptions.UnreadableResult("k", "storage", "why"), Exit.UNREADABLE),
        (exceptions.UntrustedReference("k", "storage"), Exit.UNREADABLE),
        (exceptions.RunStoreUnavailable("runs.db", "be read", "it is read-only"), Exit.UNAVAILABLE),
        (exceptions.RunStoreTooNew("runs.db", "9", "1"), Exit.UNAVAILABLE),
        (exceptions.StorageUnavailable("storage", "read 'k'", "no"), Exit.UNAVAILABLE),
        (exceptions.InvalidStorageKey("..", "/", "leaves"), Exit.UNAVAILABLE),
        (exceptions.InvalidSettings("UPSHOT_X", "no"), Exit.USAGE),
        (exceptions.UnknownPlugin("run store", "x", ("y",)), Exit.USAGE),
        (PermissionError(13, "Permission denied"), Exit.UNAVAILABLE),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_is_one_line_and_a_code(
    error: Exception, code: Exit, monkeypatch: pytest.MonkeyPatch
) -> None:
    raise_in_version(error, monkeypatch)

    refused(upshot("version"), code, one_line(str(error)))
    if isinstance(error, exceptions.UpshotError):
        assert code_of(error) is code


def test_a_bug_shows_its_traceback_and_ends_with_a_code_of_its_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raise_in_version(KeyError("oops"), monkeypatch)

    assert _main.main(["version"]) == Exit.BUG
    err = capsys.readouterr().err
    assert "KeyError: 'oops'" in err
    assert "bug in upshot" in err.splitlines()[-1]


def raise_in_version(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    class Platform:
        def __getattr__(self, name: str) -> object:
            raise error

    monkeypatch.setattr("upshot.cli.version.platform", Platform())


def test_an_error_of_several_lines_becomes_one() -> None:
    assert one_line("a\n  b\r\n\nc") == "a; b; c"


def test_a_setting_that_cannot_be_used_is_told_by_every_command_that_needs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("UPSHOT_DURABILITY", "ful")
    from upshot.settings import forget_settings

    forget_settings()
    for command in (["runs", "ls"], ["results", "show", "k"], ["config", "view"]):
        refused(upshot(*command), Exit.USAGE, "UPSHOT_DURABILITY", "'ful'")


def test_a_run_store_that_cannot_be_read_ends_with_3(tmp_path: Path) -> None:
    with isolated(tmp_path):
        (tmp_path / "runs.db").write_text("this is no database")
        for command in (["runs", "ls"], ["runs", "show", "0193a5b2"], ["results", "ls", "0193"]):
            refused(upshot(*command), Exit.UNAVAILABLE, str(tmp_path), "not a SQLite database")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="platform: no /dev/full")
def test_an_output_that_is_full_ends_with_3() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "upshot.cli", "version"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )

    assert done.returncode == Exit.UNAVAILABLE
    assert done.stderr == "upshot: [Errno 28] No space left on device\n"


def test_letters_that_the_output_does_not_have_are_escaped() -> None:
    a_flow_run("größe")
    open_store().flush()
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    for more in ([], ["--json"]):
        command = [sys.executable, "-m", "upshot.cli", "runs", "ls", *more]
        done = subprocess.run(command, env=environment, capture_output=True, check=True)
        assert (rb"gr\u00f6\u00dfe" if more else rb"gr\xf6\xdfe") in done.stdout


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("upshot r", ["runs", "results"]),
        ("upshot runs s", ["show"]),
        ("upshot runs ls --st", ["--state"]),
        ("upshot runs ls --state c", ["completed", "cancelled", "crashed", "cancelling"]),
        ("upshot config unset task", ["task_default_retries", "tasks_refresh_cache"]),
        ("upshot config set dura", ["durability="]),
    ],
)
def test_a_shell_completes_commands_options_and_names(words: str, expected: list[str]) -> None:
    environment = os.environ | {
        "_UPSHOT_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(words.count(" ")),
    }
    command = [sys.executable, "-m", "upshot.cli"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)

    assert done.stdout.split() == expected


def test_a_stream_that_cannot_be_configured_is_written_to_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)

    assert _main.main(["version"]) == Exit.DONE
    assert out.getvalue().startswith("upshot")
