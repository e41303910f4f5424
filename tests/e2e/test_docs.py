"""The Python of the documentation runs, page by page, and prints what the page says."""

import contextlib
import io
import re
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pytest

from upshot.testing import isolated

PROJECT = Path(__file__).resolve().parents[2]
PAGES = [PROJECT / "README.md", *sorted((PROJECT / "docs").rglob("*.md"))]
BLOCK = re.compile(
    r"""
    (?:^<!--\ (?P<comment>no-run|output)\ -->\n+)?
    ^```(?P<language>python|text)\b[^\n]*\n
    (?P<text>.*?)
    ^```$
    """,
    re.MULTILINE | re.DOTALL | re.VERBOSE,
)


class Example(NamedTuple):
    """A block of Python, the line above it, and what the page says that it prints, if it does."""

    code: str
    line: int
    output: str | None


def examples(page: str) -> Iterator[Example]:
    for block, following in pairwise([*BLOCK.finditer(page), None]):
        if block["language"] == "python" and block["comment"] != "no-run":
            told = following is not None and following["comment"] == "output"
            line = page.count("\n", 0, block.start("text"))
            yield Example(block["text"], line, following["text"] if told else None)


def run(example: Example, page: Path, namespace: dict[str, object]) -> str:
    """What the example prints; tracebacks show its lines as they stand in the page."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile("\n" * example.line + example.code, page, "exec"), namespace)
    return printed.getvalue()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_the_examples_of_a_page_run(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = ModuleType("__main__")  # so that what a page defines pickles like a script's
    monkeypatch.setitem(sys.modules, "__main__", script)
    monkeypatch.chdir(tmp_path)
    with isolated():
        for example in examples(page.read_text("utf-8")):
            printed = run(example, page, vars(script))
            if example.output is not None:
                assert printed == example.output


def test_a_block_may_be_left_out_and_output_is_found() -> None:
    page = (
        "```python\na = 1\nprint(a)\n```\n\n<!-- output -->\n```text\n1\n```\n"
        "<!-- no-run -->\n```python\nraise\n```\n\n"
        "```python title='b'\nb\n```\n```text\nfree\n```\n"
    )
    assert list(examples(page)) == [
        Example("a = 1\nprint(a)\n", 1, "1\n"),
        Example("b\n", 15, None),
    ]
