"""What was measured, as SVG: one line a row, one mark a peer, on a scale of powers of ten."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from benchmarks.catalogue import PEERS, ROWS
from benchmarks.summary import Figure, Measured

WIDTH, LEFT, RIGHT, TOP, LINE, BOTTOM = 760, 276, 26, 62, 26, 30
SMALLEST = {"MB": 0.1}  # what is less is drawn there

# each readable on the light and on the dark ground
COLOURS = {
    "upshot": "#1c7ed6",
    "prefect2": "#e8590c",
    "prefect3": "#d9890b",
    "dbos": "#2f9e44",
    "joblib": "#a84bc4",
    "diskcache": "#d6336c",
    "bare": "#868e96",
}
# around 0, 0: colours alone do not tell marks apart for everyone
SHAPES = {
    "upshot": '<circle r="5.5"/>',
    "prefect2": '<path d="M-4.5-4.5h9v9h-9z"/>',
    "prefect3": '<path d="M0-6 6 0 0 6-6 0z"/>',
    "dbos": '<path d="M0-5.5 5.5 4.5h-11z"/>',
    "joblib": '<path d="M0 5.5 5.5-4.5h-11z"/>',
    "diskcache": '<path d="M-5-2h3v-3h4v3h3v4h-3v3h-4v-3h-3z"/>',
    "bare": '<path d="M-1.5-7h3v14h-3z"/>',
}
STYLE = """<style>
.ground { fill: #ffffff; stroke: #d0d4d9 }
text { font: 12px system-ui, sans-serif; fill: #30363d }
.title { font-weight: 600; font-size: 13px }
.grid { stroke: #e3e6ea }
@media (prefers-color-scheme: dark) {
  .ground { fill: #1e2127; stroke: #3d434b }
  text { fill: #d5d9de }
  .grid { stroke: #363c44 }
}
</style>"""

CHARTS = {
    "start": ("To start with", ["import-alone", "import", "first"]),
    "calls": (
        "A call, each of many",
        ["plain", "plain-async", "gather", "submit", "map-1000", "map-100000"],
    ),
    "kept": (
        "A call whose result is kept, each of many",
        ["persisted", "persisted-async", "persisted-gather", "miss", "hit"],
    ),
    "array": ("An array of 512 MB", ["array-write", "array-read"]),
    "memory": (
        "Memory for it, beyond the array that is there already",
        ["array-write-memory", "array-read-memory"],
    ),
}


def charts(measured: Measured) -> dict[str, str]:
    """The charts for which there are figures, by name."""
    drawn = {}
    for name, (title, rows) in CHARTS.items():
        known = [row for row in rows if any(measured.figure(row, p) for p in measured.peers)]
        if known:
            drawn[name] = chart(title, known, measured)
    return drawn


def chart(title: str, rows: Sequence[str], measured: Measured) -> str:
    """These rows, one below the other."""
    unit = ROWS[rows[0]].unit
    figures = {
        row: {p: found for p in measured.peers if (found := measured.figure(row, p))}
        for row in rows
    }
    known = [figure for of_row in figures.values() for figure in of_row.values()]
    scale = Scale(known, unit)
    bottom = TOP + LINE * len(rows)
    box = f'viewBox="0 0 {WIDTH} {bottom + BOTTOM}"'
    ground = f'width="{WIDTH - 1}" height="{bottom + BOTTOM - 1}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {box} role="img" aria-label="{escape(title)}">',
        f"<title>{escape(title)}</title>{STYLE}",
        f'<rect class="ground" x=".5" y=".5" {ground} rx="6"/>',
        f'<text class="title" x="14" y="22">{escape(title)}</text>',
        _legend([peer for peer in measured.peers if any(peer in f for f in figures.values())]),
        *(_tick(scale, power, unit, bottom) for power in scale.powers),
    ]
    for place, (row, of_row) in enumerate(figures.items()):
        y = TOP + LINE * place + LINE / 2
        parts.append(f'<text x="14" y="{y + 4:g}">{escape(ROWS[row].title)}</text>')
        parts += [_mark(scale, peer, figure, y) for peer, figure in reversed(of_row.items())]
    return "\n".join([*parts, "</svg>", ""])


class Scale:
    """Places of values between the powers of ten around them."""

    def __init__(self, figures: Sequence[Figure], unit: str) -> None:
        self.smallest = SMALLEST.get(unit, 1e-4)
        low = self._logarithm(min(figure.low for figure in figures))
        high = self._logarithm(max(figure.high for figure in figures))
        first, last = math.floor(low), math.ceil(high)
        self.powers = range(first, max(last, first + 1) + 1)

    def x(self, value: float) -> float:
        """How far to the right."""
        part = (self._logarithm(value) - self.powers[0]) / (len(self.powers) - 1)
        return round(LEFT + max(part, 0) * (WIDTH - RIGHT - LEFT), 1)

    def _logarithm(self, value: float) -> float:
        return math.log10(max(value, self.smallest))


def named(power: int, unit: str) -> str:
    """A power of ten of a unit, as people say it."""
    shift, words = {
        "s": (0, [(0, "s"), (-3, "ms"), (-6, "µs"), (-9, "ns")]),
        "µs": (-6, [(0, "s"), (-3, "ms"), (-6, "µs"), (-9, "ns")]),
        "MB": (6, [(9, "GB"), (6, "MB"), (3, "KB")]),
        "KB": (3, [(9, "GB"), (6, "MB"), (3, "KB")]),
    }[unit]
    least, word = next(found for found in words if power + shift >= found[0])
    return f"{10 ** (power + shift - least)} {word}"


def _tick(scale: Scale, power: int, unit: str, bottom: int) -> str:
    x = scale.x(10.0**power)
    return (
        f'<path class="grid" d="M{x:g} {TOP - 6}V{bottom + 4}"/>'
        f'<text x="{x:g}" y="{bottom + 20}" text-anchor="middle">{named(power, unit)}</text>'
    )


def _mark(scale: Scale, peer: str, figure: Figure, y: float) -> str:
    low, high = scale.x(figure.low), scale.x(figure.high)
    return (
        f'<g fill="{COLOURS[peer]}"><title>{escape(PEERS[peer].title)}: {figure.median:.4g}</title>'
        f'<path stroke="{COLOURS[peer]}" stroke-width="2" d="M{low:g} {y:g}H{high:g}"/>'
        f'<g transform="translate({scale.x(figure.median):g} {y:g})">{SHAPES[peer]}</g></g>'
    )


def _legend(peers: Sequence[str]) -> str:
    parts, x = [], 20
    for peer in peers:
        parts.append(
            f'<g fill="{COLOURS[peer]}" transform="translate({x} 40)">{SHAPES[peer]}</g>'
            f'<text x="{x + 11}" y="44">{escape(PEERS[peer].title)}</text>'
        )
        x += 34 + 7 * len(PEERS[peer].title)
    return "\n".join(parts)
