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
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection, Pipe
from queue import SimpleQueue
from types import FrameType
from typing import Any, NoReturn

import cloudpickle

from upshot._concurrency.attempt import TimedOut
from upshot._engine.effects import Invoke, Outcome
from upshot._engine.failures import only_users_frames, text_of
from upshot._engine.sync_driver import invoke
from upshot.documents import describe
from upshot.exceptions import FailedRun, UnserializableValue, WorkerDied
from upshot.settings import Settings, using
from upshot.task_runners._link import ASKED, BEGUN, REPLY, RETURNED, RUN, WorkersLink, replied
from upshot.task_runners._nested import NestedRuns

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
        self._asking = threading.Lock()
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
        """Have work done; blocks. The runs that it makes are recorded here.

        Raises:
            WorkerDied: if the process died over it.
            TimedOut: if its function took longer than so many seconds; the process is dead then.
        """
        nested = NestedRuns()
        with self._asking:
            try:
                self._channel.send_bytes(work)
                return self._answer(nested, timeout)
            except (EOFError, OSError):
                self.kill()
                self.let_go()
                died = WorkerDied(f"process {self._process.pid} {self._end()}")
                nested.end(died)
                raise died from None

    def _answer(self, nested: NestedRuns, timeout: float | None) -> bytes:
        due = None
        while True:
            if due is not None and not self._channel.poll(max(due - time.monotonic(), 0)):
                self._end_late(nested, TimedOut(timeout or 0))
            message = self._channel.recv_bytes()
            kind = message[:1]
            if kind == RUN:
                nested.note(message)
            elif kind == ASKED:
                self._channel.send_bytes(replied(partial(nested.write, message)))
            elif kind == BEGUN:
                due = None if timeout is None else time.monotonic() + timeout
            elif kind == RETURNED:
                due = None
            else:
                return message

    def _end_late(self, nested: NestedRuns, late: TimedOut) -> NoReturn:
        self.kill()
        self._process.wait()
        with suppress(EOFError, OSError):
            while self._channel.poll(0):  # what it had said
                message = self._channel.recv_bytes()
                if message[:1] in (RUN, ASKED):
                    nested.note(message)
        self.let_go()
        nested.end(WorkerDied(f"the run that called it {late}"))
        raise late

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
        if self._asking.acquire(timeout=END_PATIENCE):  # the runs that it had made are recorded
            self._asking.release()

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
    if hasattr(os, "register_at_fork"):  # or the end of this process would not be its end
        os.register_at_fork(after_in_child=connection.close)
    link = WorkersLink(connection.send_bytes)
    inbox: SimpleQueue[bytes | None] = SimpleQueue()
    idle = threading.Event()
    idle.set()
    threading.Thread(target=_listen, args=(connection, link, inbox, idle), daemon=True).start()
    while (work := inbox.get()) is not None:
        link.open()
        answer = _answer(work, link.say)
        del work
        link.close(answer, idle.set)


def _leave_it(number: int, frame: FrameType | None) -> None:
    """A handler, and not SIG_IGN, which processes that a function starts would inherit."""


def _listen(
    connection: Any, link: WorkersLink, inbox: SimpleQueue[bytes | None], idle: threading.Event
) -> None:
    """Take in work; when nobody is there any more to ask for it, nothing shall be left of it."""
    try:
        while True:
            work = connection.recv_bytes()
            if work[:1] == REPLY:
                link.reply(work)
                continue
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
    tell(BEGUN)
    value = call()
    tell(RETURNED)
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
