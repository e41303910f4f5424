"""The tables of "Coming from Prefect 2": each line of the right side works as it stands."""

import ast
import re
from pathlib import Path

import pytest

from upshot import settings
from upshot.settings import PREFIX, Settings

PAGE = Path(__file__).parents[2] / "docs" / "coming-from-prefect-2.md"
ROW = re.compile(r"^\| `(?P<theirs>[^`]+)` \| `(?P<ours>[^`]+)` \|$", re.MULTILINE)
ROWS = [(row["theirs"], row["ours"]) for row in ROW.finditer(PAGE.read_text("utf-8"))]
IMPORTS = [(theirs, ours) for theirs, ours in ROWS if theirs.startswith("from ")]
SETTINGS = [(theirs, ours) for theirs, ours in ROWS if theirs.startswith("PREFECT_")]


def imported(line: str) -> tuple[str, list[str]]:
    (statement,) = ast.parse(line).body
    assert isinstance(statement, ast.ImportFrom)
    assert statement.module
    return statement.module.split(".")[0], [name.name for name in statement.names]


def test_each_row_of_the_tables_is_read() -> None:
    assert len(IMPORTS) > 40
    assert len(SETTINGS) > 10
    assert len(ROWS) == len(IMPORTS) + len(SETTINGS)


@pytest.mark.parametrize(("theirs", "ours"), IMPORTS)
def test_an_import_of_the_table_works(theirs: str, ours: str) -> None:
    there, wanted = imported(theirs)
    here, given = imported(ours)
    assert (there, here) == ("prefect", "upshot")
    assert len(wanted) == len(given)
    exec(ours, {})


@pytest.mark.parametrize(("theirs", "ours"), SETTINGS)
def test_a_setting_of_the_table_exists(theirs: str, ours: str) -> None:
    assert theirs.removeprefix("PREFECT_") == ours.removeprefix(PREFIX)
    assert ours.removeprefix(PREFIX).lower() in Settings.model_fields
    assert getattr(settings, ours).name == ours


def test_every_setting_is_in_the_table_or_said_to_have_no_counterpart() -> None:
    page = PAGE.read_text("utf-8")
    for name in Settings.model_fields:
        assert f"`{PREFIX}{name.upper()}`" in page
