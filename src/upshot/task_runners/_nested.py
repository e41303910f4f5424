"""The runs that are made in a worker process, as the one that started it records them."""

from __future__ import annotations

import pickle
import time
from contextlib import suppress

from upshot._engine.attempts import concluded_by
from upshot._engine.endings import recorded
from upshot.exceptions import RunStoreError, WorkerDied
from upshot.runstore._received import Received


class NestedRuns:
    """The runs that one piece of work makes: all their rows are written here.

    So a run that had begun has a row, and one that had not ended is ended, whenever and however its
    process dies; and nothing is half written.
    """

    def __init__(self) -> None:
        self._received = Received()

    def note(self, message: bytes) -> None:
        """Record a run soon."""
        # it stays queued, and an error is told where the worker asks for it to be written
        with suppress(RunStoreError):
            self.write(message)

    def write(self, message: bytes) -> None:
        """Record a run now, or all that were noted.

        Raises:
            RunStoreError: if they cannot be.
        """
        self._received.take(pickle.loads(message[1:]))

    def end(self, died: WorkerDied) -> None:
        """Have all runs crashed that go on: their process is gone."""
        for store, run in self._received.unfinished():
            conclusion = concluded_by(died, run)
            run.result, run.failure = recorded(conclusion.data)
            run.enter(conclusion.type, conclusion.name, time.time(), conclusion.message)
            with suppress(RunStoreError):  # it is tried again, and told to the run that called it
                store.record(run)
