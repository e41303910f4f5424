"""Two kinds of chart as inline SVG, drawn by hand; colours come from the page's style sheet."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import log10

WIDTH = 720
ROW = 28
BAR = 16
LABEL_WIDTH = 270
VALUE_WIDTH = 70
CHARACTERS = 34
COLUMN_HEIGHT = 150


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar; `hint` is shown at the pointer, `style` is "warm", "hot" or nothing."""

    label: str
    value: float
    hint: str = ""
    style: str = ""


def bar_chart(title: str, bars: Sequence[Bar], unit: str = "") -> str:
    """Horizontal bars, the longest as wide as there is room; labels are cut to fit."""
    most = max((bar.value for bar in bars), default=0) or 1
    room = WIDTH - LABEL_WIDTH - VALUE_WIDTH
    rows = [_row(bar, index * ROW, room * bar.value / most, unit) for index, bar in enumerate(bars)]
    return _svg(title, len(bars) * ROW, rows)


def column_chart(title: str, bars: Sequence[Bar]) -> str:
    """Columns of logarithmic height, so that ten and ten thousand both show."""
    most = max((log10(1 + bar.value) for bar in bars), default=0) or 1
    pitch = WIDTH / max(len(bars), 1)
    columns = [
        _column(bar, index * pitch, pitch, COLUMN_HEIGHT * log10(1 + bar.value) / most)
        for index, bar in enumerate(bars)
    ]
    ground = COLUMN_HEIGHT + 24
    axis = f'<line class="axis" x1="0" x2="{WIDTH}" y1="{ground}" y2="{ground}"/>'
    return _svg(title, COLUMN_HEIGHT + 52, [*columns, axis])


def shorten(text: str, characters: int = CHARACTERS) -> str:
    """`text`, its middle replaced by an ellipsis where it is longer than this."""
    if len(text) <= characters:
        return text
    head = (characters - 1) // 2
    return f"{text[:head]}…{text[-(characters - 1 - head) :]}"


def _row(bar: Bar, top: float, width: float, unit: str) -> str:
    middle = top + ROW / 2
    length = max(width, 1.0)
    return (
        f"<g><title>{escape(bar.hint or bar.label)}</title>"
        f'<text class="label" x="{LABEL_WIDTH - 12}" y="{middle:.1f}">'
        f"{escape(shorten(bar.label))}</text>"
        f'<rect class="bar {bar.style}" x="{LABEL_WIDTH}" y="{top + (ROW - BAR) / 2:.1f}"'
        f' width="{length:.1f}" height="{BAR}" rx="3"/>'
        f'<text class="value" x="{LABEL_WIDTH + length + 8:.1f}" y="{middle:.1f}">'
        f"{_number(bar.value, unit)}</text></g>"
    )


def _column(bar: Bar, left: float, pitch: float, height: float) -> str:
    middle = left + pitch / 2
    width = min(pitch * 0.7, 90)
    top = COLUMN_HEIGHT + 24 - height
    return (
        f"<g><title>{escape(bar.hint or bar.label)}</title>"
        f'<rect class="bar {bar.style}" x="{middle - width / 2:.1f}" y="{top:.1f}"'
        f' width="{width:.1f}" height="{height:.1f}" rx="3"/>'
        f'<text class="above" x="{middle:.1f}" y="{top - 10:.1f}">{_number(bar.value, "")}</text>'
        f'<text class="below" x="{middle:.1f}" y="{COLUMN_HEIGHT + 42}">'
        f"{escape(bar.label)}</text></g>"
    )


def _number(value: float, unit: str) -> str:
    return escape(f"{value:,.0f} {unit}".strip())


def _svg(title: str, height: float, parts: Sequence[str]) -> str:
    head = f'<svg viewBox="0 0 {WIDTH} {height:g}" role="img" aria-label="{escape(title)}">'
    return f'<div class="scroll">{head}{"".join(parts)}</svg></div>'
