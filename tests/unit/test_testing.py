"""`isolated()` and the fixture: a home of their own, and never the user's."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from upshot import flow, task, testing
from upshot.exceptions import InvalidSettings, RunStoreUnavailable
from upshot.runstore import open_store
from upshot.settings import (
    Settings,
    forget_settings,
    get_current_settings,
    temporary_settings,
)
from upshot.testing import isolated

SUITE = """
import os
from pathlib import Path
import pytest
from upshot import flow, task
from upshot.runstore import open_store
from upshot.settings import get_current_settings

@task(persist_result=True)
def one(x):
    return [x]

@flow
def run(x):
    return one(x)

seen = set()

@pytest.mark.parametrize("x", range(6))
def test_each_test_has_its_own(upshot_home, x):
    assert upshot_home == get_current_settings().home
    assert not upshot_home.exists() and upshot_home not in seen
    seen.add(upshot_home)
    assert run(x) == [x]
    assert len(open_store().flow_runs()) == 1
    assert len(list((upshot_home / "storage").iterdir())) == 1

def test_a_home_is_gone_after_its_test():
    assert not any(home.exists() for home in seen)
"""


@pytest.fixture
def users_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A user's home, which must stay empty."""
    home = tmp_path / "user"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    for variable in [name for name in os.environ if name.startswith("UPSHOT_")]:
        monkeypatch.delenv(variable)
    forget_settings()
    yield home
    forget_settings()
    assert list(home.rglob("*")) == []


@task(persist_result=True)
def one() -> list[int]:
    return [1]


@flow(persist_result=True)
def all_of_it() -> list[int]:
    return one()


def test_nothing_appears_in_the_users_home(users_home: Path) -> None:
    with isolated() as settings:
        assert not settings.home.is_relative_to(users_home)
        assert all_of_it() == [1]
        assert len(list(settings.local_storage_path.iterdir())) == 2
        assert (settings.home / "runs.db").is_file()
    assert not settings.home.exists()


def test_what_is_written_is_for_the_user_alone(users_home: Path) -> None:
    with isolated() as settings:
        all_of_it()
        open_store().flush()
        for path in (settings.home, *settings.home.rglob("*")):
            mode = stat.S_IMODE(path.stat().st_mode)
            assert mode == (0o700 if path.is_dir() else 0o600), path


def test_a_home_that_is_given_stays(users_home: Path, tmp_path: Path) -> None:
    with isolated(tmp_path / "mine") as settings:
        state = all_of_it(return_state=True)
        assert settings.home == tmp_path / "mine"
    with isolated(tmp_path / "mine"):
        run = open_store().flow_run(state.state_details.flow_run_id)
        assert run is not None
        assert run.state_name == "Completed"


def test_a_relative_home_is_closed_as_well(
    users_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with isolated(Path("mine")) as settings:
        store = open_store()
        assert settings.home == tmp_path / "mine"
    with isolated(Path("mine")):
        assert open_store() is not store


def test_what_was_there_before_is_there_again(
    users_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UPSHOT_HOME", str(tmp_path / "before"))
    monkeypatch.setenv("UPSHOT_TASK_DEFAULT_RETRIES", "3")
    monkeypatch.setenv("UPSHOT_Durability", "full")
    monkeypatch.setenv("UPSHOT_CI", "1")
    before, environ = get_current_settings(), dict(os.environ)
    with isolated(durability="full", results_persist_by_default=True) as outer:
        assert (outer.task_default_retries, outer.durability) == (0, "full")
        with isolated() as inner:
            assert (inner.durability, inner.results_persist_by_default) == ("normal", False)
            assert os.environ["UPSHOT_CI"] == "1"
        assert get_current_settings() == outer
    assert dict(os.environ) == environ
    assert get_current_settings() == before
    assert not before.home.exists()


def test_an_error_inside_leaves_all_as_it_was(users_home: Path) -> None:
    environ = dict(os.environ)

    def block() -> None:
        with isolated():
            os.environ["UPSHOT_DURABILITY"] = "full"
            raise KeyError

    with pytest.raises(KeyError):
        block()
    assert dict(os.environ) == environ
    assert get_current_settings() == Settings()


def test_a_store_that_cannot_be_closed_leaves_all_as_it_was(
    users_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environ = dict(os.environ)

    def refuses() -> None:
        raise RunStoreUnavailable("the store", "close", "no room")

    def block() -> None:
        with isolated(run_store="memory"):
            monkeypatch.setattr(open_store(), "close", refuses)

    with pytest.raises(RunStoreUnavailable):
        block()
    assert dict(os.environ) == environ
    assert get_current_settings() == Settings()


def test_temporary_settings_around_it_do_not_reach_inside(users_home: Path) -> None:
    with temporary_settings({"UPSHOT_DURABILITY": "full"}) as around:
        with isolated() as inside:
            assert inside.home != around.home
            assert get_current_settings().durability == "normal"
        assert get_current_settings() is around


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"durabilty": "full"}, "'durabilty' is no setting: did you mean 'durability'?"),
        ({"colour": "red"}, "'colour' is no setting: known are: "),
        ({"durability": "ful"}, "UPSHOT_DURABILITY: 'ful' cannot be used"),
    ],
)
def test_settings_that_cannot_be_used_leave_all_as_it_was(
    settings: dict[str, str], said: str, users_home: Path
) -> None:
    environ = dict(os.environ)
    with pytest.raises(InvalidSettings) as caught, isolated(**settings):
        raise AssertionError
    assert said in str(caught.value)
    assert dict(os.environ) == environ


def test_children_share_the_home(users_home: Path) -> None:
    code = "from upshot.settings import get_current_settings as s; print(s().home, s().durability)"
    with isolated(durability="full") as settings:
        ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.stdout == f"{settings.home} full\n"


@pytest.mark.parametrize("options", [[], ["-n", "2"]])
def test_the_fixture_gives_each_test_its_own_home_under_xdist_too(
    options: list[str], users_home: Path, tmp_path: Path
) -> None:
    suite = tmp_path / "suite"
    suite.mkdir()
    (suite / "test_suite.py").write_text(SUITE)
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", *options, str(suite)]
    ran = subprocess.run(command, cwd=suite, capture_output=True, text=True, timeout=50)
    assert "7 passed" in ran.stdout, ran.stdout + ran.stderr


def test_the_plugin_loads_nothing_of_ours_before_it_is_used() -> None:
    code = "import sys, upshot.testing.plugin; print(*sorted(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(ran.stdout.split())
    assert "upshot.testing.plugin" in loaded
    assert not loaded & {"upshot.settings", "upshot.testing.isolation", "pydantic", "anyio"}


def test_the_names_that_testing_offers_are_there() -> None:
    for name in testing.__all__:
        assert getattr(testing, name) is not None
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = testing.no_such_name
