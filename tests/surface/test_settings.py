"""Settings: objects by their names, blocks with other settings, and what holds in runs."""

from __future__ import annotations

import asyncio
import copy
import json
import os
import pickle
from pathlib import Path
from typing import Any

import pytest

from upshot import flow, settings, task
from upshot.cli import main as command_line
from upshot.exceptions import InvalidSettings
from upshot.settings import (
    UPSHOT_ASYNC_FETCH_STATE_RESULT,
    UPSHOT_DEFAULT_RESULT_STORAGE_BLOCK,
    UPSHOT_FLOW_DEFAULT_RETRIES,
    UPSHOT_HOME,
    UPSHOT_LOCAL_STORAGE_PATH,
    UPSHOT_LOGGING_LEVEL,
    UPSHOT_LOGGING_LOG_PRINTS,
    UPSHOT_RESULTS_DEFAULT_SERIALIZER,
    UPSHOT_RESULTS_PERSIST_BY_DEFAULT,
    UPSHOT_RUN_ON_COMPLETION_HOOKS_ON_CACHED,
    UPSHOT_TASK_DEFAULT_RETRIES,
    UPSHOT_TASKS_REFRESH_CACHE,
    Settings,
    forget_settings,
    get_current_settings,
    temporary_settings,
)
from upshot.task_runners import (
    ConcurrentTaskRunner,
    ProcessPoolTaskRunner,
    SequentialTaskRunner,
)

pytestmark = pytest.mark.usefixtures("upshot_home")

OBJECTS: list[Any] = [
    UPSHOT_ASYNC_FETCH_STATE_RESULT,
    UPSHOT_DEFAULT_RESULT_STORAGE_BLOCK,
    UPSHOT_FLOW_DEFAULT_RETRIES,
    UPSHOT_HOME,
    UPSHOT_LOCAL_STORAGE_PATH,
    UPSHOT_LOGGING_LEVEL,
    UPSHOT_LOGGING_LOG_PRINTS,
    UPSHOT_RESULTS_DEFAULT_SERIALIZER,
    UPSHOT_RESULTS_PERSIST_BY_DEFAULT,
    UPSHOT_RUN_ON_COMPLETION_HOOKS_ON_CACHED,
    UPSHOT_TASKS_REFRESH_CACHE,
    UPSHOT_TASK_DEFAULT_RETRIES,
]


@pytest.mark.parametrize("setting", OBJECTS, ids=str)
def test_a_setting_has_a_name_and_the_value_in_force(setting: Any) -> None:
    name = setting.name.removeprefix("UPSHOT_").lower()
    assert getattr(settings, setting.name) is setting
    assert setting.value() == getattr(get_current_settings(), name)
    assert setting.value_from(Settings()) == getattr(Settings(), name)


def test_each_field_is_an_object_and_nothing_else_is() -> None:
    names = {f"UPSHOT_{name.upper()}" for name in Settings.model_fields}
    assert names <= set(dir(settings))
    assert {getattr(settings, name).name for name in names} == names
    with pytest.raises(AttributeError, match="UPSHOT_HOM"):
        settings.UPSHOT_HOM  # noqa: B018
    with pytest.raises(ImportError):
        from upshot.settings import UPSHOT_NOTHING  # noqa: F401


def test_a_setting_is_as_true_as_its_value() -> None:
    assert not UPSHOT_TASKS_REFRESH_CACHE
    assert not UPSHOT_DEFAULT_RESULT_STORAGE_BLOCK
    with temporary_settings({UPSHOT_TASKS_REFRESH_CACHE: True}):
        assert UPSHOT_TASKS_REFRESH_CACHE


def test_a_setting_equals_its_value() -> None:
    assert UPSHOT_TASK_DEFAULT_RETRIES == 0
    assert UPSHOT_RESULTS_DEFAULT_SERIALIZER == "pickle"
    assert UPSHOT_RESULTS_DEFAULT_SERIALIZER != "json"
    assert UPSHOT_TASK_DEFAULT_RETRIES != UPSHOT_FLOW_DEFAULT_RETRIES
    with temporary_settings({UPSHOT_TASK_DEFAULT_RETRIES: 4}):
        assert UPSHOT_TASK_DEFAULT_RETRIES == 4


def test_a_setting_has_the_same_hash_also_when_copied() -> None:
    before = hash(UPSHOT_HOME)
    with temporary_settings({UPSHOT_TASK_DEFAULT_RETRIES: 4}):
        assert hash(UPSHOT_HOME) == before
        for setting in OBJECTS:
            for twin in (copy.deepcopy(setting), pickle.loads(pickle.dumps(setting))):
                assert hash(twin) == hash(setting)
                assert twin == setting
                assert {setting: 1}[twin] == 1
    assert len({hash(setting) for setting in OBJECTS}) == len(OBJECTS)


def test_a_setting_knows_its_default() -> None:
    assert UPSHOT_RESULTS_DEFAULT_SERIALIZER.field.default == "pickle"
    assert UPSHOT_TASK_DEFAULT_RETRIES.field.default == 0
    assert UPSHOT_DEFAULT_RESULT_STORAGE_BLOCK.field.default is None


