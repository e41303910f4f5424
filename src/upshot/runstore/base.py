"""What a run store does; `upshot.testing.RunStoreContract` states it as tests."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, Self
from uuid import UUID

from upshot.records import Block, CacheEntry, FlowRun, Run, TaskRun
from upshot.runstore._health import Health
from upshot.runstore._limits import KeepsLimits

if TYPE_CHECKING:
    from upshot.runstore._listing import Page, RunFilter
    from upshot.runstore._query import RunQuery


class RunStore(KeepsLimits):
    """Where runs, cached results, storages and limits are recorded. Safe to share among threads.

    Attributes:
        shared: whether other processes see what is recorded.
    """

    shared: ClassVar[bool] = True

    @abstractmethod
    def record(self, run: Run) -> None:
        """Queue a run's record to be written soon, as it stands then; touches no disk.

        Queuing again what is queued already costs nothing; after each change, queue it again.
        A run's parents must be queued before it: one that the store does not know is left out.

        Raises:
            RunStoreUnavailable: if what was queued earlier could not be written. It is kept to be
                tried again, and `run` is queued as well, unless the store is `backlogged`.
        """

    @property
    @abstractmethod
    def backlogged(self) -> bool:
        """Whether so much is queued that the caller should `flush` before it records more."""

    @abstractmethod
    def queue(self, run: Run, cache: CacheEntry | None = None) -> None:
        """Queue a run's record and its cache entry for the `flush` that follows; touches no disk.

        The two are written in one transaction. Who flushes for many such runs commits once.
        """

    @abstractmethod
    def commit(self, run: Run, cache: CacheEntry | None = None) -> None:
        """Write what is queued, then `run` and its cache entry, in one transaction; then return.

        The newest entry of a key replaces the one before it.

        Raises:
            RunStoreUnavailable: if it cannot be written; nothing of it is then, and what was
                queued stays so.
        """

    @abstractmethod
    def flush(self) -> None:
        """Write what is queued, and return when it is there.

        Raises:
            RunStoreUnavailable: if it cannot be written; it stays queued.
        """

    @abstractmethod
    def cached(self, key: str) -> CacheEntry | None:
        """The newest entry under a cache key, fresh or not."""

    @abstractmethod
    def strike(self, entry: CacheEntry) -> None:
        """Remove a cache entry, unless its key has a newer one by now."""

    @abstractmethod
    def save_block(self, block: Block) -> None:
        """Keep a storage's description; one with the same id is left as it is.

        Raises:
            ValueError: if another storage has its name.
        """

    @abstractmethod
    def change_block(self, block: Block, changed: Block) -> bool:
        """Put `changed` in the place of a storage's description; False if that is not there (any
        more) as it is told here.

        Raises:
            ValueError: if another storage has its name.
        """

    @abstractmethod
    def drop_block(self, block: Block) -> bool:
        """Forget a storage's description; False if it is not there as it is told here."""

    @abstractmethod
    def block(self, id: UUID) -> Block | None:
        """The storage with this id."""

    @abstractmethod
    def blocks(self) -> list[Block]:
        """All storages, in the order in which they came."""

    @abstractmethod
    def flow_run(self, id: UUID) -> FlowRun | None:
        """A flow run as it is recorded now, what is queued included."""

    @abstractmethod
    def task_run(self, id: UUID) -> TaskRun | None:
        """A task run as it is recorded now, what is queued included."""

    @abstractmethod
    def task_runs(self, flow_run: UUID) -> list[TaskRun]:
        """The task runs of a flow run, in the order in which they were first recorded."""

    @abstractmethod
    def flow_runs(self, limit: int = 200) -> list[FlowRun]:
        """The newest flow runs, newest first."""

    @abstractmethod
    def list_flow_runs(self, filter: RunFilter, limit: int = 200) -> Page[FlowRun]:
        """The newest flow runs that a filter leaves, newest first.

        What it costs does not grow with the number of runs that are in the store. Runs that were
        made in the same millisecond come in any order, which is always the same.
        """

    @abstractmethod
    def list_task_runs(
        self, flow_run: UUID, *, after: UUID | None = None, limit: int = 200
    ) -> Page[TaskRun]:
        """The task runs of a flow run as `task_runs` gives them, from behind `after` on."""

    @abstractmethod
    def find_flow_runs(self, query: RunQuery) -> list[FlowRun]:
        """The flow runs that a query asks for."""

    @abstractmethod
    def find_task_runs(self, query: RunQuery) -> list[TaskRun]:
        """The task runs that a query asks for."""

    @abstractmethod
    def flow_names(self) -> list[str]:
        """The names of all flows that have runs, sorted."""

    @abstractmethod
    def runs_between(self, first: UUID, last: UUID, limit: int = 10) -> list[Run]:
        """Flow runs, then task runs, whose ids are in a range, which includes both its ends."""

    @abstractmethod
    def search_results(self, text: str, *, until: float, limit: int = 10) -> list[Run]:
        """The newest runs in whose result, as JSON, a text occurs; newest first.

        Looks at one run after the other, from the last one that was made at `until` backwards.
        """

    def health(self) -> Health:
        """What can be said of the store without making, changing or migrating it."""
        return Health()

    @abstractmethod
    def close(self) -> None:
        """Write what is queued and let go of every file and thread.

        Closing twice is allowed; a store that is used after it was closed opens again.

        Raises:
            RunStoreUnavailable: if what is queued cannot be written; it is closed all the same.
        """

    def before_fork(self) -> None:
        """Called before this process forks: write what is queued, let go of what cannot be shared.

        What is still queued belongs to the parent. By default this is `close`.

        Raises:
            RunStoreUnavailable: if what is queued cannot be written; the fork happens all the same.
        """
        self.close()

    def after_fork(self, *, in_child: bool) -> None:
        """Called after a fork, in both processes: take up again what `before_fork` let go of."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()
