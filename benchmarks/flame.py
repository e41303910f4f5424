"""Draws where the time of a task call goes: python -m benchmarks.flame [FILE.svg]

The processor's timer interrupts a flow that calls a task again and again; each time it is noted
what was being called. The widths are CPU time, the writer's included that went by meanwhile.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import NamedTuple

from benchmarks.charts import STYLE
from benchmarks.environments import ROOT
from upshot import flow, task
from upshot.settings import UPSHOT_HOME, temporary_settings

CALLS, WARM = 200_000, 2_000
EACH = 0.001  # seconds of CPU time between two looks; most kernels take no less than 0.004
WIDTH, LINE, TOP, LEAST = 760, 19, 34, 1.5
COLOURS = {
    "_calls": "#a5d8ff",
    "_engine": "#ffd8a8",
    "_arguments": "#b2f2bb",
    "runstore": "#fcc2d7",
    "records": "#fcc2d7",
    "context": "#d0bfff",
    "results": "#ffec99",
    "benchmarks": "#ced4da",
}
OTHER = "#dee2e6"


class Box(NamedTuple):
    """A function, among those that the one below it calls."""

    name: str
    depth: int
    start: int  # in samples
    samples: int


@task
def value(x: int) -> dict[str, object]:
    """What is called."""
    return {"x": x, "list": [1, 2, 3]}


@flow
def calls(n: int) -> float:
    """Call it, and give the CPU seconds of a call."""
    start = time.process_time()
    for x in range(n):
        value(x)
    return (time.process_time() - start) / n


def stacks_of_calls() -> tuple[float, dict[tuple[str, ...], int]]:
    """The CPU seconds of a call, and how often each stack of functions was seen."""
    seen: dict[tuple[str, ...], int] = {}

    def look(number: int, frame: FrameType | None) -> None:
        stack: list[str] = []
        while frame is not None and frame.f_code is not calls.fn.__code__:
            if frame.f_code is not look.__code__:
                module = frame.f_globals.get("__name__", "?").removeprefix("upshot.")
                stack.append(f"{module}.{frame.f_code.co_qualname}")
            frame = frame.f_back
        if frame is not None:
            key = tuple(reversed(stack))
            seen[key] = seen.get(key, 0) + 1

    calls(WARM)
    seconds = calls(CALLS // 10)
    signal.signal(signal.SIGPROF, look)
    signal.setitimer(signal.ITIMER_PROF, EACH, EACH)
    try:
        calls(CALLS)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return seconds, seen


def boxes(seen: dict[tuple[str, ...], int], depth: int = 0, start: int = 0) -> Iterator[Box]:
    """What is drawn for these stacks, those of one function beside each other."""
    groups: dict[str, dict[tuple[str, ...], int]] = {}
    for stack, samples in seen.items():
        if stack:
            groups.setdefault(stack[0], {})[stack[1:]] = samples
    for name, inside in sorted(groups.items()):
        samples = sum(inside.values())
        yield Box(name, depth, start, samples)
        yield from boxes(inside, depth + 1, start)
        start += samples


def drawn(seconds: float, seen: dict[tuple[str, ...], int]) -> str:
    """The chart."""
    every, total = list(boxes(seen)), sum(seen.values())
    scale = (WIDTH - 20) / total
    kept = [box for box in every if box.samples * scale >= LEAST]
    height = TOP + LINE * (max(box.depth for box in kept) + 1) + 10
    title = (
        f"Where {seconds * 1e6:.0f} µs of a task call go"
        f" (CPU time, Python {sys.version.split()[0]}, {total:,} looks)"
    )
    size, last = f'viewBox="0 0 {WIDTH} {height}"', "</svg>\n"
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{title}">',
        f"<title>{title}</title>{STYLE}",
        f'<rect class="ground" x=".5" y=".5" width="{WIDTH - 1}" height="{height - 1}" rx="6"/>',
        f'<text class="title" x="14" y="22">{title}</text>',
    ]
    return "\n".join([*lines, *(_drawn(box, scale, total, seconds) for box in kept), last])


def _drawn(box: Box, scale: float, total: int, seconds: float) -> str:
    x, width = 10 + box.start * scale, box.samples * scale
    y, share = TOP + LINE * box.depth, box.samples / total
    short = box.name.rpartition(".")[2]
    room = int((width - 6) / 6.6)
    text = short if len(short) <= room else short[: room - 1] + "…" if room > 3 else ""
    colour = COLOURS.get(box.name.partition(".")[0], OTHER)
    return (
        f"<g><title>{escape(box.name)}: {share * seconds * 1e6:.1f} µs ({share:.1%})</title>"
        f'<rect x="{x:.1f}" y="{y}" width="{max(width - 0.6, 0.4):.1f}" height="{LINE - 2}"'
        f' rx="2" fill="{colour}"/><text x="{x + 3:.1f}" y="{y + 13}" style="font-size:11px;'
        f'fill:#212529">{escape(text)}</text></g>'
    )


def main(file: str = str(ROOT / "docs" / "figures" / "call.svg")) -> None:
    """Write the chart."""
    with TemporaryDirectory() as home, temporary_settings({UPSHOT_HOME: home}):
        Path(file).write_text(drawn(*stacks_of_calls()), "utf-8")
    print(f"written to {file}")


if __name__ == "__main__":
    main(*sys.argv[1:])
