"""What `make bench` makes of its measurements: statistics, tables, charts."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from benchmarks.catalogue import ROWS, Budget, Row
from benchmarks.charts import charts, named
from benchmarks.flame import boxes, drawn
from benchmarks.summary import (
    Figure,
    Measured,
    Sample,
    figure,
    how_many,
    interleaved,
    judged,
    ratio,
)
from benchmarks.tables import FLAG, number, report, table

ABOUT = dict.fromkeys(
    ["made", "cores", "processor", "memory", "system", "python", "load before"], "some"
)


def measured(values: dict[tuple[str, str], list[float]], n: int = 1_000) -> Measured:
    """A run that measured these, by row and peer."""
    rows = list(dict.fromkeys(row for row, _ in values if row in ROWS))
    peers = dict.fromkeys((peer for _, peer in values), "1.0")
    return Measured(
        ABOUT,
        peers,
        rows,
        max(map(len, values.values())),
        [
            Sample(number, row, peer, n, value)
            for (row, peer), of_rounds in values.items()
            for number, value in enumerate(of_rounds)
        ],
    )


def test_each_round_asks_every_peer_for_a_row_before_the_next_and_begins_with_another() -> None:
    order = [(c.round, c.row, c.peer) for c in interleaved(2, ["a", "b"], ["x", "y", "z"])]
    assert order == [
        *[(0, row, peer) for row in "ab" for peer in "xyz"],
        *[(1, row, peer) for row in "ab" for peer in "yzx"],
    ]


def test_a_slow_peer_is_given_fewer_and_never_none() -> None:
    row = Row("some", "some", n=1_000, most=10)
    assert how_many(row, 0.009, cap=2) == 1_000
    assert how_many(row, 0.011, cap=2) == 181
    assert how_many(row, 60, cap=2) == 1


def test_a_figure_is_the_median_with_the_lowest_and_the_highest() -> None:
    assert figure([3.0, 1.0, 2.0]) == Figure(2.0, 1.0, 3.0, 3)
    assert figure([]) is None


def test_a_ratio_is_taken_within_each_round_that_both_have() -> None:
    # the machine is ten times slower in the second round, which the ratio does not see
    over, under = {0: 2.0, 1: 20.0, 2: 3.0, 3: 9.0}, {0: 1.0, 1: 10.0, 2: 1.0, 4: 1.0}
    assert ratio(over, under) == Figure(2.0, 2.0, 3.0, 3)
    assert ratio({0: 1.0}, {1: 1.0}) is None
    assert ratio({0: 1.0}, {0: 0.0}) is None


@pytest.mark.parametrize(("high", "unsteady"), [(1.14, False), (1.16, True)])
def test_more_than_15_percent_of_spread_is_flagged(high: float, unsteady: bool) -> None:
    found = figure([1.0, 1.0, high])
    assert found is not None
    assert found.unsteady is unsteady
    bench = measured({("plain", "upshot"): [1.0] * 3, ("plain", "dbos"): [1.0, 1.0, high]})
    assert (f"1.00 ×{FLAG}" in report(bench)) is unsteady


@pytest.mark.parametrize(
    ("own", "words"),
    [
        ([10.0, 20.0], "yes"),
        ([10.0, 20.0, 60.0], "yes, in 2 of 3 rounds"),
        ([75.0, 75.0], "**no**, by 50 %"),
    ],
)
def test_a_budget_is_met_by_the_median_and_says_if_not_in_all_rounds(
    own: list[float], words: str
) -> None:
    verdict = judged(Budget("plain", 50), measured({("plain", "upshot"): own}))
    assert verdict.met == words


def test_a_budget_beside_another_figure_is_judged_within_rounds() -> None:
    bench = measured({("hit", "upshot"): [2.0, 40.0], ("hit", "joblib"): [2.0, 20.0]})
    verdict = judged(Budget("hit", 1.5, ("hit", "joblib")), bench)
    assert verdict.reached == Figure(1.5, 1.0, 2.0, 2)
    assert verdict.met == "yes, in 1 of 2 rounds"


@pytest.mark.parametrize(("missing", "title"), [("upshot", "upshot"), ("joblib", "joblib.Memory")])
def test_a_budget_that_cannot_be_judged_says_whose_figure_it_needs(
    missing: str, title: str
) -> None:
    present = "joblib" if missing == "upshot" else "upshot"
    verdict = judged(Budget("hit", 1.5, ("hit", "joblib")), measured({("hit", present): [1.0]}))
    assert verdict.met == f"not measured: no figure of {title}, see below"


@pytest.mark.parametrize(
    ("value", "text"),
    [(12345.6, "12,346"), (99.94, "99.9"), (1.234, "1.23"), (0.5, "0.50"), (0.01234, "0.012")],
)
def test_numbers_have_the_digits_that_say_something(value: float, text: str) -> None:
    assert number(value) == text


def test_a_table_stands_in_columns() -> None:
    assert table(["", "a"], [["row", "1.0"], ["r", "22.0"]]).splitlines() == [
        "|     |    a |",
        "| --- | ---: |",
        "| row |  1.0 |",
        "| r   | 22.0 |",
    ]


def test_the_report_says_how_many_where_these_were_fewer() -> None:
    bench = measured({("plain", "upshot"): [50.0, 55.0]}, n=1_000)
    assert "| 52.5 (10 %) |" in report(bench)
    bench = measured({("plain", "upshot"): [50.0, 55.0]}, n=20)
    assert "| 52.5 (10 %, of 20) |" in report(bench)


def test_the_report_gives_the_reason_of_what_is_empty() -> None:
    bench = measured({("plain", "upshot"): [50.0], ("hit", "upshot"): [70.0]})
    bench.peers["joblib"] = "1.0"
    bench.absent["plain", "joblib"] = bench.absent["hit", "joblib"] = "is tired"
    text = report(bench)
    assert "| call, sync, µs | 50.0 (0 %) |             – |" in text
    assert "- joblib.Memory: is tired (call, sync; cache hit)." in text


def test_the_report_says_when_a_peer_had_returned_whose_rows_came_later() -> None:
    bench = measured({("plain", "prefect3"): [9.0], ("plain.returned", "prefect3"): [2.0]})
    assert "until then it took: call, sync 2.00 µs." in report(bench)


def test_a_run_survives_its_json() -> None:
    bench = measured({("plain", "upshot"): [50.0, 55.0]})
    bench.absent["plain", "dbos"] = "is not there"
    assert Measured.from_json(bench.to_json()) == bench


def test_a_chart_has_a_mark_for_each_figure_in_the_order_of_its_value() -> None:
    bench = measured(
        {
            ("plain", "upshot"): [50.0, 40.0, 60.0],
            ("plain", "prefect2"): [60_000.0],
            ("plain-async", "upshot"): [60.0],
        }
    )
    drawn = charts(bench)
    assert list(drawn) == ["calls"]
    root = ElementTree.fromstring(drawn["calls"])
    words = [element.text for element in root.iter() if element.tag.endswith("}text")]
    assert {"upshot", "Prefect 2", "call, sync", "10 µs", "100 ms"} <= set(words)
    assert "joblib.Memory" not in words
    marks = [
        (title.text, float(re.findall(r"translate\(([\d.]+)", part.attrib["transform"])[0]))
        for group in root.iter()
        for title, part in zip(group[:1], group[2:3], strict=False)
        if group.tag.endswith("}g")
    ]
    assert [text for text, _ in sorted(marks, key=lambda mark: mark[1])] == [
        "upshot: 50",
        "upshot: 60",
        "Prefect 2: 6e+04",
    ]


def test_charts_need_nothing_from_elsewhere_and_know_dark_grounds() -> None:
    svg = charts(measured({("import", "upshot"): [0.1], ("import", "bare"): [0.0]}))["start"]
    assert "prefers-color-scheme: dark" in svg
    assert re.findall(r"https?://[^\"]+", svg) == ["http://www.w3.org/2000/svg"]


@pytest.mark.parametrize(
    ("power", "unit", "text"),
    [
        (0, "s", "1 s"),
        (-2, "s", "10 ms"),
        (5, "µs", "100 ms"),
        (-1, "µs", "100 ns"),
        (3, "MB", "1 GB"),
    ],
)
def test_powers_of_ten_are_said_as_people_say_them(power: int, unit: str, text: str) -> None:
    assert named(power, unit) == text


def test_a_function_is_drawn_once_among_what_its_caller_calls_as_wide_as_it_was_seen() -> None:
    seen = {("a.f", "b.g"): 6, ("a.f", "a.h"): 3, ("a.f",): 1, ("c.<lambda>",): 10}
    assert list(boxes(seen)) == [
        ("a.f", 0, 0, 10),
        ("a.h", 1, 0, 3),
        ("b.g", 1, 3, 6),
        ("c.<lambda>", 0, 10, 10),
    ]
    drawing = drawn(50e-6, seen)
    ElementTree.fromstring(drawing)
    assert "Where 50 µs of a task call go" in drawing
    assert "b.g: 15.0 µs (30.0%)" in drawing
