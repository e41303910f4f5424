"""The run store in memory: for tests, and for programs that keep no history."""

from __future__ import annotations

import threading
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import ClassVar
from uuid import UUID

from upshot.records import Block, CacheEntry, FlowRun, Run, TaskRun
from upshot.runstore import _process
from upshot.runstore._limits_memory import MemoryLimits
from upshot.runstore._listing import Page, RunFilter, first_id, page_of
from upshot.runstore._query import OF_FLOW_RUN, OF_TASK_RUN, RunQuery, meets, part_of
from upshot.runstore.base import RunStore


class MemoryRunStore(MemoryLimits, RunStore):
    """Keeps everything for as long as the store lives, and nothing on a disk.

    A forked child has a copy of its own from then on.

    Args:
        path: what a store with a file would lie at; unused.
        durability: unused.
    """

    shared: ClassVar[bool] = False

    def __init__(self, path: Path | None = None, durability: str = "normal") -> None:
        super().__init__()
        self._flow_runs: dict[bytes, FlowRun] = {}
        self._task_runs: dict[bytes, TaskRun] = {}
        self._cache: dict[str, CacheEntry] = {}
        self._blocks: dict[UUID, Block] = {}
        self._lock = threading.Lock()
        _process.guard(self)

    def record(self, run: Run) -> None:
        """Keep a run as it stands now."""
        with self._lock:
            self._keep(run)

    @property
    def backlogged(self) -> bool:
        """Never: nothing is queued."""
        return False

    def queue(self, run: Run, cache: CacheEntry | None = None) -> None:
        """Keep a run and its cache entry."""
        self.commit(run, cache)

    def commit(self, run: Run, cache: CacheEntry | None = None) -> None:
        """Keep a run and its cache entry."""
        with self._lock:
            self._keep(run)
            if cache is not None:
                self._cache[cache.key] = cache

    def flush(self) -> None:
        """There is nothing to write."""

    def cached(self, key: str) -> CacheEntry | None:
        """The newest entry under a key."""
        return self._cache.get(key)

    def strike(self, entry: CacheEntry) -> None:
        """Remove an entry unless its key has another by now."""
        with self._lock:
            if self._cache.get(entry.key) == entry:
                del self._cache[entry.key]

    def save_block(self, block: Block) -> None:
        """Keep a storage's description, unless its id has one."""
        with self._lock:
            if block.id in self._blocks:
                return
            self._check_name(block)
            self._blocks[block.id] = block

    def change_block(self, block: Block, changed: Block) -> bool:
        """Put another description of a storage in the place of this one, if that is there."""
        with self._lock:
            if self._blocks.get(block.id) != block:
                return False
            self._check_name(changed)
            self._blocks[block.id] = changed
            return True

    def drop_block(self, block: Block) -> bool:
        """Forget a storage's description, if it is there."""
        with self._lock:
            found = self._blocks.get(block.id) == block
            if found:
                del self._blocks[block.id]
            return found

    def block(self, id: UUID) -> Block | None:
        """The storage with this id."""
        return self._blocks.get(id)

    def blocks(self) -> list[Block]:
        """All storages, in the order in which they came."""
        with self._lock:
            return list(self._blocks.values())

    def _check_name(self, block: Block) -> None:
        others = {(o.type, o.name) for o in self._blocks.values() if o.id != block.id}
        if block.name is not None and (block.type, block.name) in others:
            raise ValueError(f"another storage is called {block.name!r}")

    def flow_run(self, id: UUID) -> FlowRun | None:
        """A copy of a flow run."""
        with self._lock:
            return self._flow_run(id.bytes)

    def task_run(self, id: UUID) -> TaskRun | None:
        """A copy of a task run."""
        with self._lock:
            return self._task_run(id.bytes)

    def task_runs(self, flow_run: UUID) -> list[TaskRun]:
        """Copies of a flow run's task runs."""
        with self._lock:
            owner = self._flow_run(flow_run.bytes)
            return [
                replace(run, flow_run=owner)
                for run in self._task_runs.values()
                if run.flow_run is not None and run.flow_run.uid == flow_run.bytes
            ]

    def flow_runs(self, limit: int = 200) -> list[FlowRun]:
        """Copies of the newest flow runs."""
        with self._lock:
            newest = islice(reversed(self._flow_runs), limit)
            return [run for run in map(self._flow_run, newest) if run is not None]

    def list_flow_runs(self, filter: RunFilter, limit: int = 200) -> Page[FlowRun]:
        """Copies of the newest flow runs that a filter leaves."""
        first, end = filter.bounds()
        with self._lock:
            uids = sorted((uid for uid in self._flow_runs if first <= uid < end), reverse=True)
            runs = (run for run in map(self._flow_run, uids) if run and _passes(run, filter))
            return page_of(list(islice(runs, limit + 1)), limit)

    def list_task_runs(
        self, flow_run: UUID, *, after: UUID | None = None, limit: int = 200
    ) -> Page[TaskRun]:
        """Copies of a part of the task runs of a flow run."""
        runs = self.task_runs(flow_run)
        start = next((n for n, run in enumerate(runs, 1) if run.id == after), 0)
        return page_of(runs[start : start + limit + 1], limit)

    def find_flow_runs(self, query: RunQuery) -> list[FlowRun]:
        """Copies of the flow runs that a query asks for."""
        with self._lock:
            runs = [run for run in map(self._flow_run, self._flow_runs) if run is not None]
            tasks = list(self._task_runs.values())
        found = (run for run in runs if meets(run, query.where, OF_FLOW_RUN))
        if query.related is not None:
            owners = {
                task.flow_run.uid
                for task in tasks
                if task.flow_run is not None and meets(task, query.related, OF_TASK_RUN)
            }
            found = (run for run in found if run.uid in owners)
        return part_of(found, query, OF_FLOW_RUN)

    def find_task_runs(self, query: RunQuery) -> list[TaskRun]:
        """Copies of the task runs that a query asks for."""
        with self._lock:
            runs = [run for run in map(self._task_run, self._task_runs) if run is not None]
        found = (run for run in runs if meets(run, query.where, OF_TASK_RUN))
        if (related := query.related) is not None:
            found = (
                run
                for run in found
                if run.flow_run is not None and meets(run.flow_run, related, OF_FLOW_RUN)
            )
        return part_of(found, query, OF_TASK_RUN)

    def flow_names(self) -> list[str]:
        """The names of all flows that have runs."""
        with self._lock:
            return sorted({run.flow_name for run in self._flow_runs.values()})

    def runs_between(self, first: UUID, last: UUID, limit: int = 10) -> list[Run]:
        """Copies of the runs whose ids are in a range."""
        return [run for run in self._sorted() if first.bytes <= run.uid <= last.bytes][:limit]

    def search_results(self, text: str, *, until: float, limit: int = 10) -> list[Run]:
        """Copies of the newest runs in whose result a text occurs."""
        end = first_id(until + 0.001)
        found = [run for run in self._sorted() if run.uid < end and text in (run.result or "")]
        return sorted(found, key=lambda run: run.uid, reverse=True)[:limit]

    def close(self) -> None:
        """Nothing is let go of: what is kept ends with the store."""

    def before_fork(self) -> None:
        """Let no other thread be in the middle of a change."""
        self._lock.acquire()

    def after_fork(self, *, in_child: bool) -> None:
        """Let other threads in again; in the child, no run has a slot."""
        if in_child:
            self._forget_slots()
        self._lock.release()

    def _sorted(self) -> list[Run]:
        """Copies of all runs: flow runs, then task runs, each by their ids."""
        with self._lock:
            flow_runs = [self._flow_run(uid) for uid in sorted(self._flow_runs)]
            task_runs = [self._task_run(uid) for uid in sorted(self._task_runs)]
        return [run for run in (*flow_runs, *task_runs) if run is not None]

    def _keep(self, run: Run) -> None:
        if isinstance(run, TaskRun):
            self._task_runs[run.uid] = replace(run)
        elif isinstance(run, FlowRun):
            self._flow_runs[run.uid] = replace(run)

    def _flow_run(self, uid: bytes) -> FlowRun | None:
        run = self._flow_runs.get(uid)
        if run is None:
            return None
        parent = None if run.parent is None else self._task_run(run.parent.uid)
        return replace(run, parent=parent)

    def _task_run(self, uid: bytes) -> TaskRun | None:
        run = self._task_runs.get(uid)
        if run is None:
            return None
        flow_run = None if run.flow_run is None else self._flow_run(run.flow_run.uid)
        return replace(run, flow_run=flow_run)


def _passes(run: FlowRun, filter: RunFilter) -> bool:
    if filter.tags and not (run.states and {*filter.tags} <= {*run.tags}):
        return False
    return filter.flow_name in (None, run.flow_name) and filter.state_type in (None, run.state_type)
