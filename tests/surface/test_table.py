"""Each sentence of the surface has a test that states it."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

from tests.surface.document import DOCUMENT, HERE, TABLE, sections, table

NUMBERS = sorted((file.stem for file in TABLE.glob("*.toml")), key=int)


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.skipif(not DOCUMENT.exists(), reason="platform: shared/ is not beside the project")
def test_the_table_has_each_sentence_of_the_document_and_no_other(number: str) -> None:
    texts = sections(DOCUMENT.read_text("utf-8"))[number]
    assert [row.text for row in table(number)] == texts


@pytest.mark.parametrize("number", NUMBERS)
def test_each_sentence_names_tests_or_is_internal_and_says_what_there_is_instead(
    number: str,
) -> None:
    bare = [row.text for row in table(number) if not (row.tests or row.note)]
    assert not bare
    noted = [row.text for row in table(number) if row.note and "Internal:" not in row.text]
    assert not noted


@pytest.mark.parametrize("number", NUMBERS)
def test_each_test_that_the_table_names_is_there(number: str) -> None:
    named = {test for row in table(number) for test in row.tests}
    assert [test for test in sorted(named) if not _is_there(test)] == []


def _is_there(test: str) -> bool:
    file, _, name = test.partition("::")
    return name in _tests_of((HERE / file).resolve())


@cache
def _tests_of(file: Path) -> frozenset[str]:
    if not file.exists():
        return frozenset()
    names = set()
    for node in ast.parse(file.read_text("utf-8")).body:
        if isinstance(node, ast.ClassDef):
            names |= {f"{node.name}::{item.name}" for item in node.body if _is_test(item)}
        elif _is_test(node):
            names.add(node.name)
    return frozenset(names)


def _is_test(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test")
