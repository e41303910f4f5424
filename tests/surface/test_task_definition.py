"""How a task is defined: its options, and what cannot be."""

from __future__ import annotations

import inspect
import pickle
from datetime import timedelta
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

from upshot import State, Task, task
from upshot.filesystems import LocalFileSystem
from upshot.settings import temporary_settings

OPTIONS = [
    "name",
    "description",
    "tags",
    "version",
    "cache_key_fn",
    "cache_expiration",
    "task_run_name",
    "retries",
    "retry_delay_seconds",
    "retry_jitter_factor",
    "persist_result",
    "result_storage",
    "result_storage_key",
    "result_serializer",
    "cache_result_in_memory",
    "timeout_seconds",
    "log_prints",
    "refresh_cache",
    "on_completion",
    "on_failure",
    "retry_condition_fn",
]


def function(x: int = 1) -> int:
    """Give it back."""
    return x


def hook(task: Any, task_run: Any, state: Any) -> None: ...


def other_hook(task: Any, task_run: Any, state: Any) -> None: ...


def key(context: Any, parameters: dict[str, Any]) -> str:
    return "key"


def other_key(context: Any, parameters: dict[str, Any]) -> str:
    return "other"


def condition(task: Any, task_run: Any, state: Any) -> bool:
    return True


def everything(tmp_path: Path) -> dict[str, Any]:
    return {
        "name": "a name",
        "description": "what it is",
        "tags": {"a", "b"},
        "version": "A",
        "cache_key_fn": key,
        "cache_expiration": timedelta(days=1),
        "task_run_name": "run of {x}",
        "retries": 10,
        "retry_delay_seconds": 20,
        "retry_jitter_factor": 0.5,
        "persist_result": True,
        "result_storage": LocalFileSystem(basepath=str(tmp_path)),
        "result_storage_key": "{parameters[x]}",
        "result_serializer": "json",
        "cache_result_in_memory": False,
        "timeout_seconds": 5,
        "log_prints": True,
        "refresh_cache": True,
        "on_completion": [hook],
        "on_failure": [hook],
        "retry_condition_fn": condition,
    }


def attributes(made: Task[..., Any]) -> dict[str, Any]:
    return {name: getattr(made, name) for name in OPTIONS}


def test_the_signature_of_task_shows_its_options_by_name() -> None:
    first, *options = inspect.signature(task).parameters.values()
    assert (first.name, first.default) == ("__fn", None)
    assert [option.name for option in options] == OPTIONS
    assert {option.kind for option in options} == {inspect.Parameter.KEYWORD_ONLY}
    defaults = {option.name: option.default for option in options if option.default is not None}
    assert defaults == {"cache_result_in_memory": True}


def test_with_options_takes_these_without_the_function_and_the_version() -> None:
    of_task = set(inspect.signature(task).parameters)
    of_changes = set(inspect.signature(Task.with_options).parameters)
    assert of_task - {"__fn", "version"} == of_changes - {"self"}
    with pytest.raises(TypeError):
        task(function).with_options(version="2")  # type: ignore[call-arg]


def test_the_class_takes_the_same(tmp_path: Path) -> None:
    assert [*inspect.signature(Task).parameters] == ["fn", *OPTIONS]
    made = Task(fn=function, **everything(tmp_path))
    assert attributes(made) == attributes(task(**everything(tmp_path))(function))


def test_options_are_attributes_under_their_own_names(tmp_path: Path) -> None:
    given = everything(tmp_path)
    assert attributes(task(**given)(function)) == given


