"""What drivers and shells must not know: every rule stands in the generators."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import upshot

PACKAGE = Path(upshot.__file__).parent
DRIVERS = ("_engine/sync_driver.py", "_engine/async_driver.py", "_engine/coordinator.py")
# what makes waiting happen, and knows no rule either
HELPERS = {
    "upshot._bridge",
    "upshot._engine.clock",
    "upshot._engine.effects",
    "upshot._engine.guard",
    "upshot._engine.hosting",
    "upshot._engine.lanes",
    "upshot._engine.stepping",
    "upshot._concurrency.in_time",
    "upshot._concurrency.promise",
    "upshot._concurrency.waiting",
}
SHELLS = (
    *DRIVERS,
    "_calls/decorated.py",
    "_calls/driving.py",
    "_calls/flow_calls.py",
    "_calls/task_calls.py",
)
EFFECTS = {"Invoke", "Io", "Sleep", "Wait"}
# what only a rule about retries, caching or states would do
RULES = {
    "cached",
    "commit",
    "enter",
    "flush",
    "is_fresh",
    "record",
    "run_count",
    "state_type",
    "strike",
}


def parsed(name: str) -> ast.Module:
    return ast.parse((PACKAGE / name).read_text("utf-8"))


def told_apart(tree: ast.Module) -> set[str]:
    """The names of all classes that a module asks whether something is one of."""
    asked = [
        node.args[1]
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("isinstance", "issubclass")
    ]
    asked += [node.cls for node in ast.walk(tree) if isinstance(node, ast.MatchClass)]
    return {name.id for item in asked for name in ast.walk(item) if isinstance(name, ast.Name)}


@pytest.mark.parametrize("name", DRIVERS)
def test_a_driver_handles_the_four_effects_and_no_other(name: str) -> None:
    tree = parsed(name)
    classes_of_its_own = {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    handled = told_apart(tree) - classes_of_its_own
    assert handled - {"End", "Exception", "GeneratorExit"} == EFFECTS
    # nor by another way of telling types apart
    called = {
        node.func.id for node in ast.walk(tree) if isinstance(getattr(node, "func", None), ast.Name)
    }
    assert not called & {"type", "singledispatch"}


def test_there_are_no_more_effects_than_a_driver_handles() -> None:
    from upshot._engine import effects

    union = effects.Effect.__args__
    assert {effect.__name__ for effect in union} == EFFECTS


@pytest.mark.parametrize("name", DRIVERS)
def test_a_driver_knows_nothing_of_the_engine_but_effects(name: str) -> None:
    imported = {
        node.module
        for node in ast.walk(parsed(name))
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("upshot")
    }
    assert imported <= HELPERS


@pytest.mark.parametrize("name", SHELLS)
def test_no_rule_about_retries_caching_or_states_stands_outside_the_generators(name: str) -> None:
    tree = parsed(name)
    named = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    imported = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert not named & RULES
    assert not imported & {"StateType", "caching", "CacheEntry"}


def test_generators_are_told_the_time_and_never_ask_for_it() -> None:
    for path in sorted((PACKAGE / "_engine").glob("*.py")):
        if f"_engine/{path.name}" in DRIVERS or path.stem in ("hosting", "clock", "lanes"):
            continue
        modules = {
            alias.name
            for node in ast.walk(ast.parse(path.read_text("utf-8")))
            if isinstance(node, ast.Import)
            for alias in node.names
        }
        assert not modules & {"anyio", "asyncio", "threading", "time", "sqlite3", "sqlalchemy"}
