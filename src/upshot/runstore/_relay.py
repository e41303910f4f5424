"""A run store of a process for which another one records the runs."""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, cast

from upshot.records import CacheEntry, FlowRun, Run, TaskRun
from upshot.runstore import _rows
from upshot.runstore._rows import Row
from upshot.runstore.base import RunStore

# which store it is among those of a process: its kind, home and durability
Key = tuple[str, str, str]


class Sent(NamedTuple):
    """What another process is to write.

    Attributes:
        store: where.
        kind: whether `row` is of a flow run or a task run.
        row: a run as it stands now; None if only what is queued is to be written.
        commits: whether it is to be written before there is an answer.
        cache: the entry that goes with it.
    """

    store: Key
    kind: str = ""
    row: Row | None = None
    commits: bool = False
    cache: CacheEntry | None = None


class Link(Protocol):
    """The way to the other process."""

    def tell(self, sent: Sent) -> bool:
        """Have it taken there, and return when it is on its way; False if nobody takes it now."""

    def ask(self, sent: Sent) -> bool:
        """As `tell`, but return when it is written.

        Raises:
            RunStoreError: if it cannot be.
        """


class _Relay(RunStore):
    """Sends runs to another process, and leaves all else to the store of this one.

    When nobody takes them there, runs are left to that store as well.
    """

    def __init__(self, key: Key, store: RunStore, link: Link) -> None:
        self._key, self._store, self._link = key, store, link
        self._behind = False  # what was sent since may not be written yet

    def __repr__(self) -> str:
        return repr(self._store)

    def record(self, run: Run) -> None:
        """Send a run as it stands now."""
        self._behind = True
        if not self._link.tell(self._sent(run)):
            self._store.record(run)
        elif not self._store.shared:
            self._store.record(run)  # so that it can be read here

    @property
    def backlogged(self) -> bool:
        """Whether the store of this process is: the other one looks after its own."""
        return self._store.backlogged

    def commit(self, run: Run, cache: CacheEntry | None = None) -> None:
        """Have a run and its cache entry written there, and wait for that."""
        sent = self._sent(run)._replace(commits=True, cache=cache)
        if not self._link.ask(sent) or not self._store.shared:
            self._store.commit(run, cache)

    def flush(self) -> None:
        """Have all that was sent written, and wait for that."""
        if self._behind:
            self._behind = False
            try:
                self._link.ask(Sent(self._key))
            except BaseException:
                self._behind = True
                raise
        self._store.flush()

    def close(self) -> None:
        """Have all written, and close the store of this process."""
        try:
            self.flush()
        finally:
            self._store.close()

    def before_fork(self) -> None:
        """Nothing: the store of this process is told on its own."""

    def _sent(self, run: Run) -> Sent:
        if isinstance(run, TaskRun):
            around = run.flow_run and run.flow_run.uid
            row = _rows.task_identity(run, 0, cast(Any, around)) + _rows.task_progress(run)
        else:
            run = cast(FlowRun, run)
            standing = run.parent and run.parent.uid
            row = _rows.flow_identity(run, 0, cast(Any, standing)) + _rows.flow_progress(run)
        return Sent(self._key, run.kind, row)


_OF_RUNS = ("find_", "flow_", "list_", "runs_", "search_", "task_")  # names of what reads these


def _left_to_the_store(name: str) -> Callable[..., Any]:
    def method(self: _Relay, *args: Any, **kwargs: Any) -> Any:
        if name.startswith(_OF_RUNS):
            self.flush()
        return getattr(self._store, name)(*args, **kwargs)

    method.__name__, method.__doc__ = name, getattr(RunStore, name).__doc__
    return method


for _name in (*RunStore.__abstractmethods__, "health"):
    if _name not in vars(_Relay):
        setattr(_Relay, _name, _left_to_the_store(_name))
abc.update_abstractmethods(cast(Any, _Relay))


def relay(key: Key, store: RunStore, link: Link) -> RunStore:
    """What is to be used in the place of a store of this process."""
    kind: Any = _Relay  # all its methods are there by now
    made: RunStore = kind(key, store, link)
    return made