def test_with_options_makes_a_new_task(tmp_path: Path) -> None:
    first = task(**everything(tmp_path))(function)
    other = first.with_options(
        name="other", description="other", tags={"c"}, cache_key_fn=other_key,
        cache_expiration=timedelta(days=2), task_run_name="other", retries=5,
        retry_delay_seconds=10, retry_jitter_factor=1.0, persist_result=False,
        result_storage="memory", result_storage_key="k", result_serializer="pickle",
        cache_result_in_memory=True, timeout_seconds=1, log_prints=False, refresh_cache=False,
        on_completion=[other_hook], on_failure=[other_hook], retry_condition_fn=bool,
    )  # fmt: skip
    assert isinstance(other, Task)
    assert other is not first
    before, after = attributes(first), attributes(other)
    assert [name for name in OPTIONS if before[name] == after[name]] == ["version"]
    assert attributes(first.with_options()) == before


def test_tags_are_a_copied_set_and_new_ones_replace_the_old() -> None:
    first = task(tags=["a", "b"])(function)
    assert first.tags == {"a", "b"}
    other = first.with_options()
    assert other.tags == first.tags
    assert other.tags is not first.tags
    other.tags.add("c")
    assert first.tags == {"a", "b"}
    assert first.with_options(tags={"x"}).tags == {"x"}
    assert task(function).tags == set()


def test_none_unsets_what_is_said_of_results() -> None:
    first = task(
        persist_result=True,
        result_serializer="json",
        result_storage="memory",
        refresh_cache=True,
        result_storage_key="k",
    )(function)
    other = first.with_options(
        persist_result=None,
        result_serializer=None,
        result_storage=None,
        refresh_cache=None,
        result_storage_key=None,
    )
    assert other.persist_result is other.result_serializer is other.result_storage is None
    assert other.refresh_cache is other.result_storage_key is None


def test_zero_is_a_value() -> None:
    first = task(retries=3, retry_delay_seconds=10)(function)
    other = first.with_options(retries=0, retry_delay_seconds=0)
    assert (other.retries, other.retry_delay_seconds) == (0, 0)


def test_names_versions_and_retries_have_their_defaults() -> None:
    made = task(function)
    assert (made.name, made.version, made.task_run_name) == ("function", None, None)
    assert made.retries == 0
    with temporary_settings({"UPSHOT_TASK_DEFAULT_RETRIES": 3}):
        assert task(function).retries == 3
        assert task(retries=1)(function).retries == 1


def test_a_run_name_must_be_text_or_callable() -> None:
    with pytest.raises(TypeError) as caught:
        task(task_run_name=1)(function)  # type: ignore[call-overload]
    assert str(caught.value) == (
        "Expected string or callable for 'task_run_name'; got int instead."
    )


def test_a_jitter_must_not_be_negative() -> None:
    with pytest.raises(ValueError) as caught:
        task(retry_jitter_factor=-10)(function)
    assert str(caught.value) == "`retry_jitter_factor` must be >= 0."


def test_a_retry_condition_must_be_callable() -> None:
    with pytest.raises(TypeError, match="'retry_condition_fn': must be callable; got int"):
        task(retry_condition_fn=1)(function)  # type: ignore[call-overload]


TAIL = (
    " Please provide a list of hooks to '{0}':\n\n@task({0}=[hook1, hook2])\ndef my_task():\n\tpass"
)


@pytest.mark.parametrize("name", ["on_completion", "on_failure"])
def test_hooks_are_checked(name: str) -> None:
    def options(value: Any) -> dict[str, Any]:
        return {name: value}

    with pytest.raises(TypeError) as caught:
        task(**options(hook))(function)
    said = f"Expected iterable for '{name}'; got function instead."
    assert str(caught.value) == said + TAIL.format(name)
    with pytest.raises(ValueError) as empty:
        task(**options([]))(function)
    assert str(empty.value) == f"Empty list passed for '{name}'"
    with pytest.raises(TypeError) as caught:
        task(**options([hook, "test"]))(function)
    said = f"Expected callables in '{name}'; got str instead."
    assert str(caught.value) == said + TAIL.format(name)


def test_run_gives_a_state() -> None:
    state = task(function)._run(4)
    assert isinstance(state, State)
    assert state.result() == 4


