"""`upshot plugins`: the rows of the lazy table."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import EntryPoint
from types import SimpleNamespace
from typing import Any

import pytest

from tests.unit.cli_runs import upshot
from upshot import _registry
from upshot.cli import plugins
from upshot.testing import isolated


@pytest.fixture(autouse=True)
def own_home() -> Iterator[None]:
    with isolated():
        yield


class Installed(EntryPoint):
    """A row of another distribution."""

    dist: Any = SimpleNamespace(name="upshot-more", version="1.2")


def install(monkeypatch: pytest.MonkeyPatch, *rows: tuple[str, str]) -> None:
    def entry_points(group: str) -> list[EntryPoint]:
        found = [Installed(name, value, group) for name, value in rows]
        return found if group == "upshot.serializers" else []

    monkeypatch.setattr(plugins, "entry_points", entry_points)
    monkeypatch.setattr("importlib.metadata.entry_points", entry_points)
    monkeypatch.setattr(_registry, "_loaded", dict(_registry._loaded))


def test_the_parts_that_can_be_named_are_listed() -> None:
    told = upshot("plugins", "--json").json()["plugins"]

    assert {"serializer", "storage", "run store"} <= {row["kind"] for row in told}
    assert not {"room", "testing name", "command"} & {row["kind"] for row in told}
    (json,) = [row for row in told if (row["kind"], row["name"]) == ("serializer", "json")]
    assert json == {
        "kind": "serializer",
        "name": "json",
        "target": "upshot.serializers.json:JSONSerializer",
        "source": "built in",
        "problem": None,
        "loads": True,
    }
    head, *rows = upshot("plugins").lines()
    assert head == ["KIND", "NAME", "TARGET", "FROM", "LOADS"]
    assert len(rows) == len(told)


def test_every_row_is_listed_on_demand_and_loads() -> None:
    told = upshot("plugins", "--all", "--json").json()["plugins"]

    assert {(row["kind"], row["name"]) for row in told} == {
        (kind, name) for kind, rows in _registry.BUILTIN.items() for name in rows
    }
    assert [row for row in told if not row["loads"]] == []


def test_rows_of_other_distributions_say_which(monkeypatch: pytest.MonkeyPatch) -> None:
    install(
        monkeypatch,
        ("ours", "collections:OrderedDict"),
        ("broken", "no_such_module:Thing"),
        ("json", "evil:Serializer"),
        ("twice", "a:One"),
        ("twice", "b:Two"),
    )
    told = upshot("plugins", "--json").json()["plugins"]
    found = [(r["name"], r["problem"]) for r in told if r["source"] == "upshot-more 1.2"]

    assert found[:3] == [
        ("broken", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("json", "a built-in one has its name"),
        ("ours", None),
    ]
    assert [name for name, _ in found[3:]] == ["twice", "twice"]
    assert "claimed by a:One and by b:Two" in str(found[3][1])
    assert "No module named 'no_such_module'" in upshot("plugins").out


def test_a_row_whose_distribution_is_unknown_is_listed_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Installed, "dist", None)
    install(monkeypatch, ("ours", "collections:OrderedDict"))
    told = upshot("plugins", "--json").json()["plugins"]

    assert [row["source"] for row in told if row["name"] == "ours"] == ["unknown"]
