"""Makes the measurements: prepares the peers, warms them, goes round."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Sequence

from benchmarks.catalogue import PEERS, ROWS, Row
from benchmarks.environments import BUILD, PeerFailed, prepare
from benchmarks.fresh_rows import measure_fresh, warm
from benchmarks.processes import WORK, Driver, new_folder
from benchmarks.summary import Cell, Measured, Sample, how_many, interleaved

_SCALE = {"s": 1.0, "µs": 1e6, "MB": 1.0, "KB": 1.0}


class Session:
    """A run of the command.

    Attributes:
        cap: seconds for which a row of a peer that is slow is measured at a time.
    """

    def __init__(self, measured: Measured, cap: float) -> None:
        self.measured = measured
        self.cap = cap
        self.drivers: dict[str, Driver] = {}
        self.counts: dict[tuple[str, str], int] = {}

    def run(self) -> None:
        """Measure all rows; those first that take new processes, while none stays up."""
        new_folder("")
        try:
            peers = self._prepared()
            rows = [ROWS[name] for name in self.measured.rows]
            self._go_round([row for row in rows if row.fresh], peers, self._fresh)
            standing = [row for row in rows if not row.fresh and not row.with_row]
            if standing:
                self._start(peers)
                self._warm_up(standing)
                self._go_round(standing, list(self.drivers), self._standing)
        finally:
            for driver in self.drivers.values():
                driver.close()
            shutil.rmtree(WORK, ignore_errors=True)

    def _prepared(self) -> list[str]:
        ready: list[str] = []
        for name in self.measured.peers:
            _say(f"{PEERS[name].title}: installing, warming")
            (BUILD / f"{name}.log").write_text("")
            try:
                prepare(PEERS[name].environment or name)
                warm(PEERS[name])
                ready.append(name)
            except PeerFailed as failure:
                self._give_up_peer(name, failure)
        return ready

    def _start(self, peers: Sequence[str]) -> None:
        for name in peers:
            try:
                self.drivers[name] = Driver(PEERS[name])
            except PeerFailed as failure:
                self._give_up_peer(name, failure)

    def _warm_up(self, rows: list[Row]) -> None:
        for row in rows:
            for peer in self.drivers:
                _say(f"warming {row.name} of {PEERS[peer].title}")
                self._try(row.name, peer, self._calibrate)

    def _calibrate(self, row: Row, peer: str) -> None:
        """Find out how many are measured at a time, and warm that many."""
        n = min(5, row.n)
        self._ask(row, peer, n)
        each = self._ask(row, peer, n)["each"]
        while n < row.n and n * each < 0.1:
            n = min(10 * n, row.n)
            each = self._ask(row, peer, n)["each"]
        n = self.counts[row.name, peer] = how_many(row, each, self.cap)
        self._ask(row, peer, n)

    def _go_round(
        self, rows: list[Row], peers: Sequence[str], measure: Callable[[Cell], None]
    ) -> None:
        for cell in interleaved(self.measured.rounds, [row.name for row in rows], peers):
            self._try(cell.row, cell.peer, lambda row, peer, cell=cell: measure(cell))

    def _try(self, row: str, peer: str, measure: Callable[[Row, str], None]) -> None:
        if (row, peer) in self.measured.absent:
            return
        try:
            measure(ROWS[row], peer)
        except PeerFailed as failure:
            self.measured.absent[row, peer] = str(failure)
            _say(f"{row} of {PEERS[peer].title}: {failure}")
            if peer in self.drivers and not self.drivers[peer].alive:
                self._start_again(peer)

    def _start_again(self, peer: str) -> None:
        try:
            self.drivers[peer] = Driver(PEERS[peer])
            for (row, whose), n in self.counts.items():
                if whose == peer and (row, peer) not in self.measured.absent:
                    self._ask(ROWS[row], peer, n)
        except PeerFailed as failure:
            self._give_up_peer(peer, failure)

    def _fresh(self, cell: Cell) -> None:
        row = ROWS[cell.row]
        if row.only not in ("", cell.peer):
            return
        for name, value in measure_fresh(cell.row, PEERS[cell.peer]).items():
            self._keep(cell, name, ROWS[name].n, value)

    def _standing(self, cell: Cell) -> None:
        row, n = ROWS[cell.row], self.counts[cell.row, cell.peer]
        found = self._ask(row, cell.peer, n)
        for name, value in found.items():
            suffix = "" if name == "each" else f".{name}"
            self._keep(cell, f"{row.name}{suffix}", n, value * _SCALE[row.unit])

    def _ask(self, row: Row, peer: str, n: int) -> dict[str, float]:
        found = self.drivers[peer].ask(row.function or row.name.replace("-", "_"), n)
        if "absent" in found:
            raise PeerFailed(found["absent"])
        return found

    def _keep(self, cell: Cell, row: str, n: int, value: float) -> None:
        self.measured.samples.append(Sample(cell.round, row, cell.peer, n, value))
        _say(
            f"round {cell.round + 1} of {self.measured.rounds}: {row} of"
            f" {PEERS[cell.peer].title}: {value:.4g}"
        )

    def _give_up_peer(self, peer: str, failure: PeerFailed) -> None:
        _say(f"{PEERS[peer].title}: {failure}")
        for row in self.measured.rows:
            if not self.measured.values(row, peer):
                self.measured.absent.setdefault((row, peer), str(failure))


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)
