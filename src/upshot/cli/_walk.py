"""Going through all that a flow run called, without holding more of it than a page a level."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple
from uuid import UUID

from upshot.records import FlowRun, TaskRun
from upshot.runstore import RunStore

PAGE = 200


class Node(NamedTuple):
    """A task run in the tree of a flow run.

    Attributes:
        run: the task run.
        subflow: the flow run that it stands for, if it does.
        last: for the run and for each one above it, the outermost first, whether it is the last
            one that its flow run called.
    """

    run: TaskRun
    subflow: FlowRun | None
    last: tuple[bool, ...]


def walk(store: RunStore, flow_run: UUID) -> Iterator[Node]:
    """All that a flow run called, each followed by what it called itself."""
    levels: list[tuple[Iterator[tuple[TaskRun, bool]], tuple[bool, ...]]]
    levels = [(_called(store, flow_run), ())]
    while levels:
        level, above = levels[-1]
        step = next(level, None)
        if step is None:
            levels.pop()
            continue
        run, last = step
        subflow = store.flow_run(UUID(bytes=run.child_uid)) if run.child_uid else None
        yield Node(run, subflow, (*above, last))
        if subflow is not None:
            levels.append((_called(store, subflow.id), (*above, last)))


def _called(store: RunStore, flow_run: UUID) -> Iterator[tuple[TaskRun, bool]]:
    """The task runs of a flow run, each with whether it is the last one."""
    after: UUID | None = None
    while True:
        page = store.list_task_runs(flow_run, after=after, limit=PAGE)
        final = len(page.runs) if page.next is None else None
        for number, run in enumerate(page.runs, 1):
            yield run, number == final
        after = page.next
        if after is None:
            return
