"""What decorating a function makes of it: names, keys, colour, options."""

from __future__ import annotations

import asyncio
import functools
import inspect
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from upshot import Flow, Task, flow, settings, task
from upshot.filesystems import MemoryFileSystem
from upshot.settings import temporary_settings

BOTH = pytest.mark.parametrize("decorate", [flow, task])


def plain_function(x: int, y: int = 2) -> int:
    """Add two numbers.

    Really.
    """
    return x + y


async def async_function(x: int) -> int:
    return x


class Adder:
    """Adds one."""

    def __call__(self, x: int) -> int:
        return x + 1


class AsyncAdder:
    async def __call__(self, x: int) -> int:
        return x + 1


@BOTH
def test_a_decorated_function_looks_like_it(decorate: Any) -> None:
    made = decorate(plain_function)
    assert made.fn is made.__wrapped__ is plain_function
    assert (made.__name__, made.__module__) == ("plain_function", __name__)
    assert made.description == made.__doc__.replace("    ", "").strip()
    assert inspect.signature(made) == inspect.signature(plain_function)


def test_a_flow_has_a_dash_in_its_name_where_a_task_has_none() -> None:
    assert flow(plain_function).name == "plain-function"
    assert task(plain_function).name == "plain_function"
    assert flow(name="a_b")(plain_function).name == "a_b"


@BOTH
@pytest.mark.parametrize(
    ("fn", "name", "isasync"),
    [
        (plain_function, "plain_function", False),
        (async_function, "async_function", True),
        (functools.partial(plain_function, 1), "plain_function", False),
        (functools.partial(functools.partial(async_function), 1), "async_function", True),
        (Adder(), "Adder", False),
        (AsyncAdder(), "AsyncAdder", True),
        (functools.partial(AsyncAdder(), 1), "AsyncAdder", True),
        (Adder().__call__, "__call__", False),
        (len, "len", False),
        (Adder, "Adder", False),
        (task(async_function), "async_function", True),
        (flow(plain_function), "plain_function", False),
        (staticmethod(async_function), "async_function", True),
    ],
)
def test_names_and_colours_of_all_kinds_of_callables(
    decorate: Any, fn: Any, name: str, isasync: bool
) -> None:
    made = decorate(fn)
    assert made.name == (name.replace("_", "-") if decorate is flow else name)
    assert made.isasync is isasync


def test_the_default_forms_of_the_decorators_agree() -> None:
    assert isinstance(task(plain_function), Task)
    assert isinstance(task()(plain_function), Task)
    assert isinstance(flow()(plain_function), Flow)
    assert task(name="x")(plain_function).name == Task(plain_function, name="x").name


def test_a_task_key_is_the_name_and_a_hash_of_the_code() -> None:
    def one() -> int:
        return 1

    def other() -> int:
        return 1

    def one_again() -> int:
        return 1

    one_again.__qualname__ = one.__qualname__
    key = task(one).task_key
    assert key.startswith("one-")
    assert key == task(one_again).task_key == task(one, name="x").with_options(retries=1).task_key
    assert task(other).task_key != key
    one_again.__code__ = (lambda: 2).__code__
    assert task(one_again).task_key != key


def test_a_task_key_sees_into_nested_code() -> None:
    def source(constant: int) -> Any:
        scope: dict[str, Any] = {}
        exec(f"def f(items):\n    return [x + {constant} for x in items]", scope)
        return scope["f"]

    assert task(source(1)).task_key == task(source(1)).task_key
    assert task(source(1)).task_key != task(source(2)).task_key


def test_a_task_key_sees_through_what_wraps_the_function() -> None:
    def wrapping(fn: Any) -> Any:
        @functools.wraps(fn)
        def wrapper(*args: Any) -> Any:
            return fn(*args)

        return wrapper

    def returning(value: int) -> Any:
        scope: dict[str, Any] = {}
        exec(f"def f():\n    return {value}", scope)
        return scope["f"]

    keys = [task(wrapping(returning(value))).task_key for value in (1, 1, 2)]
    assert keys[0] == keys[1] != keys[2]
    assert task(returning(1)).task_key != keys[0]


