"""What can be asked of runs: conditions, an order, and which part of what they leave."""

from __future__ import annotations

import string
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias, TypeVar

from upshot.records import FlowRun, Run, TaskRun

R = TypeVar("R", bound=Run)

How: TypeAlias = Literal["any", "not any", "like", "from", "until", "null", "all"]


class Condition(NamedTuple):
    """What one thing that is known of a run must be like.

    Attributes:
        what: a key of `OF_FLOW_RUN` or `OF_TASK_RUN`.
        how: `any` and `not any` of several values; `like`: has this text in it, whatever the case
            of its letters from A to Z; `from` and `until` a value, itself included; `null` or, with
            False, not; `all` of several tags.
        value: accordingly. What is not known is like nothing but `null`.
    """

    what: str
    how: How
    value: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class RunQuery:
    """Which runs are asked for.

    Attributes:
        where: conditions that each of them meets.
        related: conditions that its flow run meets or, of a flow run, one of its task runs; None
            for none.
        order: a key of the same, by which runs are sorted, those of which it is not known last;
            None, and among equal ones: as they were first recorded.
        descending: the other way round, but for those of which it is not known.
        limit: how many runs at most.
        offset: how many to leave out at the beginning.
    """

    where: tuple[Condition, ...] = ()
    related: tuple[Condition, ...] | None = None
    order: str | None = None
    descending: bool = True
    limit: int = 200
    offset: int = 0


_OF_RUN: dict[str, Callable[[Any], Any]] = {
    "end_time": lambda run: run.ended,
    "name": lambda run: run.name,
    "start_time": lambda run: run.began,
    "state_name": lambda run: run.state_name,
    "state_type": lambda run: run.state_type,
    "tags": lambda run: run.tags or None,
    "uid": lambda run: run.uid,
}
OF_FLOW_RUN: Mapping[str, Callable[[FlowRun], Any]] = {
    **_OF_RUN,
    "expected_start_time": lambda run: run.expected,
    "flow_name": lambda run: run.flow_name,
    "flow_version": lambda run: run.flow_version,
    "parent": lambda run: run.parent.uid if run.parent else None,
}
OF_TASK_RUN: Mapping[str, Callable[[TaskRun], Any]] = {
    **_OF_RUN,
    "child": lambda run: run.child_uid,
    "flow_run": lambda run: run.flow_run.uid if run.flow_run else None,
}

_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)  # as SQLite has it

_TESTS: dict[How, Callable[[Any, Any], bool]] = {
    "all": lambda known, wanted: set(wanted) <= set(known),
    "any": lambda known, wanted: known in wanted,
    "from": lambda known, wanted: known >= wanted,
    "like": lambda known, wanted: wanted.translate(_LOWER) in known.translate(_LOWER),
    "not any": lambda known, wanted: known not in wanted,
    "until": lambda known, wanted: known <= wanted,
}


def meets(
    run: Any, conditions: Iterable[Condition], of: Mapping[str, Callable[[Any], Any]]
) -> bool:
    """Whether a run meets all conditions."""
    return all(_meets(of[what](run), how, value) for what, how, value in conditions)


def _meets(known: Any, how: How, value: Any) -> bool:
    if how == "null":
        return (known is None) is value
    return known is not None and _TESTS[how](known, value)


def part_of(runs: Iterable[R], query: RunQuery, of: Mapping[str, Callable[[Any], Any]]) -> list[R]:
    """The part of these runs, which are as they were first recorded, that a query asks for."""
    found = list(runs)
    if query.descending:
        found.reverse()
    if query.order is not None:
        value = of[query.order]
        known = sorted(
            (run for run in found if value(run) is not None), key=value, reverse=query.descending
        )
        found = [*known, *(run for run in found if value(run) is None)]
    return found[query.offset : query.offset + query.limit]
