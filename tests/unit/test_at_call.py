"""The seam between decorating and calling: what the first call imports, and puts in its place."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest

from upshot import _registry
from upshot._calls.at_call import at_call

ENGINE = "upshot._engine.attempts"
TASKS = """
from upshot import flow, task

@task(retries=1, tags=["a"])
def double(x):
    return 2 * x

@flow
def doubled(x):
    return double(x)
"""


def said(self: Any, word: str) -> str:
    return f"{type(self).__name__} {word}"


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What is asked of the lazy table."""
    asked: list[tuple[str, str]] = []

    def load(kind: str, name: str) -> Any:
        asked.append((kind, name))
        return said

    monkeypatch.setattr(_registry, "load", load)
    return asked


def test_a_method_is_loaded_by_its_first_call_and_then_stands_in_the_class(
    loads: list[tuple[str, str]],
) -> None:
    class Called:
        say = at_call("say")

    class Derived(Called):
        pass

    assert not loads
    assert Derived().say("a") == "Derived a"
    assert Called().say("b") == "Called b"
    assert loads == [("call", "say")]
    assert isinstance(vars(Called)["say"], FunctionType)
    assert "say" not in vars(Derived)


def test_a_method_of_a_subclass_takes_the_place_of_the_loaded_one(
    loads: list[tuple[str, str]],
) -> None:
    class Called:
        say = at_call("say")

    class Derived(Called):
        def say(self, word: str) -> str:
            return word

    assert Derived().say("a") == "a"
    assert not loads


def test_first_calls_in_many_threads_give_the_same() -> None:
    program = f"""
{TASKS}
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(8) as pool:
    assert [*pool.map(double, range(8))] == [0, 2, 4, 6, 8, 10, 12, 14]
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_tasks_and_flows_are_pickled_and_unpickled_before_any_call(tmp_path: Path) -> None:
    (tmp_path / "of_tasks.py").write_text(TASKS)
    pickling = """
import pickle, sys
from of_tasks import double, doubled
sys.stdout.buffer.write(pickle.dumps([double, doubled, double.with_options(name="other")]))
"""
    pickled = subprocess.run(
        [sys.executable, "-c", pickling], cwd=tmp_path, capture_output=True, check=True
    ).stdout
    program = f"""
import pickle, sys
double, doubled, other = pickle.load(sys.stdin.buffer)
assert {ENGINE!r} not in sys.modules
assert (double(1), doubled(2), other(3), other.name) == (2, 4, 6, "other")
assert {ENGINE!r} in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, input=pickled, check=True)
