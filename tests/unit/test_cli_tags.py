"""`upshot runs` and tags."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.cli_runs import columns, upshot
from upshot import flow, tags, task
from upshot.runstore import open_store

__all__ = ["columns"]  # a fixture


@pytest.fixture(autouse=True)
def runs(upshot_home: Path) -> None:
    """Three flow runs: one with a tag, one with two, one with none."""

    @flow
    def report() -> int:
        return task(lambda: 1, name="part", tags=["slow"])()

    with tags("nightly"):
        report()
        with tags("größe [x]"):
            report()
    report()


def listed(*options: str) -> list[list[str]]:
    found = upshot("runs", "ls", *options, "--json").json()["flow_runs"]
    return sorted(run["tags"] for run in found)  # of one millisecond, they come in any order


def test_runs_are_listed_by_a_tag_or_by_several() -> None:
    both = ["größe [x]", "nightly"]
    assert listed() == [[], both, ["nightly"]]
    assert listed("--tag", "nightly") == [both, ["nightly"]]
    assert listed("--tag", "nightly", "--tag", "größe [x]") == [both]
    assert listed("--tag", "night") == []
    assert listed("--tag", "nightly", "--flow", "report", "--state", "completed") == [
        both,
        ["nightly"],
    ]
    assert listed("--tag", "nightly", "--state", "failed") == []


def test_a_list_by_tags_goes_on_page_by_page() -> None:
    first = upshot("runs", "ls", "--tag", "nightly", "--limit", "1", "--json").json()
    assert first["next"] is not None
    (second,) = listed("--tag", "nightly", "--before", first["next"])
    assert sorted([first["flow_runs"][0]["tags"], second]) == listed("--tag", "nightly")


def test_a_run_is_shown_with_its_tags() -> None:
    plain, tagged, _ = open_store().flow_runs()
    (part,) = open_store().task_runs(tagged.id)
    assert ["tags", "größe", "[x],", "nightly"] in upshot("runs", "show", str(tagged.id)).lines()
    shown = upshot("runs", "show", str(part.id)).lines()
    assert ["tags", "größe", "[x],", "nightly,", "slow"] in shown
    assert not any(line[0] == "tags" for line in upshot("runs", "show", str(plain.id)).lines())