def test_temporary_settings_give_the_settings_and_end_with_their_block() -> None:
    environ = dict(os.environ)
    with temporary_settings(updates={UPSHOT_TASK_DEFAULT_RETRIES: 3}) as inside:
        assert inside is get_current_settings()
        assert UPSHOT_TASK_DEFAULT_RETRIES.value_from(inside) == 3
        assert UPSHOT_TASK_DEFAULT_RETRIES.value() == 3
        assert os.environ == environ
    assert UPSHOT_TASK_DEFAULT_RETRIES.value() == 0


def test_temporary_settings_end_with_an_error() -> None:
    with pytest.raises(ZeroDivisionError), temporary_settings({UPSHOT_TASK_DEFAULT_RETRIES: 3}):
        raise ZeroDivisionError
    assert UPSHOT_TASK_DEFAULT_RETRIES.value() == 0


def test_temporary_defaults_hold_where_nothing_else_was_said() -> None:
    with temporary_settings(set_defaults={UPSHOT_TASK_DEFAULT_RETRIES: 3}):
        assert UPSHOT_TASK_DEFAULT_RETRIES.value() == 3
    with temporary_settings({UPSHOT_TASK_DEFAULT_RETRIES: 1}):
        with temporary_settings(set_defaults={UPSHOT_TASK_DEFAULT_RETRIES: 3}):
            assert UPSHOT_TASK_DEFAULT_RETRIES.value() == 1
        with temporary_settings(
            updates={UPSHOT_TASK_DEFAULT_RETRIES: 2}, set_defaults={UPSHOT_TASK_DEFAULT_RETRIES: 3}
        ):
            assert UPSHOT_TASK_DEFAULT_RETRIES.value() == 2


def test_defaults_are_restored_for_a_block() -> None:
    with temporary_settings({UPSHOT_TASK_DEFAULT_RETRIES: 3, UPSHOT_FLOW_DEFAULT_RETRIES: 3}):
        with temporary_settings(restore_defaults={UPSHOT_TASK_DEFAULT_RETRIES}):
            assert UPSHOT_TASK_DEFAULT_RETRIES.value() == UPSHOT_TASK_DEFAULT_RETRIES.field.default
            assert UPSHOT_FLOW_DEFAULT_RETRIES.value() == 3
        with temporary_settings(
            set_defaults={UPSHOT_TASK_DEFAULT_RETRIES: 7},
            restore_defaults={UPSHOT_TASK_DEFAULT_RETRIES},
        ):
            assert UPSHOT_TASK_DEFAULT_RETRIES.value() == 7
        assert UPSHOT_TASK_DEFAULT_RETRIES.value() == 3


def test_temporary_settings_take_names_as_well() -> None:
    with temporary_settings({"UPSHOT_TASK_DEFAULT_RETRIES": 3, "flow_default_retries": 2}):
        assert (UPSHOT_TASK_DEFAULT_RETRIES.value(), UPSHOT_FLOW_DEFAULT_RETRIES.value()) == (3, 2)
    with pytest.raises(InvalidSettings, match="is no setting"), temporary_settings({"nope": 1}):
        raise AssertionError


def test_the_settings_in_force_are_those_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("UPSHOT_TASK_DEFAULT_RETRIES", "6")
    forget_settings()
    assert get_current_settings().task_default_retries == 6
    assert UPSHOT_TASK_DEFAULT_RETRIES.value_from(Settings()) == 6
    monkeypatch.setenv("UPSHOT_TASK_DEFAULT_RETRIES", "7")
    assert UPSHOT_TASK_DEFAULT_RETRIES.value_from(Settings()) == 7
    assert Settings(task_default_retries=2).task_default_retries == 2
    assert Settings(UPSHOT_TASK_DEFAULT_RETRIES=2) == Settings(task_default_retries=2)


def test_settings_are_equal_if_their_values_are() -> None:
    assert Settings() == Settings()
    assert Settings(task_default_retries=0) == Settings()
    assert Settings(task_default_retries=1) != Settings()
    assert get_current_settings().copy(update={UPSHOT_TASK_DEFAULT_RETRIES: 1}) == (
        get_current_settings().copy(update={"task_default_retries": 1})
    )


def test_settings_as_a_dict_have_their_names(tmp_path: Path) -> None:
    settings = get_current_settings()
    assert settings.dict()["UPSHOT_TASK_DEFAULT_RETRIES"] == 0
    assert settings.dict(exclude_unset=True) == {"UPSHOT_HOME": settings.home}
    assert Settings(**settings.dict(exclude_unset=True)) == settings
    with temporary_settings({UPSHOT_HOME: tmp_path}) as inside:
        assert inside.dict(exclude_unset=True) == {"UPSHOT_HOME": tmp_path}
        assert tmp_path == inside.UPSHOT_HOME


