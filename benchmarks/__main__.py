"""Times upshot beside its peers: `make bench`, or `python -m benchmarks --help`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

from benchmarks.catalogue import PEERS, ROWS
from benchmarks.charts import charts
from benchmarks.environments import BUILD, ROOT, alone
from benchmarks.machine import about, load, versions
from benchmarks.session import Session
from benchmarks.summary import Measured
from benchmarks.tables import machine_line, report

PAGE = ROOT / "docs" / "figures.md"
FROM, TO = "<!-- made by make bench: begin -->", "<!-- made by make bench: end -->"


def main(arguments: list[str] | None = None) -> None:
    options = _parser().parse_args(arguments)
    rows = _chosen("row", options.rows, ROWS)
    rows += [row.name for row in ROWS.values() if row.with_row in rows and row.name not in rows]
    peers = _chosen("peer", options.peers, PEERS)
    if options.given:
        measured = Measured.from_json(options.given.read_text("utf-8"))
    else:
        known = {name: _version(name) for name in peers}
        measured = Measured(about(), known, [r for r in ROWS if r in rows], options.rounds)
        with alone():
            Session(measured, options.cap).run()
        measured.about["load after"] = load()
    folder = ROOT / "docs" / "figures" if options.docs else BUILD
    write(measured, folder)
    if options.docs:
        before, _, rest = PAGE.read_text("utf-8").partition(FROM)
        after = rest.partition(TO)[2]
        words = f"{machine_line(measured)}\n\n{report(measured)}"
        PAGE.write_text(f"{before}{FROM}\n\n{words}\n\n{TO}{after}", "utf-8")
    print(f"{machine_line(measured)}\n\n{report(measured)}\n\nKept in {folder.relative_to(ROOT)}.")


def write(measured: Measured, folder: Path) -> None:
    """The figures as JSON, tables and charts."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "figures.json").write_text(measured.to_json() + "\n", "utf-8")
    for name, svg in charts(measured).items():
        (folder / f"{name}.svg").write_text(svg, "utf-8")
    if folder == BUILD:
        (folder / "figures.md").write_text(report(measured) + "\n", "utf-8")


def _version(peer: str) -> str:
    environment = PEERS[peer].environment or peer
    return versions(environment).get(PEERS[peer].package or peer, "")


def _chosen(kind: str, words: str, known: Iterable[str]) -> list[str]:
    """The names that begin with one of the words."""
    found: list[str] = []
    for word in filter(None, words.split(",")):
        meant = [name for name in known if name.startswith(word)]
        if not meant:
            sys.exit(f"there is no {kind} {word!r}; there are: {', '.join(known)}")
        found += [name for name in meant if name not in found]
    return found or list(known)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="how often each row is measured")
    parser.add_argument("--rows", default="", help="beginnings of the names of rows, a,b,…")
    parser.add_argument("--peers", default="", help="beginnings of the names of peers, a,b,…")
    parser.add_argument(
        "--cap", type=float, default=1.5, help="seconds for a slow peer's row, at a time"
    )
    parser.add_argument("--docs", action="store_true", help="put the figures into docs/figures.md")
    parser.add_argument(
        "--from",
        dest="given",
        type=Path,
        help="a figures.json, whose figures are taken instead of new ones",
    )
    return parser


if __name__ == "__main__":
    main()
