"""Runs that another process sends, and their way into the stores of this one."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from upshot.records import FINAL, FlowRun, Run, StateType, TaskRun
from upshot.runstore import _rows
from upshot.runstore._relay import Sent
from upshot.runstore.base import RunStore
from upshot.runstore.current import store_of

MOST_KNOWN = 10_000
# the states come last, for a store may write a run at any moment
_CHANGING = {
    kind: [
        field.name
        for field in sorted(fields(kind), key=lambda field: field.name == "states")
        if field.name not in ("uid", "row", "queued", "flow_run", "parent")
    ]
    for kind in (FlowRun, TaskRun)
}


class Received:
    """The runs that one piece of work of another process has sent; one thread uses it.

    There is one record of each run, which the store may be writing while it changes.
    """

    def __init__(self) -> None:
        self._runs: dict[bytes, tuple[RunStore, Run]] = {}

    def take(self, sent: Sent) -> None:
        """Record what was sent.

        Raises:
            RunStoreError: if it cannot be.
        """
        store = store_of(sent.store)
        if sent.row is None:
            store.flush()
            return
        if len(self._runs) >= MOST_KNOWN:
            self._forget()
        run = self._run(sent, store)
        if sent.commits:
            store.commit(run, sent.cache)
            return
        store.record(run)
        if store.backlogged:
            store.flush()

    def unfinished(self) -> list[tuple[RunStore, Run]]:
        """The runs that go on, the latest first, and where each is recorded."""
        return [one for one in reversed(self._runs.values()) if not _has_ended(one[1])]

    def _forget(self) -> None:
        """Forget what has ended, once it is written: then another record can stand for it."""
        for store in {store for store, _ in self._runs.values()}:
            store.flush()
        self._runs = {uid: one for uid, one in self._runs.items() if not _has_ended(one[1])}

    def _run(self, sent: Sent, store: RunStore) -> Run:
        found: Any
        if sent.kind == TaskRun.kind:
            found = _rows.to_task_run(sent.row or (), self._flow_run)
        else:
            found = _rows.to_flow_run(sent.row or (), self._task_run)
        found.row = None  # it is numbered in the store of this process
        _, known = self._runs.setdefault(found.uid, (store, found))
        if known is not found:
            for name in _CHANGING[type(found)]:
                setattr(known, name, getattr(found, name))
        return known

    # of what is not among these runs, stores ask for its identity alone

    def _flow_run(self, uid: Any) -> FlowRun:
        _, known = self._runs.get(uid, (None, None))
        return known if isinstance(known, FlowRun) else FlowRun(name="", uid=uid, flow_name="")

    def _task_run(self, uid: Any) -> TaskRun:
        _, known = self._runs.get(uid, (None, None))
        if isinstance(known, TaskRun):
            return known
        return TaskRun(name="", uid=uid, task_name="", task_key="")


def _has_ended(run: Run) -> bool:
    """Whether no more is to come of a run; one that was not ready or is paused goes no further."""
    ended = run.state_type in FINAL or run.state_type is StateType.PAUSED
    return ended or run.state_name == "NotReady"
