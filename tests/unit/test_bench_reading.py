"""`python -m benchmarks.reading`, with few results: nothing is measured here."""

from __future__ import annotations

import sys

import pytest

from benchmarks import reading


def test_it_prints_what_each_way_of_reading_takes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["reading", "--results=5", "--rounds=2"])
    reading.main()
    lines = capsys.readouterr().out.splitlines()
    names = [line.split("|")[1].strip() for line in lines]
    assert names[2:] == ["get()", "the same file", "a pickle's file"]
    assert lines[2].split("|")[3].strip() == "1.00 ×"
