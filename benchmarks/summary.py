"""What samples say: medians, spreads, ratios within rounds, budgets. Pure functions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from benchmarks.catalogue import PEERS, Budget, Row

UNSTEADY = 0.15


@dataclass(frozen=True)
class Cell:
    """A measurement that is to be made."""

    round: int
    row: str
    peer: str


def interleaved(rounds: int, rows: Sequence[str], peers: Sequence[str]) -> Iterator[Cell]:
    """Every row on every peer in each round; each round begins with another peer."""
    for number in range(rounds):
        first = number % len(peers) if peers else 0
        for row in rows:
            for peer in [*peers[first:], *peers[:first]]:
                yield Cell(number, row, peer)


def how_many(row: Row, each: float, cap: float) -> int:
    """So many of a row's work, each of which takes so many seconds, as are measured at a time."""
    if row.n * each <= max(row.most, cap):
        return row.n
    return max(1, int(cap / each))


@dataclass(frozen=True)
class Sample:
    """A measurement that was made; its value in the row's unit, of each of `n`."""

    round: int
    row: str
    peer: str
    n: int
    value: float


@dataclass(frozen=True)
class Figure:
    """What several measurements of the same say."""

    median: float
    low: float
    high: float
    rounds: int

    @property
    def spread(self) -> float:
        """How far apart the lowest and the highest are, in medians."""
        return (self.high - self.low) / self.median if self.median else 0.0

    @property
    def unsteady(self) -> bool:
        """Whether it is to be flagged."""
        return self.spread > UNSTEADY


def figure(values: Iterable[float]) -> Figure | None:
    """Of no values there is none."""
    known = sorted(values)
    if not known:
        return None
    return Figure(median(known), known[0], known[-1], len(known))


def ratio(over: Mapping[int, float], under: Mapping[int, float]) -> Figure | None:
    """The figure of the ratios within the rounds that both have."""
    return figure(over[number] / under[number] for number in over if under.get(number))


@dataclass
class Measured:
    """All that a run of the command found out.

    Attributes:
        about: the machine and the time, by what each is.
        peers: the version of each peer.
        absent: by row and peer, why there is no figure.
    """

    about: dict[str, str]
    peers: dict[str, str]
    rows: list[str]
    rounds: int
    samples: list[Sample] = field(default_factory=list)
    absent: dict[tuple[str, str], str] = field(default_factory=dict)

    def values(self, row: str, peer: str) -> dict[int, float]:
        """By round."""
        return {s.round: s.value for s in self.samples if (s.row, s.peer) == (row, peer)}

    def figure(self, row: str, peer: str) -> Figure | None:
        """Of a row and a peer."""
        return figure(self.values(row, peer).values())

    def n(self, row: str, peer: str) -> int:
        """So many at a time."""
        return next((s.n for s in self.samples if (s.row, s.peer) == (row, peer)), 0)

    def to_json(self) -> str:
        """As text from which `from_json` makes it again."""
        absent = [[*cell, reason] for cell, reason in self.absent.items()]
        return json.dumps({**asdict(self), "absent": absent}, indent=1, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Measured:
        """From what `to_json` made."""
        fields: dict[str, Any] = json.loads(text)
        fields["samples"] = [Sample(**sample) for sample in fields["samples"]]
        fields["absent"] = {(row, peer): reason for row, peer, reason in fields["absent"]}
        return cls(**fields)


@dataclass(frozen=True)
class Verdict:
    """What became of a budget; `missing` is the peer whose figure it needs and has not."""

    budget: Budget
    reached: Figure | None
    rounds_met: int
    missing: str = ""

    @property
    def met(self) -> str:
        """In a word or two."""
        if self.reached is None:
            return f"not measured: no figure of {PEERS[self.missing].title}, see below"
        if self.reached.median > self.budget.most:
            over = self.reached.median / self.budget.most - 1
            return f"**no**, by {over * 100:.0f} %"
        if self.rounds_met == self.reached.rounds:
            return "yes"
        return f"yes, in {self.rounds_met} of {self.reached.rounds} rounds"


def judged(budget: Budget, measured: Measured) -> Verdict:
    """Whether upshot keeps within a budget."""
    per_round = own = measured.values(budget.row, "upshot")
    if budget.against is not None:
        base = measured.values(*budget.against)
        per_round = {number: own[number] / base[number] for number in own if base.get(number)}
    missing = "upshot" if budget.against is None or not own else budget.against[1]
    kept = sum(value <= budget.most for value in per_round.values())
    return Verdict(budget, figure(per_round.values()), kept, missing)
