"""Several states: how many of them stand where, and what they amount to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from upshot.records import FINAL, StateType
from upshot.states.model import State


class _Counts:
    """How many states there are of each type."""

    def __init__(self, types: Iterable[StateType]) -> None:
        self.type_counts = Counter(types)

    @property
    def total_count(self) -> int:
        """How many states there are."""
        return self.type_counts.total()

    @property
    def fail_count(self) -> int:
        """How many of them failed or crashed."""
        return self.type_counts[StateType.FAILED] + self.type_counts[StateType.CRASHED]

    @property
    def cancelled_count(self) -> int:
        """How many of them were cancelled."""
        return self.type_counts[StateType.CANCELLED]

    @property
    def paused_count(self) -> int:
        """How many of them are paused."""
        return self.type_counts[StateType.PAUSED]

    @property
    def final_count(self) -> int:
        """How many of them are of runs that have ended."""
        return sum(count for type, count in self.type_counts.items() if type in FINAL)

    @property
    def not_final_count(self) -> int:
        """How many of them are of runs that have not ended."""
        return self.total_count - self.final_count

    def all_completed(self) -> bool:
        """Whether all runs ended well."""
        return self.type_counts[StateType.COMPLETED] == self.total_count

    def any_cancelled(self) -> bool:
        """Whether a run was cancelled."""
        return self.cancelled_count > 0

    def any_failed(self) -> bool:
        """Whether a run failed or crashed."""
        return self.fail_count > 0

    def any_paused(self) -> bool:
        """Whether a run is paused."""
        return self.paused_count > 0

    def all_final(self) -> bool:
        """Whether all runs have ended."""
        return self.final_count == self.total_count

    def counts_message(self) -> str:
        """The counts as text: ``total=3, not_final=1, 'FAILED'=2, 'RUNNING'=1``."""
        told = [f"total={self.total_count}"]
        if self.not_final_count:
            told.append(f"not_final={self.not_final_count}")
        told += [f"{type.value!r}={count}" for type, count in self.type_counts.items() if count]
        return ", ".join(told)


class StateGroup(_Counts):
    """Counts states.

    Attributes:
        states: the states.
        type_counts: how many there are of each type, in the order in which these came.
    """

    def __init__(self, states: Iterable[State[Any]]) -> None:
        self.states = list(states)
        super().__init__(state.type for state in self.states)


def summarize(types: Iterable[StateType]) -> tuple[StateType, str]:
    """The type of a state that stands for several others, and a message that counts them.

    Args:
        types: theirs.
    """
    group = _Counts(types)
    total = group.total_count
    if group.all_completed():
        return StateType.COMPLETED, "All states completed."
    if count := group.cancelled_count:
        return StateType.CANCELLED, f"{count}/{total} states cancelled."
    if count := group.paused_count:
        return StateType.PAUSED, f"{count}/{total} states paused."
    if count := group.fail_count:
        return StateType.FAILED, f"{count}/{total} states failed."
    return StateType.FAILED, f"{group.not_final_count}/{total} states are not final."
