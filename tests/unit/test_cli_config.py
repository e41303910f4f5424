"""`upshot config`: the settings, and the profile that they are written to."""

from __future__ import annotations

import os
import stat
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli_runs import columns, refused, upshot
from upshot.cli import _profile
from upshot.settings import Settings, forget_settings, get_current_settings, read_settings
from upshot.testing import isolated

__all__ = ["columns"]  # a fixture


@pytest.fixture(autouse=True)
def home() -> Iterator[Path]:
    with isolated() as settings:
        yield settings.home


def profile(home: Path) -> dict[str, Any]:
    return tomllib.loads((home / "profile.toml").read_text("utf-8"))


def in_force() -> Settings:
    forget_settings()
    return get_current_settings()


def test_each_setting_is_shown_with_where_it_comes_from(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.mkdir()
    (home / "profile.toml").write_text('UPSHOT_DURABILITY = "full"\ntask_default_retries = 1\n')
    monkeypatch.setenv("UPSHOT_TASK_DEFAULT_RETRIES", "3")
    forget_settings()
    told = upshot("config", "view", "--json").json()
    sources = {row["name"]: (row["value"], row["source"], row["where"]) for row in told["settings"]}

    assert told["profile"] == str(home / "profile.toml")
    assert list(sources) == list(Settings.model_fields)
    assert sources["home"] == (str(home), "environment", "UPSHOT_HOME")
    assert sources["durability"] == (
        "full",
        "profile",
        f"{home / 'profile.toml'}, UPSHOT_DURABILITY",
    )
    assert sources["task_default_retries"] == (3, "environment", "UPSHOT_TASK_DEFAULT_RETRIES")
    assert sources["flow_default_retries"] == (0, "default", None)
    assert sources["local_storage_path"] == (str(home / "storage"), "default", None)
    lines = {line[0]: line[1:] for line in upshot("config", "view").lines()}
    assert lines["SETTING"] == ["VALUE", "FROM"]
    assert lines["task_default_retries"] == ["3", "UPSHOT_TASK_DEFAULT_RETRIES"]
    assert lines["tasks_refresh_cache"] == ["false", "default"]


def test_settings_are_written_to_the_profile_and_hold(home: Path) -> None:
    ran = upshot("config", "set", "durability=full", "UPSHOT_TASKS_REFRESH_CACHE=yes")

    assert (ran.code, ran.err) == (0, "")
    assert ran.out == "durability = full\ntasks_refresh_cache = true\n"
    assert profile(home) == {"durability": "full", "tasks_refresh_cache": True}
    assert (in_force().durability, in_force().tasks_refresh_cache) == ("full", True)


def test_every_setting_can_be_set_and_is_read_back(home: Path) -> None:
    values = {
        "home": "/somewhere/else",
        "local_storage_path": '/a "quoted" place/\\größe\t',
        "run_store": "memory",
        "durability": "full",
        "results_default_serializer": "compressed/json",
        "default_result_storage_block": "local-file-system/mine",
        "task_default_retries": "7",
        "flow_default_retries": "2",
        "logging_level": "debug",
    }
    values |= dict.fromkeys(
        (name for name, field in Settings.model_fields.items() if field.annotation is bool), "true"
    )
    ran = upshot("config", "set", *(f"{name}={value}" for name, value in values.items()))
    found = read_settings({"UPSHOT_HOME": str(home)})

    assert ran.code == 0
    for name in values:
        if name == "home":  # the environment's
            assert profile(home)["home"] == values["home"]
            continue
        assert str(getattr(found, name)).lower() == values[name].lower()
    assert set(Settings.model_fields) - set(values) == {"secret_key"}, "set these, too"


def test_a_key_is_neither_written_nor_shown(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U="
    ran = upshot("config", "set", f"secret_key={key}")
    assert ran.code == 2
    assert "UPSHOT_SECRET_KEY" in ran.err
    assert key not in ran.err + ran.out
    assert not (home / "profile.toml").exists()

    monkeypatch.setenv("UPSHOT_SECRET_KEY", key)
    for arguments in ([], ["--json"]):
        shown = upshot("config", "view", *arguments)
        assert shown.code == 0
        assert "**********" in shown.out
        assert key not in shown.out

    monkeypatch.setenv("UPSHOT_SECRET_KEY", f"{key},hunter2")
    refused = upshot("config", "view")
    assert refused.code == 2
    assert "32 bytes" in refused.err
    assert "hunter2" not in refused.err


def test_a_value_may_hold_an_equals_sign(home: Path) -> None:
    upshot("config", "set", "local_storage_path=/a=b")
    assert profile(home) == {"local_storage_path": "/a=b"}


def test_what_else_is_in_the_profile_stays(home: Path) -> None:
    home.mkdir()
    (home / "profile.toml").write_text(
        '# a comment\nUPSHOT_durability = "full"\ntask_default_retries = 1\n'
    )
    upshot("config", "set", "durability=normal", "flow_default_retries=2")

    assert profile(home) == {
        "task_default_retries": 1,
        "durability": "normal",
        "flow_default_retries": 2,
    }


@pytest.mark.skipif(sys.platform == "win32", reason="platform: permissions")
def test_the_profile_is_for_its_owner_alone(home: Path) -> None:
    upshot("config", "set", "durability=full")
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    (home / "profile.toml").chmod(0o644)
    upshot("config", "set", "durability=normal")

    assert stat.S_IMODE((home / "profile.toml").stat().st_mode) == 0o600
    assert [path.name for path in home.iterdir()] == ["profile.toml"]


def test_a_profile_that_is_a_link_stays_one(home: Path, tmp_path: Path) -> None:
    home.mkdir()
    (home / "profile.toml").symlink_to(tmp_path / "dotfile")
    upshot("config", "set", "durability=full")

    assert (home / "profile.toml").is_symlink()
    assert (tmp_path / "dotfile").read_text() == 'durability = "full"\n'


def test_a_variable_that_overrides_what_was_set_is_told(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UPSHOT_DURABILITY", "normal")
    ran = upshot("config", "set", "durability=full")

    assert ran.out == "durability = full\n"
    assert ran.err == "UPSHOT_DURABILITY is set in the environment, and overrides it\n"
    told = upshot("config", "set", "durability=full", "tasks_refresh_cache=1", "--json").json()
    assert told == {
        "profile": str(home / "profile.toml"),
        "settings": [
            {"name": "durability", "value": "full", "overridden_by": "UPSHOT_DURABILITY"},
            {"name": "tasks_refresh_cache", "value": True, "overridden_by": None},
        ],
    }


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ("durabilty=full", "'durabilty' is no setting: did you mean 'durability'?"),
        ("UPSHOT_DURABILTY=full", "did you mean 'durability'?"),
        ("colour=red", "'colour' is no setting: known are: "),
        ("durability=ful", "durability: 'ful' cannot be used: Input should be 'normal' or 'full'"),
        ("task_default_retries=-1", "greater than or equal to 0"),
        ("task_default_retries=many", "task_default_retries: 'many' cannot be used"),
        ("tasks_refresh_cache=perhaps", "tasks_refresh_cache: 'perhaps' cannot be used"),
        ("local_storage_path=", "an empty path"),
        ("results_default_serializer=pickel", "did you mean 'pickle'?"),
        ("run_store=sqlit", "no run store is called 'sqlit': did you mean 'sqlite'?"),
        ("durability", "'durability': say NAME=VALUE"),
        ("=full", "'' is no setting"),
    ],
)
def test_what_cannot_be_set_is_refused_before_anything_is_written(
    assignment: str, said: str, home: Path
) -> None:
    upshot("config", "set", "durability=full")
    before = (home / "profile.toml").read_bytes()

    refused(upshot("config", "set", "task_default_retries=4", assignment), 2, said)
    assert (home / "profile.toml").read_bytes() == before


def test_a_setting_is_taken_out_of_the_profile(home: Path) -> None:
    upshot("config", "set", "durability=full", "task_default_retries=4")
    ran = upshot("config", "unset", "durability")

    assert (ran.code, ran.out) == (0, "durability = normal\n")
    assert profile(home) == {"task_default_retries": 4}
    assert in_force().durability == "normal"
    told = upshot("config", "unset", "task_default_retries", "--json").json()
    assert told["settings"] == [{"name": "task_default_retries", "value": 0, "overridden_by": None}]
    assert profile(home) == {}


def test_a_setting_that_is_not_in_the_profile_need_not_be_taken_out() -> None:
    ran = upshot("config", "unset", "durability")
    assert (ran.code, ran.err) == (0, "durability is not in the profile\n")


def test_an_unknown_setting_is_refused_unless_it_stands_in_the_profile(home: Path) -> None:
    home.mkdir()
    (home / "profile.toml").write_text('durabilty = "full"\ntask_default_retries = 1\n')
    refused(upshot("config", "view"), 2, str(home), "did you mean 'durability'?")
    refused(upshot("config", "unset", "durabilt"), 2, "did you mean 'durability'?")

    assert upshot("config", "unset", "durabilty").code == 0
    assert profile(home) == {"task_default_retries": 1}


def test_a_bad_value_in_the_profile_can_be_put_right(home: Path) -> None:
    home.mkdir()
    (home / "profile.toml").write_text('durability = "ful"\n')
    forget_settings()
    refused(upshot("config", "view"), 2, "'ful' cannot be used as durability")

    assert upshot("config", "set", "durability=full").code == 0
    assert in_force().durability == "full"


@pytest.mark.parametrize("command", [["view"], ["set", "durability=full"], ["unset", "durability"]])
def test_a_profile_that_is_no_toml_is_told_and_left_alone(command: list[str], home: Path) -> None:
    home.mkdir()
    (home / "profile.toml").write_text("durability: full\n")

    refused(upshot("config", *command), 2, str(home / "profile.toml"), "cannot be read")
    assert (home / "profile.toml").read_text() == "durability: full\n"


def test_a_home_that_cannot_be_used_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPSHOT_HOME", "")
    refused(upshot("config", "set", "durability=full"), 2, "UPSHOT_HOME")


def test_a_home_that_cannot_be_made_is_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, **options: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    refused(upshot("config", "set", "durability=full"), 3, f"{home} cannot be made", "Permission")


def test_a_profile_that_cannot_be_written_stays_as_it_is(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upshot("config", "set", "durability=full")

    def fail(*paths: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    refused(upshot("config", "set", "durability=normal"), 3, "profile.toml", "No space left")
    assert profile(home) == {"durability": "full"}
    assert [path.name for path in home.iterdir()] == ["profile.toml"]


@pytest.mark.parametrize(
    "value",
    [True, 7, 1.5, 'a"b\\c\n\x7f\x1bü😀', [1, ["a"]], {"a b": {"c": [True]}}, "2026-01-01"],
)
def test_whatever_a_profile_holds_is_written_back(value: Any, home: Path) -> None:
    text = f"{_profile._key('odd key!')} = {_profile._toml(value)}\n"
    assert tomllib.loads(text) == {"odd key!": value}


def test_dates_of_a_profile_are_written_back() -> None:
    for text in ("2026-01-01", "2026-01-01T10:00:00Z", "10:00:00"):
        value = tomllib.loads(f"a = {text}")["a"]
        assert tomllib.loads(f"a = {_profile._toml(value)}") == {"a": value}


@pytest.mark.parametrize("columns", [40, 80, 200], indirect=True)
def test_settings_fit_the_terminal(columns: int) -> None:
    out = upshot("config", "view", terminal=True).out
    plain = out.replace("\x1b[1m", "").replace("\x1b[0m", "")

    assert max(len(line.rstrip()) for line in plain.splitlines()) <= columns
