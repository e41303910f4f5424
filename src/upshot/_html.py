"""What notebooks show of runs, states, futures and references: a small table of facts."""

from __future__ import annotations

from collections.abc import Mapping

from upshot._later import html

LONGEST = 200  # characters of one fact


def facts(title: str, rows: Mapping[str, object]) -> str:
    """A table as HTML, escaped and bounded.

    Args:
        title: what it is about.
        rows: what is said, by name; what is None is left out.
    """
    lines = "".join(
        f"<tr><th style='text-align:left'>{_text(name)}</th>"
        f"<td style='text-align:left'>{_text(value)}</td></tr>"
        for name, value in rows.items()
        if value is not None
    )
    return f"<table><caption>{_text(title)}</caption>{lines}</table>"


def _text(value: object) -> str:
    text = str(value)
    return html.escape(text if len(text) <= LONGEST else text[: LONGEST - 1] + "…")