def test_settings_as_a_dict_leave_out_what_is_named_in_either_way() -> None:
    settings = get_current_settings()
    some = settings.dict(exclude={"UPSHOT_HOME", "local_storage_path"})
    assert settings.dict().keys() - some.keys() == {"UPSHOT_HOME", "UPSHOT_LOCAL_STORAGE_PATH"}
    assert settings.dict(include={UPSHOT_HOME}) == {"UPSHOT_HOME": settings.home}


def test_settings_as_json_have_their_names_and_are_read_back() -> None:
    settings = get_current_settings()
    assert json.loads(settings.json(include={"UPSHOT_HOME"})) == {"UPSHOT_HOME": str(settings.home)}
    assert Settings.parse_raw(settings.json()) == settings
    assert "\n" in settings.json(indent=2)


def test_a_home_may_begin_with_a_tilde(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with temporary_settings({UPSHOT_HOME: "~/here"}):
        assert UPSHOT_HOME.value() == tmp_path / "here"
        assert UPSHOT_LOCAL_STORAGE_PATH.value() == tmp_path / "here" / "storage"


def test_a_temporary_home_is_made(tmp_path: Path) -> None:
    with temporary_settings(updates={UPSHOT_HOME: tmp_path / "a" / "b"}):
        assert (tmp_path / "a" / "b").is_dir()
    with temporary_settings({UPSHOT_HOME: tmp_path / "a" / "b"}):
        pass
    (tmp_path / "file").touch()
    with (
        pytest.raises(InvalidSettings, match="file cannot be made"),
        temporary_settings({UPSHOT_HOME: tmp_path / "file"}),
    ):
        raise AssertionError


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        (UPSHOT_ASYNC_FETCH_STATE_RESULT, "true"),
        (UPSHOT_DEFAULT_RESULT_STORAGE_BLOCK, "local-file-system/mine"),
        (UPSHOT_FLOW_DEFAULT_RETRIES, "2"),
        (UPSHOT_LOCAL_STORAGE_PATH, "/data/results"),
        (UPSHOT_LOGGING_LEVEL, "DEBUG"),
        (UPSHOT_LOGGING_LOG_PRINTS, "true"),
        (UPSHOT_RESULTS_DEFAULT_SERIALIZER, "json"),
        (UPSHOT_RESULTS_PERSIST_BY_DEFAULT, "true"),
        (UPSHOT_RUN_ON_COMPLETION_HOOKS_ON_CACHED, "true"),
        (UPSHOT_TASKS_REFRESH_CACHE, "true"),
        (UPSHOT_TASK_DEFAULT_RETRIES, "2"),
    ],
    ids=lambda value: str(value).rpartition("/")[2],
)
def test_each_setting_can_be_set_on_the_command_line_and_by_a_variable(
    setting: Any, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    default = setting.value()
    assert command_line(["config", "set", f"{setting.name}={text}"]) == 0
    forget_settings()
    by_profile = setting.value()
    assert command_line(["config", "unset", setting.name]) == 0
    monkeypatch.setenv(setting.name, text)
    forget_settings()
    assert by_profile == setting.value() != default


def test_a_setting_persists_results(tmp_path: Path) -> None:
    @flow
    def around() -> int:
        return 3

    with temporary_settings(
        {
            UPSHOT_RESULTS_PERSIST_BY_DEFAULT: True,
            UPSHOT_LOCAL_STORAGE_PATH: tmp_path / "results",
            UPSHOT_RESULTS_DEFAULT_SERIALIZER: "json",
        }
    ):
        data = around(return_state=True).data
    assert data.serializer_type == "json"
    assert len(list((tmp_path / "results").iterdir())) == 1


@task
def seen() -> int:
    return get_current_settings().task_default_retries


@flow
def subflow() -> list[int]:
    return [get_current_settings().task_default_retries, seen()]


@pytest.mark.parametrize(
    "runner", [SequentialTaskRunner, ConcurrentTaskRunner, ProcessPoolTaskRunner]
)
def test_settings_at_the_call_of_a_flow_hold_in_its_tasks_and_subflows(runner: Any) -> None:
    @flow(task_runner=runner())
    def around() -> list[int]:
        submitted = [seen.submit(), seen.submit()]
        values = [future.result() for future in submitted]
        return [get_current_settings().task_default_retries, seen(), *values, *subflow()]

    with temporary_settings({UPSHOT_TASK_DEFAULT_RETRIES: 1}):
        given = around()
    assert given == [1] * 6


def test_settings_at_the_call_of_an_async_flow_hold_when_it_is_awaited_later() -> None:
    @task
    async def aseen() -> int:
        return get_current_settings().task_default_retries

    @flow
    async def around() -> list[int]:
        future = await aseen.submit()
        values = [await aseen(), seen(), await future.result()]
        return [get_current_settings().task_default_retries, *values, *subflow()]

    async def main() -> list[int]:
        with temporary_settings({UPSHOT_TASK_DEFAULT_RETRIES: 1}):
            call = around()
        return await call

    assert asyncio.run(main()) == [1] * 6
