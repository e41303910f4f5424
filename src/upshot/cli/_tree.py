"""A run, and the tree of what it called, written line by line as it is read."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from itertools import chain
from typing import Any
from uuid import UUID

from rich.text import Text

from upshot.cli._facts import SHORT, duration_of, facts, loaded, short_id
from upshot.cli._print import can_show, clean
from upshot.cli._table import Cell, console, of_state, print_facts
from upshot.cli._walk import Node, walk
from upshot.cli._words import duration, local_time
from upshot.records import FlowRun, Run, TaskRun
from upshot.runstore import RunStore

_LINES = ("├── ", "└── ", "│   ", "    ")
_REMEMBERED = 10_000  # runs that later ones may name as where their arguments come from
_NAMED = 5  # runs that a line names so
_PLAIN_LINES = ("|-- ", "`-- ", "|   ", "    ")


class Tree:
    """What a run called. It is gone through once.

    Args:
        store: where the runs are.
        run: a flow run, or the task run that stands for one; other runs called nothing.
        limit: the most task runs to give; 0 for all.

    Attributes:
        more: whether there are more than that; known at the end.
    """

    def __init__(self, store: RunStore, run: Run, limit: int) -> None:
        self.more = False
        self._store, self._limit = store, limit
        child = run.child_uid if isinstance(run, TaskRun) else run.uid
        self._root = None if child is None else UUID(bytes=child)
        self._stands_in = isinstance(run, TaskRun)
        self._names: dict[str, str] = {}

    def facts(self) -> Iterator[dict[str, Any]]:
        """What JSON says of each run: of a subflow, the task run that stands for it and its own."""
        if self._stands_in and self._root is not None:
            child = self._store.flow_run(self._root)
            if child is not None:
                yield facts(child) | {"depth": 1}
        for node in self._nodes():
            depth = len(node.last)
            yield facts(node.run) | {"depth": depth}
            if node.subflow is not None:
                yield facts(node.subflow) | {"depth": depth}

    def write(self) -> None:
        """Write a line for each run."""
        out = console()
        signs = _LINES if can_show("├└│") else _PLAIN_LINES
        for node in self._nodes():
            line = _line(node, signs, self._inputs(node.run))
            if out.is_terminal:
                out.print(line, no_wrap=True, overflow="ellipsis")
            else:
                sys.stdout.write(f"{line.plain}\n")

    def _inputs(self, run: TaskRun) -> str:
        """The runs whose results a run was called with, by name where that is remembered."""
        self._names[str(run.id)] = run.name
        if len(self._names) > _REMEMBERED:
            del self._names[next(iter(self._names))]
        given = loaded(run.inputs)
        ids = list(chain.from_iterable(given.values())) if isinstance(given, dict) else []
        named = [self._names.get(id, id[:SHORT]) for id in dict.fromkeys(ids[:_NAMED])]
        more = [f"{len(ids) - _NAMED} more"] if len(ids) > _NAMED else []
        return f"after {', '.join(named + more)}" if named else ""

    def _nodes(self) -> Iterator[Node]:
        if self._root is None:
            return
        for number, node in enumerate(walk(self._store, self._root)):
            if self._limit and number == self._limit:
                self.more = True
                return
            yield node


def _line(node: Node, signs: tuple[str, str, str, str], inputs: str) -> Text:
    fork, end, bar, nothing = signs
    run = node.run
    text = Text("".join(nothing if last else bar for last in node.last[:-1]), style="dim")
    text.append(end if node.last[-1] else fork, style="dim")
    text = Text.assemble(
        text, (clean(run.name), "bold"), "  ", of_state(run.state_name, run.state_type)
    )
    told = [duration(duration_of(run, time.time()))]
    if run.run_count > 1:
        told.append(f"{run.run_count} attempts")
    told += [local_time(run.began)[11:] or "–", short_id(run)]
    if node.subflow is not None:
        told.append(f"flow run {node.subflow.name}")
    told += [part for part in (inputs, run.message) if part]
    return text.append("  " + "  ".join(map(clean, told)))


def print_run(run: Run) -> None:
    """Write what there is to say of one run."""
    told: list[tuple[Cell, Cell]] = [(run.kind, run.name), ("id", str(run.id))]
    told += _of_flow_run(run) if isinstance(run, FlowRun) else ()
    told += _of_task_run(run) if isinstance(run, TaskRun) else ()
    if run.tags:
        told.append(("tags", ", ".join(run.tags)))
    told.append(("state", of_state(run.state_name, run.state_type)))
    if run.message:
        told.append(("message", run.message))
    told.append(("started", local_time(run.began)))
    told.append(("took", duration(duration_of(run, time.time()))))
    told.append(("attempts", str(run.run_count)))
    failure = loaded(run.failure)
    if isinstance(failure, dict) and failure.get("traceback"):
        lines = map(clean, str(failure["traceback"]).splitlines())
        told.append(("traceback", Text("\n".join(lines))))
    print_facts(told)


def _of_flow_run(run: FlowRun) -> Iterator[tuple[Cell, Cell]]:
    yield "flow", run.flow_name + (f" (version {run.flow_version})" if run.flow_version else "")
    if run.parent is not None and run.parent.flow_run is not None:
        yield "called by", f"{run.parent.flow_run.name}  {short_id(run.parent.flow_run)}"
    if run.owner:
        yield "process", run.owner
    if run.parameters_json:
        yield "parameters", run.parameters_json


def _of_task_run(run: TaskRun) -> Iterator[tuple[Cell, Cell]]:
    yield "task", run.task_name + (f" (version {run.task_version})" if run.task_version else "")
    if run.flow_run is not None:
        yield "called by", f"{run.flow_run.name}  {short_id(run.flow_run)}"
    if run.cache_key:
        yield "cache key", run.cache_key