def test_a_task_key_is_the_same_in_every_process() -> None:
    code = """
from upshot import task
@task
def f(x):
    return x in {"a", "b", "c", "d"} and x in ("a", {"e", "f", "g"})
print(f.task_key)
"""
    keys = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": str(seed)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in range(1, 5)
    }
    assert len(keys) == 1


def test_partials_and_builtins_have_keys() -> None:
    whole = task(plain_function).task_key
    assert task(functools.partial(plain_function, 1)).task_key == whole
    assert task(functools.partial(async_function)).task_key != whole
    assert task(staticmethod(plain_function)).task_key == whole
    assert task(len).task_key.startswith("len-")
    assert task(Adder()).task_key.startswith("Adder-")


@BOTH
def test_with_options_keeps_what_it_is_not_given(decorate: Any) -> None:
    storage = MemoryFileSystem()
    made = decorate(
        name="n", version="v", retries=2, retry_delay_seconds=3, persist_result=True,
        result_storage=storage, result_serializer="json", cache_result_in_memory=False,
    )(plain_function)  # fmt: skip
    other = made.with_options()
    assert (type(other), other is made, other.fn) == (type(made), False, made.fn)
    for option in ("name", "version", "retries", "retry_delays", "persist_result",
                   "result_storage", "result_serializer", "cache_result_in_memory"):  # fmt: skip
        assert getattr(other, option) == getattr(made, option)
    assert other.with_options(retries=0).retries == 0
    assert other.with_options(name="m").retries == 2
    assert made.name == "n"


@BOTH
def test_with_options_unsets_what_is_none(decorate: Any, upshot_home: Path) -> None:
    made = decorate(
        persist_result=True, result_storage="memory", result_serializer="json", retries=2
    )(plain_function)
    for option in ("persist_result", "result_storage", "result_serializer"):
        assert getattr(made.with_options(**{option: None}), option) is None
    assert made.with_options(retries=None).retries == 0
    assert made.with_options(retry_delay_seconds=None).retry_delays == ()


def test_with_options_keeps_and_unsets_what_tasks_have() -> None:
    made = task(
        cache_key_fn=lambda: "k",
        cache_expiration=timedelta(1),
        refresh_cache=True,
        result_storage_key="{parameters[x]}",
    )(plain_function)
    kept = made.with_options(name="n")
    for option in ("cache_key_fn", "cache_expiration", "refresh_cache", "result_storage_key"):
        assert getattr(kept, option) == getattr(made, option)
        assert getattr(made.with_options(**{option: None}), option) is None
    assert made.with_options(refresh_cache=False).refresh_cache is False


@pytest.mark.parametrize(("decorate", "kind"), [(flow, "FLOW"), (task, "TASK")])
def test_the_default_of_retries_is_the_setting_at_the_call(
    decorate: Any, kind: str, upshot_home: Path
) -> None:
    calls: list[int] = []

    @decorate
    def fails() -> None:
        calls.append(1)
        raise ValueError

    with temporary_settings({f"UPSHOT_{kind}_DEFAULT_RETRIES": 2}):
        assert fails(return_state=True).is_failed()
        assert len(calls) == 3
        assert fails.with_options(retries=0)(return_state=True).is_failed()
    assert len(calls) == 4
    assert fails(return_state=True).is_failed()
    assert len(calls) == 5


@BOTH
def test_decorating_touches_no_disk_and_reads_no_setting(
    decorate: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("UPSHOT_DURABILITY", "no such durability")
    monkeypatch.setattr(settings, "_of_process", None)
    made = decorate(retries=1, result_storage="local-file-system", result_serializer="json")
    assert made(plain_function).with_options(persist_result=True).retries == 1
    assert list(tmp_path.iterdir()) == []


@BOTH
def test_a_stacked_async_function_is_awaited(decorate: Any, upshot_home: Path) -> None:
    made = decorate(task(async_function))
    assert asyncio.run(made(3)) == 3
