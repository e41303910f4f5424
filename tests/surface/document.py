"""The sentences of the document that says what the surface does, and the table of their tests.

The table is the folder `sentences`, one file a section: under each sentence the tests that state
it. `python -m tests.surface.document` adds sentences that are new in the document, without tests,
and drops those that are gone.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
TABLE = HERE / "sentences"
DOCUMENT = HERE.parents[2] / "shared" / "surface.md"

_ENDS = re.compile(r'(?<=[.!?])(?<!e\.g\.)(?<!i\.e\.)\s+(?=[A-Z`"*(§])')


@dataclass
class Sentence:
    """One sentence of a section.

    Attributes:
        text: as in the document, on one line.
        tests: `file.py::test_name` or `file.py::Class::test_name`, in this folder or, with `../`,
            beside it.
        note: of an internal one that is built differently: how users get the same.
    """

    text: str
    tests: list[str] = field(default_factory=list)
    note: str = ""


def sections(text: str) -> dict[str, list[str]]:
    """The sentences of each numbered section."""
    found: dict[str, list[str]] = {}
    for block in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        number, _, body = block.partition(".")
        body = body.partition("\n")[2]
        paragraphs = re.split(r"\n\s*\n|\n(?=\s*- )", body)
        found[number] = [
            sentence
            for paragraph in paragraphs
            for sentence in _ENDS.split(" ".join(paragraph.split()).removeprefix("- ").strip())
            if sentence.strip(" .")
        ]
    return found


def table(number: str) -> list[Sentence]:
    """What the table says of a section."""
    file = TABLE / f"{number}.toml"
    if not file.exists():
        return []
    rows = tomllib.loads(file.read_text("utf-8")).get("sentence", [])
    return [Sentence(**row) for row in rows]


def write(number: str, rows: list[Sentence]) -> None:
    """Replace what the table says of a section."""
    TABLE.mkdir(exist_ok=True)
    text = "\n".join(_row(row) for row in rows)
    (TABLE / f"{number}.toml").write_text(text, "utf-8")


def _row(row: Sentence) -> str:
    lines = ["[[sentence]]", f"text = '''{row.text}'''"]
    if row.note:
        lines.append(f"note = '''{row.note}'''")
    if row.tests:
        lines += ["tests = [", *(f'    "{test}",' for test in row.tests), "]"]
    else:
        lines.append("tests = []")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Bring the sections that the table has up to the document."""
    for number, texts in sections(DOCUMENT.read_text("utf-8")).items():
        if (TABLE / f"{number}.toml").exists():
            known = {row.text: row for row in table(number)}
            write(number, [known.get(text, Sentence(text)) for text in texts])


if __name__ == "__main__":
    main()
