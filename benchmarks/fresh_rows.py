"""Rows that take a new process each time."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from benchmarks.catalogue import ROWS, Peer
from benchmarks.environments import PeerFailed
from benchmarks.processes import WORK, new_folder, run_fresh

_TIMED = "import time\nstart = time.perf_counter()\n{}\nprint(time.perf_counter() - start)"


def measure_fresh(row: str, peer: Peer) -> dict[str, float]:
    """The figures of a row, and of those that its run gives too.

    Raises:
        PeerFailed: if the peer has nothing like it, or failed.
    """
    if row == "import":
        return {row: _import_seconds(peer, peer.imports)}
    if row == "import-alone":
        return {row: _import_seconds(peer, peer.alone)} if peer.alone else {}
    folder = _copy_of_template(peer)
    try:
        if row == "first":
            return {row: _first(peer, folder)}
        if row == "array-write":
            return _array(peer, folder, ROWS[row].n)
        return {row: _in_child(peer, row, folder, ROWS[row].n)["each"]}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def warm(peer: Peer) -> None:
    """Let a peer write its byte code, and the database that its later processes find."""
    folder = new_folder(f"{peer.name}-template")
    run_fresh(peer, ["-c", peer.imports + peer.flow], folder)


def _first(peer: Peer, folder: Path) -> float:
    if not peer.flow:
        raise PeerFailed("keeps no runs")
    return run_fresh(peer, ["-c", f"{peer.imports}\n{peer.flow}"], folder)[1]


def _import_seconds(peer: Peer, imports: str) -> float:
    printed, _ = run_fresh(peer, ["-c", _TIMED.format(imports)], WORK)
    return float(printed.split()[-1])


def _array(peer: Peer, folder: Path, mb: int) -> dict[str, float]:
    figures = {}
    for row in ("array-write", "array-read"):
        os.sync()  # what others wrote is not to be written now
        found = _in_child(peer, row, folder, mb)
        figures[row] = found["each"]
        if "memory" in found:
            figures[f"{row}-memory"] = found["memory"]
    return figures


def _in_child(peer: Peer, row: str, folder: Path, n: int) -> dict[str, float]:
    arguments = ["-m", "benchmarks.fresh", peer.name, row, str(folder), str(n)]
    printed, _ = run_fresh(peer, arguments, folder)
    figures = json.loads(printed.strip().splitlines()[-1])
    if "absent" in figures:
        raise PeerFailed(figures["absent"])
    return figures


def _copy_of_template(peer: Peer) -> Path:
    folder = WORK / f"{peer.name}-fresh"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(WORK / f"{peer.name}-template", folder)
    return folder