def test_what_is_set_by_hand_is_kept_by_with_options(upshot_home: Any, tmp_path: Path) -> None:
    calls, hooked = [], []

    @task(retry_delay_seconds=30)
    def fails(x: int = 1) -> None:
        calls.append(x)
        raise ValueError

    def hook(task: Any, task_run: Any, state: Any) -> None:
        hooked.append((task_run.name, task_run.tags))

    before = fails.with_options(name="before")
    fails.retries = 2
    fails.retry_delay_seconds = 0
    fails.tags = {"by hand"}
    fails.task_run_name = "run of {x}"
    fails.on_failure = [hook]
    fails.persist_result = True
    fails.result_storage = LocalFileSystem(basepath=tmp_path)
    changed = fails.with_options(name="other", retry_jitter_factor=None)
    again = pickle.loads(cloudpickle.dumps(changed))
    for each in (fails, changed):
        assert each(return_state=True).is_failed()
    assert (calls, hooked) == ([1] * 6, [("run of 1", ("by hand",))] * 2)
    for each in (fails, changed, again):
        assert (each.retries, each.retry_delay_seconds, each.persist_result) == (2, 0, True)
        assert (each.tags, each.result_storage.basepath) == ({"by hand"}, str(tmp_path))
    assert (before.retries, before.tags, before.task_run_name) == (0, set(), None)
    assert changed.with_options(retries=0, persist_result=None).persist_result is None
    assert changed.retries == 2


def test_a_cache_key_that_is_set_by_hand_is_asked_for(upshot_home: Any) -> None:
    calls = []

    @task
    def counted(x: int) -> int:
        calls.append(x)
        return x

    counted.cache_key_fn = lambda context, parameters: "key"
    assert [counted(1), counted(2), counted.with_options(retries=1)(3)] == [1, 1, 1]
    assert calls == [1]


BY_HAND: list[tuple[str, Any, str]] = [
    ("retries", -1, "must be an int of 0 or more"),
    ("retry_delay_seconds", "soon", "^Invalid"),
    ("retry_jitter_factor", -1, "must be >= 0"),
    ("retry_condition_fn", 3, "must be callable"),
    ("timeout_seconds", "soon", "must be seconds"),
    ("tags", "one", "must be a list or a set of text"),
    ("name", 3, "Expected string for task parameter 'name'"),
    ("description", 3, "must be text"),
    ("cache_key_fn", 3, "must be a plain function"),
    ("cache_expiration", 3, "must be a datetime.timedelta"),
    ("refresh_cache", "yes", "must be True, False or None"),
    ("persist_result", "yes", "must be True, False or None"),
    ("cache_result_in_memory", None, "must be True or False"),
    ("result_storage", 3, "must be a storage, or its name"),
    ("result_serializer", "nope", "no serializer is called 'nope'"),
    ("result_storage_key", "{nope}", "nope"),
    ("on_failure", print, "Expected iterable for 'on_failure'"),
    ("on_completion", ["text"], "Expected callables in 'on_completion'"),
]


@pytest.mark.parametrize(("option", "value", "problem"), BY_HAND, ids=[row[0] for row in BY_HAND])
def test_what_is_set_by_hand_is_checked_as_what_is_given(
    option: str, value: Any, problem: str
) -> None:
    @task
    def same(x: int) -> int:
        return x

    before = getattr(same, option)
    with pytest.raises((TypeError, ValueError, LookupError), match=problem):
        setattr(same, option, value)
    assert getattr(same, option) == before
    assert same(3) == 3


def test_what_is_set_by_hand_is_taken_as_what_is_given(upshot_home: Any) -> None:
    @task(timeout_seconds=1, on_failure=[print])
    def same(x: int) -> int:
        return x

    settable: Any = same
    settable.timeout_seconds, settable.tags, settable.on_failure = 0, ["a"], []
    assert (same.timeout_seconds, same.tags, same.on_failure) == (None, {"a"}, None)
    assert same(3) == 3
    assert same.with_options(name="other").timeout_seconds is None
