"""Settings: where they come from, which wins, and what is said of one that cannot be used."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from upshot import settings
from upshot.exceptions import InvalidSettings
from upshot.settings import (
    Settings,
    forget_settings,
    get_current_settings,
    read_settings,
    settings_of_process,
    temporary_settings,
)


@pytest.fixture
def home(upshot_home: Path) -> Path:
    upshot_home.mkdir()
    return upshot_home


@pytest.fixture
def read_count(monkeypatch: pytest.MonkeyPatch, upshot_home: Path) -> Iterator[list[object]]:
    calls: list[object] = []

    def counted(environ: Any) -> Settings:
        calls.append(environ)
        return read_settings(environ)

    monkeypatch.setattr(settings, "read_settings", counted)
    forget_settings()
    yield calls
    forget_settings()


def test_the_environment_wins_over_the_profile_and_the_profile_over_the_defaults(
    home: Path,
) -> None:
    (home / "profile.toml").write_text("task_default_retries = 2\nflow_default_retries = 3\n")
    read = read_settings({"UPSHOT_HOME": str(home), "UPSHOT_TASK_DEFAULT_RETRIES": "1"})
    assert (read.task_default_retries, read.flow_default_retries) == (1, 3)
    assert read.durability == "normal"


def test_a_profile_may_use_the_names_of_the_variables(home: Path) -> None:
    (home / "profile.toml").write_text("UPSHOT_DURABILITY = 'full'")
    assert read_settings({"UPSHOT_HOME": str(home)}).durability == "full"


def test_the_home_folder_is_absolute_and_the_storage_lies_in_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert read_settings({}).home == tmp_path / ".upshot"
    assert read_settings({"UPSHOT_HOME": "~/x"}).home == tmp_path / "x"
    assert read_settings({"UPSHOT_HOME": "a/../b"}).local_storage_path == tmp_path / "b" / "storage"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("UPSHOT_HOME", "", "leave it out"),
        ("UPSHOT_HOME", "~no_such_user/x", "without `~`"),
        ("UPSHOT_LOCAL_STORAGE_PATH", "a\0b", "NUL"),
        ("UPSHOT_DURABILITY", "ful", "'normal' or 'full'"),
        ("UPSHOT_TASK_DEFAULT_RETRIES", "-1", "greater than or equal to 0"),
        ("UPSHOT_TASK_DEFAULT_RETRIES", "many", "valid integer"),
        ("UPSHOT_RESULTS_PERSIST_BY_DEFAULT", "perhaps", "valid boolean"),
    ],
)
def test_a_variable_that_cannot_be_used_is_named(
    variable: str, value: str, said: str, home: Path
) -> None:
    with pytest.raises(InvalidSettings) as caught:
        read_settings({"UPSHOT_HOME": str(home), variable: value})
    assert str(caught.value).startswith(f"{variable}: {value!r} cannot be used as")
    assert said in str(caught.value)


def test_a_home_that_nobody_can_find_is_invalid(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(path: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", nowhere)
    with pytest.raises(InvalidSettings, match="Could not determine home directory"):
        read_settings({})


@pytest.mark.parametrize(
    ("profile", "said"),
    [
        ("durability = 'ful'", "profile.toml, durability: 'ful' cannot be used"),
        ("durable = 'full'", "'durable' is no setting: did you mean 'durability'?"),
        ("[settings]\nhome = 'x'", "'settings' is no setting"),
        ("durability = ", "cannot be read: Invalid value"),
        ("task_default_retries = 1.5", "task_default_retries: 1.5 cannot be used"),
        (b"\xff\xfe", "cannot be read"),
    ],
)
def test_a_profile_that_cannot_be_used_is_named(
    profile: str | bytes, said: str, home: Path
) -> None:
    path = home / "profile.toml"
    path.write_bytes(profile if isinstance(profile, bytes) else profile.encode())
    with pytest.raises(InvalidSettings) as caught:
        read_settings({"UPSHOT_HOME": str(home)})
    assert str(path) in str(caught.value)
    assert said in str(caught.value)


def test_a_home_that_is_a_file_or_whose_profile_is_a_folder_is_named(home: Path) -> None:
    (home / "file").touch()
    with pytest.raises(InvalidSettings, match=r"file/profile\.toml: cannot be read"):
        read_settings({"UPSHOT_HOME": str(home / "file")})
    (home / "profile.toml").mkdir()
    with pytest.raises(InvalidSettings, match="cannot be read"):
        read_settings({"UPSHOT_HOME": str(home)})


def test_a_misspelled_variable_is_refused_and_another_programs_is_not(home: Path) -> None:
    with pytest.raises(InvalidSettings, match="did you mean 'UPSHOT_DURABILITY'"):
        read_settings({"UPSHOT_HOME": str(home), "UPSHOT_DURABILTY": "full"})
    other = {"UPSHOT_CI": "1", "UPSHOT_TEST_APT": "1", "upshot_durability": "x", "DURABILITY": "x"}
    assert read_settings({"UPSHOT_HOME": str(home), **other}).durability == "normal"


def test_settings_are_read_once_when_first_needed(read_count: list[object]) -> None:
    assert read_count == []
    assert get_current_settings() is get_current_settings()
    assert len(read_count) == 1
    forget_settings()
    get_current_settings()
    assert len(read_count) == 2


def test_a_change_of_the_environment_comes_too_late(
    upshot_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert get_current_settings().durability == "normal"
    monkeypatch.setenv("UPSHOT_DURABILITY", "full")
    assert get_current_settings().durability == "normal"


def test_settings_are_frozen_equal_and_know_no_other_field() -> None:
    assert Settings(home="/a") == Settings(home="/a") != Settings(home="/b")
    with pytest.raises(ValidationError):
        Settings(home="/a").home = Path("/b")
    with pytest.raises(ValidationError):
        Settings(colour="red")


def test_temporary_settings_end_with_their_block(upshot_home: Path) -> None:
    before, environ = get_current_settings(), dict(os.environ)
    with temporary_settings({"UPSHOT_DURABILITY": "full"}) as inside:
        assert inside is get_current_settings()
        with temporary_settings({"task_default_retries": 4}) as innermost:
            assert (innermost.durability, innermost.task_default_retries) == ("full", 4)
        assert get_current_settings() is inside
        assert os.environ == environ
    assert get_current_settings() is before
    with pytest.raises(KeyError), temporary_settings({"UPSHOT_DURABILITY": "full"}):
        raise KeyError
    assert get_current_settings() is before


def test_a_new_home_takes_the_storage_along_unless_that_has_its_own_place(
    upshot_home: Path, tmp_path: Path
) -> None:
    with temporary_settings({"UPSHOT_HOME": tmp_path}) as moved:
        assert moved.local_storage_path == tmp_path / "storage"
    with (
        temporary_settings({"UPSHOT_LOCAL_STORAGE_PATH": "/data"}),
        temporary_settings({"UPSHOT_HOME": tmp_path}) as moved,
    ):
        assert (moved.home, moved.local_storage_path) == (tmp_path, Path("/data"))


@pytest.mark.parametrize(("name", "value"), [("UPSHOT_DURABILTY", "full"), ("durability", "ful")])
def test_temporary_settings_that_cannot_be_used_change_nothing(
    name: str, value: str, upshot_home: Path
) -> None:
    before = get_current_settings()
    with (
        pytest.raises(InvalidSettings, match=r"^temporary_settings\(\): '"),
        temporary_settings({name: value}),
    ):
        raise AssertionError
    assert get_current_settings() is before


def test_temporary_settings_hold_in_this_context_and_those_copied_from_it(
    upshot_home: Path,
) -> None:
    seen: list[str] = []

    def look() -> None:
        seen.append(get_current_settings().durability)

    async def look_from_another_task() -> None:
        await asyncio.gather(asyncio.to_thread(look))

    with temporary_settings({"UPSHOT_DURABILITY": "full"}):
        asyncio.run(look_from_another_task())
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
    assert seen == ["full", "normal"]


def test_temporary_settings_can_be_put_aside(upshot_home: Path) -> None:
    of_process = get_current_settings()
    with temporary_settings({"UPSHOT_DURABILITY": "full"}) as temporary:
        with settings_of_process():
            assert get_current_settings() is of_process
        assert get_current_settings() is temporary
