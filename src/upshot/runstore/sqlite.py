"""The run store in one SQLite file."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from copy import copy
from functools import partial
from pathlib import Path
from typing import ClassVar, TypeVar
from uuid import UUID

from upshot._listeners import events, listeners
from upshot.records import Block, CacheEntry, FlowRun, Run, TaskRun
from upshot.runstore import _listing_sqlite, _process, _query_sqlite, _rows
from upshot.runstore import _sql_sqlite as sql
from upshot.runstore._blocks_sqlite import BlocksInSQLite, only_row
from upshot.runstore._connection import Connection, Schema, Side, unavailable
from upshot.runstore._health import Health
from upshot.runstore._health_sqlite import examine
from upshot.runstore._limits_sqlite import LimitsInSQLite
from upshot.runstore._listing import Page, RunFilter
from upshot.runstore._query import RunQuery
from upshot.runstore._reader import RunReader
from upshot.runstore._rows import Row
from upshot.runstore._writer import Writer

T = TypeVar("T")


class SQLiteRunStore(LimitsInSQLite, BlocksInSQLite):
    """Runs, cached results and storages in one file that any number of processes share.

    The file is opened, and made if need be, when the store is first used; a closed store opens
    again when it is used again. One connection writes and one reads, each behind a lock; who needs
    both takes the writing one first.

    Args:
        path: the file.
        durability: `normal`: what is committed survives the death of the process; `full`: also
            that of the machine.
    """

    schema: ClassVar[Schema] = Schema()

    def __init__(self, path: Path, durability: str = "normal") -> None:
        super().__init__()
        self.path = path
        self.durability = durability
        self._writer = Writer(self.flush, self.close)
        self._writing = Side(self._open_to_write)
        self._reading = Side(self._open_to_read)
        self._file: tuple[int, int] | None = None  # the one that was written to last
        self._blocks: dict[UUID, Block] = {}  # what it has been given by this process
        _process.guard(self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.path)!r})"

    def record(self, run: Run) -> None:
        """Queue a run for the writer thread; raises what its last write met."""
        self._writer.add(run)

    @property
    def backlogged(self) -> bool:
        """Whether 10,000 runs or more are queued."""
        return self._writer.backlogged

    def queue(self, run: Run, cache: CacheEntry | None = None) -> None:
        """Queue a run and its cache entry for whoever writes next."""
        self._writer.put(run, cache)

    def commit(self, run: Run, cache: CacheEntry | None = None) -> None:
        """Write what is queued, a run and its cache entry on this thread."""
        began = time.perf_counter() if listeners else None
        with self._writing.lock:
            rows = self._write(run, cache)
        if began is not None:
            events().tell_committed(rows, began)

    def flush(self) -> None:
        """Write what is queued on this thread; of many who wait, the first writes for all."""
        began = time.perf_counter() if listeners else None
        with self._writing.lock:
            rows = self._write() if len(self._writer) else 0
        if began is not None and rows:
            events().tell_committed(rows, began)

    def cached(self, key: str) -> CacheEntry | None:
        """The newest entry under a key."""
        row = self._read(
            lambda cursor: only_row(cursor, sql.READ_CACHE_ENTRY, (_rows.key_text(key),))
        )
        return None if row is None else _rows.to_cache_entry(row)

    def strike(self, entry: CacheEntry) -> None:
        """Remove an entry unless its key has another by now."""
        self._execute(sql.STRIKE_CACHE_ENTRY, _rows.cache_row(entry)[:3])

    def flow_run(self, id: UUID) -> FlowRun | None:
        """A flow run, after what is queued was written."""
        return self._read_runs(lambda reader: reader.flow_run(sql.READ_FLOW_RUN, (id.bytes,)))

    def task_run(self, id: UUID) -> TaskRun | None:
        """A task run, after what is queued was written."""
        return self._read_runs(lambda reader: reader.task_run(sql.READ_TASK_RUN, (id.bytes,)))

    def task_runs(self, flow_run: UUID) -> list[TaskRun]:
        """The task runs of a flow run, after what is queued was written."""
        key = (flow_run.bytes,)
        return self._read_runs(lambda reader: reader.task_runs(sql.READ_TASK_RUNS, key))

    def flow_runs(self, limit: int = 200) -> list[FlowRun]:
        """The newest flow runs, after what is queued was written."""
        return self._read_runs(lambda reader: reader.flow_runs(sql.READ_FLOW_RUNS, (limit,)))

    def list_flow_runs(self, filter: RunFilter, limit: int = 200) -> Page[FlowRun]:
        """The newest flow runs that a filter leaves: a range of one index."""
        return self._read_runs(partial(_listing_sqlite.flow_runs, filter, limit))

    def list_task_runs(
        self, flow_run: UUID, *, after: UUID | None = None, limit: int = 200
    ) -> Page[TaskRun]:
        """A part of the task runs of a flow run."""
        return self._read_runs(partial(_listing_sqlite.task_runs, flow_run, after, limit))

    def find_flow_runs(self, query: RunQuery) -> list[FlowRun]:
        """The flow runs that a query asks for."""
        return self._read_runs(partial(_query_sqlite.flow_runs, query))

    def find_task_runs(self, query: RunQuery) -> list[TaskRun]:
        """The task runs that a query asks for."""
        return self._read_runs(partial(_query_sqlite.task_runs, query))

    def flow_names(self) -> list[str]:
        """The names of all flows that have runs."""
        return self._read_runs(_query_sqlite.flow_names)

    def runs_between(self, first: UUID, last: UUID, limit: int = 10) -> list[Run]:
        """The runs whose ids are in a range."""
        return self._read_runs(partial(_listing_sqlite.between, first, last, limit))

    def search_results(self, text: str, *, until: float, limit: int = 10) -> list[Run]:
        """The newest runs in whose result a text occurs."""
        return self._read_runs(partial(_listing_sqlite.search, text, until, limit))

    def health(self) -> Health:
        """What the file says of itself, read through a connection that cannot write."""
        return examine(self.path, self.schema)

    def close(self) -> None:
        """Write what is queued, close the file and end the thread, also if the first fails."""
        self._writer.stop()
        with self._writing.lock, self._reading.lock:
            try:
                if len(self._writer):
                    self._write()
            finally:
                self._writing.close()
                self._reading.close()

    def before_fork(self) -> None:
        """Write what is queued, end the thread, let go of the file, and keep other threads out."""
        self._writer.stop(_process.FORK_PATIENCE)
        both = [side.hold(_process.FORK_PATIENCE) for side in (self._writing, self._reading)]
        if not all(both):  # who holds a lock for so long keeps its file; the child forgets it
            return
        try:
            if len(self._writer):
                self._write()
        finally:
            self._writing.close()
            self._reading.close()

    def after_fork(self, *, in_child: bool) -> None:
        """Let other threads in; in the child, start anew."""
        for side in (self._writing, self._reading):
            side.start_over() if in_child else side.let_go()
        if in_child:
            self._writer.forget()
            self._forget_slots()

    def _open_to_write(self) -> Connection:
        connection = Connection(self.path, self.durability, self.schema)
        if self._writing.replaced or self._file not in (None, connection.file):
            # another file: who has saved a storage once will not do it again
            for block in list(self._blocks.values()):
                with suppress(sqlite3.IntegrityError):
                    connection.cursor.execute(sql.PUT_BLOCK, _rows.block_row(block))
        self._file, self._writing.replaced = connection.file, False
        return connection

    def _open_to_read(self) -> Connection:
        return Connection(self.path, self.durability, self.schema, reading=True)

    def _write(self, run: Run | None = None, cache: CacheEntry | None = None) -> int:
        """Write all that is queued, and these; give their number. The caller holds the lock."""
        taken: dict[int, Run] = {}
        try:
            self._writer.take(taken)
            runs = taken if run is None else taken | {id(run): run}
            entries = {id(run): run.entry for run in taken.values() if run.entry is not None}
            new = [*entries.values()] if cache is None else [*entries.values(), cache]
            numbered = self._writing.opened().runs.transact(runs.values(), new)
        except BaseException as error:
            self._writer.put_back(taken.values())
            if not isinstance(error, Exception):
                raise
            self._writing.close()
            problem = unavailable(self.path, "be written", error)
            if taken:
                self._writer.error = copy(problem)  # the other one keeps all frames above alive
            raise problem from error
        for one, number in numbered:
            one.row = number
        for written in entries:
            taken[written].entry = None
        self._writer.error = None
        return len(runs) + len(new)

    def _execute(self, statement: str, row: Row, name: str | None = None) -> int:
        """How many rows a statement has changed."""
        with self._writing.lock:
            try:
                return self._writing.opened().cursor.execute(statement, row).rowcount
            except sqlite3.IntegrityError:
                raise ValueError(f"another storage is called {name!r}") from None
            except (sqlite3.Error, OSError) as error:
                self._writing.close()
                raise unavailable(self.path, "be written", error) from error

    def _read(self, work: Callable[[sqlite3.Cursor], T]) -> T:
        with self._reading.lock:
            try:
                return work(self._reading.opened().cursor)
            except (sqlite3.Error, OSError) as error:
                self._reading.close()
                raise unavailable(self.path, "be read", error) from error

    def _read_runs(self, work: Callable[[RunReader], T]) -> T:
        """What `work` reads of one moment, after what is queued was written."""

        def read(cursor: sqlite3.Cursor) -> T:
            cursor.execute("BEGIN")
            try:
                return work(RunReader(cursor))
            finally:
                cursor.execute("ROLLBACK")

        self.flush()
        return self._read(read)
