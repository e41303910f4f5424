"""How the command line writes and reads times, sizes and values."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from uuid import UUID

import pytest

from upshot.cli._errors import Refusal
from upshot.cli._find import range_of
from upshot.cli._options import point_in_time, state_type
from upshot.cli._print import clean
from upshot.cli._values import as_bytes, runs_code
from upshot.cli._words import age, duration, iso, local_time, size
from upshot.records import StateType


@pytest.fixture(autouse=True)
def in_berlin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "–"),
        (-1.0, "<0.01 ms"),
        (0.0, "<0.01 ms"),
        (0.000_012_3, "0.0123 ms"),
        (0.0123, "12.3 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1 s"),
        (1.234, "1.23 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min"),
        (61.2, "1 min 1 s"),
        (3599.6, "1 h"),
        (7801, "2 h 10 min"),
        (86400 * 4 + 3 * 3600 + 59, "4 d 3 h"),
        (1e9, "11574 d 1 h"),
    ],
)
def test_a_duration_has_its_two_largest_units(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (None, "–"),
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (1234, "1.23 kB"),
        (999_499, "999 kB"),
        (999_500, "1 MB"),
        (80_800_000_000, "80.8 GB"),
        (5 * 10**15, "5000 TB"),
    ],
)
def test_a_size_has_three_digits(number: int | None, text: str) -> None:
    assert size(number) == text


@pytest.mark.parametrize(
    ("ago", "text"), [(-5, "0 s"), (59, "59 s"), (61, "1 min"), (7300, "2 h"), (200_000, "2 d")]
)
def test_an_age_has_its_largest_unit(ago: float, text: str) -> None:
    assert age(1e9 - ago, 1e9) == text
    assert age(None, 1e9) == "–"


def test_people_read_times_of_their_clock_and_programs_in_utc() -> None:
    at = datetime(2026, 7, 1, 12, 0, 30, 250_000, UTC).timestamp()

    assert local_time(at) == "2026-07-01 14:00:30"
    assert iso(at) == "2026-07-01T12:00:30.250000+00:00"
    assert (local_time(None), iso(None)) == ("–", None)


@pytest.mark.parametrize("at", [1e300, -1e300])
def test_a_time_beyond_the_calendar_is_written_as_its_end(at: float) -> None:
    assert local_time(at)[:4] in {"9999", "0001"}


@pytest.mark.parametrize(
    ("text", "ago"),
    [("90s", 90), ("30m", 1800), ("2h", 7200), ("1.5d", 129_600), (" 1w ", 604_800)],
)
def test_a_time_can_be_said_as_how_long_ago(text: str, ago: float) -> None:
    assert point_in_time(text) == pytest.approx(time.time() - ago, abs=5)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-07-01", datetime(2026, 6, 30, 22, tzinfo=UTC)),
        ("2026-07-01T14:30", datetime(2026, 7, 1, 12, 30, tzinfo=UTC)),
        ("2026-07-01 14:30:15+00:00", datetime(2026, 7, 1, 14, 30, 15, tzinfo=UTC)),
        ("2026-07-01T14:30Z", datetime(2026, 7, 1, 14, 30, tzinfo=UTC)),
    ],
)
def test_a_date_without_an_offset_is_one_of_the_local_time(text: str, expected: datetime) -> None:
    assert point_in_time(text) == expected.timestamp()


@pytest.mark.parametrize("text", ["", "yesterday", "2", "2y", "-3d", "2026-13-01", "h", "1h2m"])
def test_anything_else_is_no_time(text: str) -> None:
    with pytest.raises(Refusal, match=r"--since: .* is no time; say 90s, 30m"):
        point_in_time(text)


def test_states_are_known_in_any_case_and_others_refused_with_the_nearest() -> None:
    assert state_type(" Failed ") is StateType.FAILED
    with pytest.raises(Refusal, match="--state: 'crsh' is no state: did you mean 'crashed'"):
        state_type("crsh")
    with pytest.raises(Refusal, match="known are: cancelled, cancelling, completed"):
        state_type("")


def test_an_id_may_be_shortened_to_its_first_four_digits() -> None:
    id = UUID("0193a5b2-c7d1-7abc-8def-0123456789ab")

    assert range_of(str(id)) == (id, id)
    assert range_of(id.hex.upper()) == (id, id)
    assert range_of("0193-a5") == (
        UUID("0193a500-0000-0000-0000-000000000000"),
        UUID("0193a5ff-ffff-ffff-ffff-ffffffffffff"),
    )
    for text in ("019", "", "0193g", "report", f"{id}0", "0193 a5b2"):
        assert range_of(text) is None


def test_what_moves_the_cursor_or_breaks_the_line_is_escaped() -> None:
    assert clean("größe 語 ok") == "größe 語 ok"
    assert clean("a\nb\x1b[31m\u2028c\udcff") == "a\\nb\\x1b[31m\\u2028c\\udcff"


@pytest.mark.parametrize(
    ("value", "content", "kind"),
    [
        (b"\x00\xff", b"\x00\xff", "bytes"),
        (bytearray(b"ab"), b"ab", "bytes"),
        (memoryview(b"ab"), b"ab", "bytes"),
        ("größe\n", "größe\n".encode(), "text"),
        (None, b"null\n", "json"),
        (True, b"true\n", "json"),
        (2**70, b"1180591620717411303424\n", "json"),
        (1.5, b"1.5\n", "json"),
        ([1, {"ü": []}], '[\n  1,\n  {\n    "ü": []\n  }\n]\n'.encode(), "json"),
    ],
)
def test_a_value_is_written_as_what_it_is(value: object, content: bytes, kind: str) -> None:
    assert as_bytes(value) == (content, kind)


class Text(str):
    __slots__ = ()


def deep() -> list[object]:
    value: list[object] = []
    for _ in range(100_000):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ((1, 2), "tuple"),
        ({1: 2}, "dict"),
        ([{1, 2}], "list"),
        ({"a": float("nan")}, "dict"),
        (float("inf"), "float"),
        ("a\udcff", "str"),
        (["a\udcff"], "list"),
        (Text("a"), f"{__name__}.Text"),
        (datetime(2026, 1, 1, tzinfo=UTC), "datetime.datetime"),
        (deep(), "list"),
    ],
    ids=lambda value: value if isinstance(value, str) and value.isascii() else "value",
)
def test_a_value_that_would_come_back_as_another_is_refused(value: object, kind: str) -> None:
    with pytest.raises(Refusal, match=f"a {kind} that is neither .*--pickle.*--raw"):
        as_bytes(value)


def test_what_runs_code_when_it_is_read_is_known_by_its_serializer() -> None:
    assert runs_code({"type": "pickle", "picklelib": "cloudpickle"})
    assert runs_code({"type": "compressed", "serializer": {"type": "pickle"}})
    assert runs_code({"type": "compressed/pickle", "compressionlib": "lzma"})
    assert not runs_code({"type": "json"})
    assert not runs_code({"type": "compressed", "serializer": {"type": "json"}})
    assert not runs_code("pickle")
