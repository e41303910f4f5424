"""A worker process: how one is started and asked, and what goes on in it.

Not `concurrent.futures` or loky: there, the death of one worker breaks off what all the others do,
and each call goes through two more threads.
"""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection, Pipe
from queue import SimpleQueue
from types import FrameType
from typing import Any

import cloudpickle

from upshot._concurrency.attempt import TimedOut
from upshot._engine.effects import Invoke, Outcome
from upshot._engine.failures import only_users_frames, text_of
from upshot._engine.sync_driver import invoke
from upshot.documents import describe
from upshot.exceptions import FailedRun, UnserializableValue, WorkerDied
from upshot.settings import Settings, using

# messages of a worker before its answer, which is never so short
_BEGUN, _RETURNED = b"begun", b"returned"
END_PATIENCE = 2.0  # seconds that an idle worker has to end by itself
_WINDOWS = sys.platform == "win32"
_CODE = """
import json, sys
channel, given = int(sys.argv[1]), json.loads(sys.argv[2])
sys.path[:], sys.argv[:] = given
from upshot.task_runners._worker import serve
serve(channel)
"""


class Worker:
    """A process that does one piece of work after another, for one thread at a time."""

    def __init__(self) -> None:
        self._channel, theirs = Pipe()
        with theirs:
            handle = theirs.fileno()
            if _WINDOWS:
                os.set_handle_inheritable(handle, True)  # type: ignore[attr-defined,unused-ignore]
            self._process = subprocess.Popen(
                [sys.executable, "-c", _CODE, str(handle), json.dumps([sys.path, sys.argv])],
                stdin=subprocess.DEVNULL,
                close_fds=not _WINDOWS,
                pass_fds=() if _WINDOWS else (handle,),
            )

    def ask(self, work: bytes, timeout: float | None = None) -> bytes:
        """Have work done; blocks.

        Raises:
            WorkerDied: if the process died over it.
            TimedOut: if its function took longer than so many seconds; the process is dead then.
        """
        try:
            self._channel.send_bytes(work)
            answer = self._channel.recv_bytes()
            if answer == _BEGUN:
                if not self._channel.poll(timeout):
                    self.kill()
                    self.let_go()
                    self._process.wait()
                    raise TimedOut(timeout or 0)
                answer = self._channel.recv_bytes()
            return self._channel.recv_bytes() if answer == _RETURNED else answer
        except (EOFError, OSError):
            self.kill()
            self.let_go()
            raise WorkerDied(f"process {self._process.pid} {self._end()}") from None

    def let_go(self) -> None:
        """Have it end, if it has nothing to do; returns at once."""
        self._channel.close()

    def kill(self) -> None:
        """End it, whatever it does."""
        self._process.kill()

    def wait(self) -> None:
        """Wait for its end, and bring that about if it does not come."""
        try:
            self._process.wait(END_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _end(self) -> str:
        code = self._process.wait()
        if code >= 0:
            return f"ended with exit code {code}"
        with suppress(ValueError):
            return f"was ended by {signal.Signals(-code).name}"
        return f"was ended by signal {-code}"


def serve(channel: int) -> None:
    """In the worker: answer each piece of work, until the other end of the channel is closed."""
    # Ctrl-C reaches all processes of a terminal; what it means is the first one's to decide
    signal.signal(signal.SIGINT, _leave_it)
    if _WINDOWS:
        from multiprocessing.connection import PipeConnection  # type: ignore[attr-defined,unused-ignore]  # noqa: PLC0415

        connection: Any = PipeConnection(channel)
    else:
        connection = Connection(channel)
    inbox: SimpleQueue[bytes | None] = SimpleQueue()
    idle = threading.Event()
    idle.set()
    threading.Thread(target=_listen, args=(connection, inbox, idle), daemon=True).start()
    while (work := inbox.get()) is not None:
        answer = _answer(work, connection.send_bytes)
        del work
        idle.set()
        with suppress(OSError):  # nobody wants it: the end comes next
            connection.send_bytes(answer)


def _leave_it(number: int, frame: FrameType | None) -> None:
    """A handler, and not SIG_IGN, which processes that a function starts would inherit."""


def _listen(connection: Any, inbox: SimpleQueue[bytes | None], idle: threading.Event) -> None:
    """Take in work; when nobody is there any more to ask for it, nothing shall be left of it."""
    try:
        while True:
            work = connection.recv_bytes()
            idle.clear()
            inbox.put(work)
            del work
    except (EOFError, OSError):
        if not idle.is_set():
            os._exit(1)
        inbox.put(None)


_settings: dict[bytes, Settings] = {}


def _answer(work: bytes, tell: Callable[[bytes], object]) -> bytes:
    """Call a function and keep its value; the outcome, pickled."""
    try:
        text, body = pickle.loads(work)
        if text not in _settings:
            _settings.clear()
            _settings[text] = pickle.loads(text)
        with using(_settings[text]):
            call, keep, timed = pickle.loads(body)
            call = partial(_told, call, tell) if timed else call
            outcome = invoke(Invoke(call, keep, awaits=False, keep_blocks=True))
    except BaseException as error:
        outcome = Outcome(error=error, returned=False)
    return _pickled(outcome)


def _told(call: Callable[[], Any], tell: Callable[[bytes], object]) -> Any:
    """Call a function, and tell when it begins and returns: only that time is limited."""
    tell(_BEGUN)
    value = call()
    tell(_RETURNED)
    return value


def _pickled(outcome: Outcome) -> bytes:
    error = outcome.error
    if error is not None:
        return _pickled_error(error, outcome.returned)
    try:
        answer: bytes = cloudpickle.dumps(outcome, protocol=5)
    except Exception as problem:
        text = f"it cannot be sent back from a worker process: {text_of(problem)}"
        refused = UnserializableValue("cloudpickle", "value", text)
        return pickle.dumps(Outcome(error=refused, returned=True))
    return answer


def _pickled_error(error: BaseException, returned: bool) -> bytes:
    # frames do not travel, so what they said goes along as text
    only_users_frames(error)
    note = f"In worker process {os.getpid()}:\n{describe(error).traceback}"
    with suppress(Exception):
        error.add_note(note)
    try:
        answer: bytes = cloudpickle.dumps(Outcome(error=error, returned=returned), protocol=5)
        pickle.loads(answer)  # some exceptions can be pickled and not be made again
    except Exception:
        stand_in = FailedRun(text_of(error))
        for text in getattr(error, "__notes__", [note]):
            stand_in.add_note(str(text))
        return pickle.dumps(Outcome(error=stand_in, returned=returned))
    return answer
