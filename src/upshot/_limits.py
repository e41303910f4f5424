"""Slots of tags that have limits: who has some, and who waits for one in this process.

Who waits is woken when a run of this process gives back a slot. What other processes do nobody
tells: a store is a file, and SQLite gives no notice of its changes, nor does the system of the
death of a process that is no child. So while another process has a slot that is waited for, one
thread has those that wait look again, less and less often. Where this process has them all, it does
so very seldom: only the limit can be changed, or be reset, from outside.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from contextvars import ContextVar

from upshot._bridge import loop_runs_here
from upshot._concurrency.waiting import Completion, run_here
from upshot.records import Run
from upshot.runstore import Limit, RunStore

# seconds after which those look again that wait for slots which other processes have
SOONEST, LATEST = 0.02, 0.5
SELDOM = 5.0  # and those that wait for slots of this process

# the tags of the task runs that go on around: these have the slots for runs that they call
covered: ContextVar[frozenset[str]] = ContextVar("upshot_covered_tags", default=frozenset())

_Key = tuple[int, str]  # a store and a tag


class Slots:
    """What a run needs to enter `Running`: a slot of each of its tags that has a limit.

    Args:
        run: its record.
        tags: its tags, but for those that runs around it have.
        thread: whose loop its function goes on in, if it was not submitted.

    Attributes:
        may_hold: whether there is something to give back.
    """

    def __init__(self, run: Run, tags: Iterable[str], thread: int | None = None) -> None:
        self._run, self._tags, self._thread = run, tuple(tags), thread
        self.may_hold = False
        self._held: list[_Key] = []
        self._place: tuple[_Key, Completion] | None = None

    @property
    def turn(self) -> Completion:
        """Ends when there may be a slot of the limit that was in the way."""
        assert self._place is not None
        return self._place[1]

    def take(self, store: RunStore) -> Limit | None:
        """Take all slots, or none; gives the limit that is in the way.

        Raises:
            RunStoreUnavailable: if the store cannot be read or written.
        """
        while True:
            self.may_hold = True  # before: an interrupt may come when they are taken
            taken = store.take_slots(self._run.id, self._tags)
            full, place = taken.full, self._place
            if full is None or full.most == 0:
                self._hold([(id(store), tag) for tag in taken.tags])
                self.may_hold = bool(taken.tags)
                if self._leave():  # there may be slots for others
                    _wake((id(store), tag) for tag in self._tags)
                return full
            key = (id(store), full.tag)
            stood_there = place is not None and place[0] == key
            if stood_there and not self.turn.done():
                _note_others(key, full)
                return full
            if self._leave() and place is not None and not stood_there:
                _wake([place[0]])
            self._place = key, _line_up(key, full, first=stood_there)
            # and look again: a slot may have been given back before this run stood in line

    def free(self, store: RunStore) -> None:
        """Give back what was taken, and wait no longer."""
        place = self._place
        if self._leave() and place is not None:
            _wake([place[0]])
        if self.may_hold:
            store.free_slots(self._run.id)
            self.may_hold = False
            held, self._held = self._held, []
            _give_back(held, self._run.uid)

    def _hold(self, keys: list[_Key]) -> None:
        if not keys:
            return
        here = run_here()
        hold = Completion(
            self._run.name,
            after=() if here is None else [here],
            loop_thread=self._thread if here is None else None,
        )
        with _lock:
            for key in keys:
                _holders.setdefault(key, {})[self._run.uid] = hold
        self._held = keys

    def _leave(self) -> bool:
        """Stand in line no longer; whether this run was told that there may be a slot."""
        if self._place is None:
            return False
        (key, turn), self._place = self._place, None
        if turn.done():
            return True
        with _lock:
            line = _lines.get(key, deque())
            stood = turn in line
            if stood:
                line.remove(turn)
                if not line:
                    del _lines[key]
        return not stood


def slots_of(run: Run, *, awaits: bool) -> tuple[Slots | None, frozenset[str]]:
    """What a run that is made here needs, and the tags for which runs that it calls need nothing.

    Args:
        run: its record.
        awaits: whether its function is async.
    """
    around = covered.get()
    tags = [tag for tag in run.tags if tag not in around]
    if not tags:
        return None, around
    thread = threading.get_ident() if awaits and loop_runs_here() else None
    return Slots(run, tags, thread), around.union(tags)


_lock = threading.Lock()
_lines: dict[_Key, deque[Completion]] = {}
_holders: dict[_Key, dict[bytes, Completion]] = {}  # the runs of this process that have slots
# what other processes had some of when somebody looked, and whether that was since the last time
# that those that wait were woken for it
_of_others: dict[_Key, bool] = {}
_watches = False
_hurry = threading.Event()


def _line_up(key: _Key, full: Limit, *, first: bool) -> Completion:
    """What ends when there may be a slot.

    If all slots are this process's, one of their runs must end before it: so a wait that keeps
    them from ending is refused.
    """
    global _watches
    with _lock:
        holders = list(_holders.get(key, {}).values())
    here = threading.get_ident()
    after: Sequence[Completion] = ()
    if not _note_others(key, full):
        after = [one for one in holders if not one.needs_loop_of(here)][:1] or holders[:1]
    turn = Completion(f"a slot of the tag {key[1]!r}", after)
    with _lock:
        line = _lines.setdefault(key, deque())
        line.appendleft(turn) if first else line.append(turn)
        if not _watches:
            _watches = True
            threading.Thread(target=_watch, name="upshot-slots", daemon=True).start()
    return turn


def _note_others(key: _Key, full: Limit) -> bool:
    """Whether other processes have slots; then those that wait are to look again soon."""
    with _lock:
        held = _holders.get(key, {})
        if all(run.bytes in held for run in full.runs):
            return False
        if key not in _of_others:
            _hurry.set()
        _of_others[key] = True
        return True


def _give_back(keys: Iterable[_Key], uid: bytes) -> None:
    keys = list(keys)
    with _lock:
        holds = {_drop(key, uid) for key in keys}
    for hold in holds:
        if hold is not None:
            hold.set_result(None)
    _wake(keys)


def _drop(key: _Key, uid: bytes) -> Completion | None:
    holders = _holders.get(key, {})
    hold = holders.pop(uid, None)
    if not holders:
        _holders.pop(key, None)
    return hold


def wake(store: RunStore, tag: str) -> None:
    """Have those that wait for a tag look again: its limit is another one now."""
    _wake([(id(store), tag)])


def _wake(keys: Iterable[_Key]) -> None:
    """Have the first in each of these lines look again; if it gets a slot, so does the next."""
    turns = []
    with _lock:
        for key in keys:
            line = _lines.get(key)
            if line:
                turns.append(line.popleft())
                if not line:
                    del _lines[key]
    for turn in turns:
        with suppress(Exception):  # nobody waits for it any more
            turn.set_result(None)


def _watch() -> None:
    global _watches
    pause, all_look = SOONEST, time.monotonic() + SELDOM
    while True:
        hurried = _hurry.wait(pause if _of_others else SELDOM)
        with _lock:
            if hurried:
                _hurry.clear()
                pause = SOONEST
                continue
            for key, seen in list(_of_others.items()):
                if seen and key in _lines:
                    _of_others[key] = False
                else:
                    del _of_others[key]
            if not _lines:
                _watches = False
                return
            keys = list(_of_others)
            if (now := time.monotonic()) >= all_look:
                keys, all_look = list(_lines), now + SELDOM
        pause = min(2 * pause, LATEST)
        _wake(keys)


def _start_over() -> None:
    """In a forked child nobody waits, and nobody has a slot."""
    global _lock, _watches, _hurry
    _lock, _watches, _hurry = threading.Lock(), False, threading.Event()
    _lines.clear()
    _of_others.clear()
    _holders.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_over)
