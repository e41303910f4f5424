"""What worker processes and who started them say to each other, and the workers' end of that."""

from __future__ import annotations

import os
import pickle
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, TypeAlias

from upshot.runstore._relay import Sent
from upshot.runstore.current import flush_relayed, relay_runs

# What a worker says before its answer, which is a pickle as a whole: that its function begins and
# has returned; a run that it has made; and one that is to be written before there is a reply.
BEGUN, RETURNED, RUN, ASKED = b"B", b"E", b"R", b"A"
# how a reply begins, and not any work; an error of the run store may follow
REPLY = b"r"

_Outbox: TypeAlias = "SimpleQueue[tuple[bytes, SimpleQueue[bytes]]]"


class WorkersLink:
    """A worker's way to say something while it has work to do.

    A thread of its own sends: in the one that works, a signal's exception may come at any moment,
    and half a message must not be all of it.

    Args:
        send: sends a message.
    """

    def __init__(self, send: Callable[[bytes], object]) -> None:
        self._send = send
        self._outbox: _Outbox = SimpleQueue()
        self._unanswered: deque[SimpleQueue[bytes]] = deque()
        self._lock = threading.Lock()
        self._open = False
        self._unsent = 0
        threading.Thread(target=self._send_all, name="upshot-link", daemon=True).start()
        relay_runs(self)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forget)

    def open(self) -> None:
        """From now on there is somebody who listens."""
        with self._lock:
            self._open = True

    def close(self, answer: bytes, before: Callable[[], object]) -> None:
        """Say what came of the work, after which nobody listens to more.

        Args:
            answer: what to say.
            before: called when all is ready to be said.
        """
        with suppress(Exception):  # who works for the flow meets it when the flow's end is recorded
            flush_relayed()
        sent: SimpleQueue[bytes] = SimpleQueue()
        with self._lock:
            self._open = False
            before()
            if not self._unsent:  # and nothing comes after it
                with suppress(OSError):
                    self._send(answer)
                return
            self._put(answer, sent)
        sent.get()

    def say(self, message: bytes) -> bool:
        """Send a message; False if nobody listens."""
        sent: SimpleQueue[bytes] = SimpleQueue()
        with self._lock:
            if not self._open:
                return False
            self._put(message, sent)
        # who dies now has said it, for it waits with the system to be read
        return not (reply := sent.get()) or _raised(reply)

    def tell(self, sent: Sent) -> bool:
        """Have a run recorded."""
        return self._open and self.say(RUN + pickle.dumps(sent, protocol=5))

    def ask(self, sent: Sent) -> bool:
        """Have a run written, or all that were told, and wait for that."""
        return self._open and self.say(ASKED + pickle.dumps(sent, protocol=5))

    def reply(self, message: bytes) -> None:
        """Hand on what was replied to the first of those that ask."""
        self._unanswered.popleft().put(message)

    def _put(self, message: bytes, sent: SimpleQueue[bytes]) -> None:
        self._unsent += 1
        self._outbox.put((message, sent))

    def _send_all(self) -> None:
        while True:
            message, sent = self._outbox.get()
            if message.startswith(ASKED):
                self._unanswered.append(sent)
            with suppress(OSError):  # nobody is there any more: the end of this process comes next
                self._send(message)
            with self._lock:
                self._unsent -= 1
            if not message.startswith(ASKED):
                sent.put(b"")
            del message, sent

    def _forget(self) -> None:
        """In a forked child: who listens does so to the parent."""
        self._lock, self._open = threading.Lock(), False


def _raised(reply: bytes) -> bool:
    error: Any = pickle.loads(reply[1:]) if len(reply) > 1 else None
    if error is not None:
        raise error
    return True


def replied(take: Callable[[], object]) -> bytes:
    """Do what was asked for; the reply to it."""
    try:
        take()
    except Exception as error:
        return REPLY + pickle.dumps(error)
    return REPLY
