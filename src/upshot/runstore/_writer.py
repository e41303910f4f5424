"""The queue of records that wait to be written, and the thread that writes them in batches."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from copy import copy

from upshot.exceptions import RunStoreError
from upshot.records import CacheEntry, Run
from upshot.runstore import _process

BATCH_ROWS = 1_000
BATCH_SECONDS = 0.1
MOST_QUEUED = 10_000
RETRY_SECONDS = 1.0


class Writer:
    """Queues runs and has them written soon: after 0.1 s or at 1,000 rows, whichever is first.

    `write` must take what is queued and write it, or put it back and raise. What it raises is
    remembered until a write works, and raised to whoever queues more. `close` does the same, and
    stands in for the thread when the interpreter ends.
    """

    def __init__(self, write: Callable[[], None], close: Callable[[], None]) -> None:
        self._write = write
        self._close = close
        self._queue: deque[Run] = deque()
        self._start_over()

    def _start_over(self) -> None:
        self.error: RunStoreError | None = None
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._stopping = False
        self._wake = threading.Event()
        self._full = threading.Event()

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def backlogged(self) -> bool:
        """Whether more is queued than should be."""
        return len(self._queue) >= MOST_QUEUED

    def add(self, run: Run) -> None:
        """Queue a run unless it is queued already.

        Raises:
            RunStoreError: if the last write failed. The run is queued all the same, unless too
                many are, and writing is tried again.
        """
        error = self.error
        if not run.queued and not (error and self.backlogged):
            run.queued = True
            self._queue.append(run)
            if len(self._queue) >= BATCH_ROWS and not self._full.is_set():
                self._full.set()
            if not self._wake.is_set():
                self._awaken()
        if error is not None:
            self._awaken()
            raise copy(error)

    def put(self, run: Run, cache: CacheEntry | None) -> None:
        """Queue a run and its cache entry for who writes next; nobody is woken for it."""
        if cache is not None:
            run.entry = cache  # first: it is taken with the run
        if not run.queued:
            run.queued = True
            self._queue.append(run)

    def take(self, taken: dict[int, Run]) -> None:
        """Move all queued runs to `taken`, by their `id()`; one taker at a time.

        A change of a run from now on is for the next batch. A signal's exception in the middle
        loses none: each is in either place.
        """
        queue = self._queue
        while queue:
            run = queue[0]
            taken[id(run)] = run
            run.queued = False
            queue.popleft()

    def put_back(self, runs: Iterable[Run]) -> None:
        """Queue again what could not be written."""
        for run in runs:
            if not run.queued:
                run.queued = True
                self._queue.append(run)

    def stop(self, patience: float | None = None) -> None:
        """End the thread, after its present batch; what is queued stays so. `add` starts another.

        Must not be called with a lock that writing takes. A thread that needs longer than
        `patience` seconds for its batch goes on.
        """
        with self._starting:
            thread = self._thread
            if thread is None or thread is threading.current_thread():
                return
            self._stopping = True
            self._wake.set()
            self._full.set()
            thread.join(patience)
            self._stopping = False
            if not thread.is_alive():
                self._thread = None
                self._full.clear()
                self._wake.clear()

    def forget(self) -> None:
        """In a forked child: the queue is the parent's to write, and its thread is not here."""
        self.take({})
        self._start_over()

    def _awaken(self) -> None:
        if _process.ending():
            self._attempt(self._close)
            return
        self._wake.set()
        if self._thread is None or not self._thread.is_alive():
            with self._starting:
                if self._thread is None or not self._thread.is_alive():
                    self._start()

    def _start(self) -> None:
        thread = threading.Thread(target=self._run, name="upshot-run-store", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the system has no thread left
            self._wake.clear()
            self._attempt(self._write)
        else:
            self._thread = thread

    def _run(self) -> None:
        while True:
            # what could not be written is tried again, so that nobody meets an error that is over
            self._wake.wait(None if self.error is None else RETRY_SECONDS)
            if not self._stopping:
                self._full.wait(BATCH_SECONDS)
            self._wake.clear()  # before the batch is taken: who queues during it wakes us again
            self._full.clear()
            if self._stopping:
                return
            self._attempt(self._write)

    def _attempt(self, write: Callable[[], None]) -> None:
        try:
            write()
        except RunStoreError as error:
            self.error = copy(error)  # without its traceback, which keeps frames alive
        else:
            self.error = None
