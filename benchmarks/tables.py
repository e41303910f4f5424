"""What was measured, as Markdown that can be read as it is, too. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmarks.catalogue import BUDGETS, PEERS, ROWS, Budget
from benchmarks.summary import UNSTEADY, Figure, Measured, judged, ratio

FLAG = "†"
NOTHING = "–"


def report(measured: Measured) -> str:
    """All tables, one below the other."""
    peers = list(measured.peers)
    rows = [row for row in measured.rows if any(measured.values(row, peer) for peer in peers)]
    spread = (
        "In brackets the spread, from the lowest to the highest round, in hundredths of the"
        " median; “of” says how many were measured at a time where these were fewer."
    )
    times = (
        "How many times upshot's figure; the median of the ratios within each round."
        f" {FLAG}: these lie more than {UNSTEADY * 100:.0f} % apart."
    )
    ratios = _ratios(measured, rows, [peer for peer in peers if peer != "upshot"])
    parts = ["### Medians", _medians(measured, rows, peers), spread]
    parts += ["### Beside upshot", ratios, times] if "upshot" in peers else []
    parts += ["### Budgets", _budgets(measured)] if "upshot" in peers else []
    return "\n\n".join([*parts, "### What has no figure, and why", _notes(measured)])


def machine_line(measured: Measured) -> str:
    """On what, and with what, it was made."""
    about = measured.about
    peers = [
        f"{PEERS[peer].title} {version}"
        for peer, version in measured.peers.items()
        if peer != "bare"
    ]
    return (
        f"Made {about['made']} on {about['cores']} cores ({about['processor']}) with"
        f" {about['memory']} of memory, {about['system']}, Python {about['python']}, in"
        f" {measured.rounds} rounds; load {about['load before']} before and"
        f" {about.get('load after', '?')} after. {', '.join(peers)}."
    )


def number(value: float) -> str:
    """Three digits, or two of what is small."""
    if value >= 100:
        return f"{value:,.0f}"
    if value >= 0.1:
        return f"{value:.{1 if value >= 10 else 2}f}"
    return f"{value:.2g}"


def table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A Markdown table whose columns stand below each other."""
    every = [list(head), *map(list, lines)]
    widths = [max(len(line[column]) for line in every) for column in range(len(head))]
    rule = ["-" * widths[0], *["-" * (width - 1) + ":" for width in widths[1:]]]
    ordered = [every[0], rule, *every[1:]]
    return "\n".join(_line(line, widths) for line in ordered)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = zip(cells, widths, strict=True)
    placed = [first[0].ljust(first[1]), *(text.rjust(width) for text, width in others)]
    return f"| {' | '.join(placed)} |"


def _medians(measured: Measured, rows: list[str], peers: list[str]) -> str:
    def cell(row: str, peer: str) -> str:
        found = measured.figure(row, peer)
        if found is None:
            return NOTHING
        n, most = measured.n(row, peer), ROWS[row].n
        fewer = f", of {n:,}" if n < most else ""
        return f"{number(found.median)} ({found.spread:.0%}{fewer})".replace("%", " %")

    return table(
        ["", *(PEERS[peer].title for peer in peers)],
        [[_titled(row), *(cell(row, peer) for peer in peers)] for row in rows],
    )


def _ratios(measured: Measured, rows: list[str], peers: list[str]) -> str:
    def cell(row: str, peer: str) -> str:
        found = ratio(measured.values(row, peer), measured.values(row, "upshot"))
        return NOTHING if found is None else _times(found)

    lines = [[ROWS[row].title, *(cell(row, peer) for peer in peers)] for row in rows]
    return table(
        ["", *(PEERS[peer].title for peer in peers)],
        [line for line in lines if set(line[1:]) != {NOTHING}],
    )


def _budgets(measured: Measured) -> str:
    lines = []
    for budget in BUDGETS:
        if budget.row not in measured.rows:
            continue
        verdict = judged(budget, measured)
        reached = NOTHING
        if verdict.reached is not None:
            unit = "×" if budget.against else ROWS[budget.row].unit
            flag = FLAG if verdict.reached.unsteady else ""
            reached = f"{number(verdict.reached.median)} {unit}{flag}"
        lines.append([ROWS[budget.row].title, _allowed(budget), reached, verdict.met])
    return table(["", "budget", "reached", "met"], lines)


def _allowed(budget: Budget) -> str:
    if budget.against is None:
        return f"≤ {budget.most:g} {ROWS[budget.row].unit}"
    row, peer = budget.against
    beside = PEERS[peer].title if peer != "upshot" else ""
    other = ROWS[row].title if row != budget.row else ""
    return f"≤ {budget.most:g} × {', '.join(filter(None, [beside, other]))}"


def _notes(measured: Measured) -> str:
    rows_of: dict[tuple[str, str], list[str]] = {}
    for (row, peer), reason in measured.absent.items():
        rows_of.setdefault((peer, reason), []).append(ROWS[row].title)
    lines = [
        f"- {PEERS[peer].title}: {reason} ({'; '.join(titles)})."
        for (peer, reason), titles in rows_of.items()
    ]
    return "\n".join(lines + _returned(measured)) or "All have."


def _returned(measured: Measured) -> list[str]:
    """For peers that write rows after a call has returned: when it had."""
    lines = []
    for peer in measured.peers:
        early = {row: measured.figure(f"{row}.returned", peer) for row in measured.rows}
        told = [
            f"{ROWS[row].title} {number(found.median)} {ROWS[row].unit}"
            for row, found in early.items()
            if found is not None
        ]
        if told:
            lines.append(
                f"- {PEERS[peer].title} writes the rows of tasks after the flow has returned;"
                f" until then it took: {'; '.join(told)}."
            )
    return lines


def _titled(row: str) -> str:
    return f"{ROWS[row].title}, {ROWS[row].unit}"


def _times(found: Figure) -> str:
    return f"{number(found.median)} ×{FLAG if found.unsteady else ''}"
