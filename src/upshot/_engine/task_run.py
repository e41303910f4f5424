"""What a task run does: the cache, then attempts."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from upshot import caching
from upshot._engine.attempts import attempt, concluded_by, crash, settle
from upshot._engine.call import Call, Ports
from upshot._engine.effects import Invoke, Io, Outcome, Steps
from upshot._engine.endings import Conclusion, Ended
from upshot._engine.hooks import call_hooks
from upshot._engine.replay import reuse
from upshot._engine.upstreams import await_upstreams
from upshot._listeners import events, listeners
from upshot.documents import LiteralResult, PersistedResult, to_text
from upshot.exceptions import MissingResult, StorageError
from upshot.records import CacheEntry, StateType, TaskRun

_log = logging.getLogger("upshot.caching")


@dataclass(slots=True, eq=False, kw_only=True)
class TaskCall(Call):
    """One call of a task.

    Attributes:
        cache_key: gives the run's cache key; None for a task that is not cached.
        cache_expiration: for how long later calls may take the result; None for ever.
        refresh_cache: run even if there is an entry, and replace it.
        run_name: gives the run its name; None if it has one.
    """

    run: TaskRun
    cache_key: Callable[[], str | None] | None = None
    cache_expiration: timedelta | None = None
    refresh_cache: bool = False
    run_name: Callable[[], str] | None = None


def run_task(call: TaskCall, ports: Ports) -> Steps[Ended]:
    """Take the result from the cache if it is there, else run the task; then record the run."""
    try:
        if call.place is not None and (end := (yield from reuse(call, ports))) is not None:
            return end
        end = yield from _run(call, ports)
        if call.hooks is not None and not end.interrupted_for_good:
            yield from call_hooks(call.hooks, call.run, end.state)
        return end
    except BaseException as error:
        crash(call.run, error, ports)
        if call.slots is not None:
            call.slots.free(ports.store)
        raise


def _run(call: TaskCall, ports: Ports) -> Steps[Ended]:
    run = call.run
    if run.state_name != "Pending":  # one that was submitted has been pending since then
        run.enter(StateType.PENDING, "Pending", ports.now())
    if call.upstreams is not None:
        end = yield from await_upstreams(call, call.upstreams, ports)
        if end is not None:
            return end
    if call.run_name is not None:
        named: Outcome = yield Invoke(call.run_name, str, False, False)
        if named.error is not None:
            return (yield from settle(call, concluded_by(named.error, run), ports))
        run.name = named.kept
    if call.cache_key is not None:
        outcome: Outcome = yield Invoke(call.cache_key, caching.checked_key, False, False)
        if outcome.error is not None:
            return (yield from settle(call, concluded_by(outcome.error, run), ports))
        run.cache_key = outcome.kept
        if run.cache_key is not None and not call.refresh_cache:
            hit = yield from _look_up(run.cache_key, call, ports)
            if hit is not None:
                return hit
    conclusion = yield from attempt(call, ports)
    end = yield from settle(call, conclusion, ports, _entry(call, conclusion, ports))
    if call.slots is not None and call.slots.may_hold:
        yield Io(partial(call.slots.free, ports.store))
    return end


def _look_up(key: str, call: TaskCall, ports: Ports) -> Steps[Ended | None]:
    """The run's end, if the cache has its result: the entry is fresh and the blob is whole."""
    entry: CacheEntry | None = yield Io(partial(ports.store.cached, key))
    if entry is None or not entry.is_fresh(ports.now()):
        _missed(call.run, "absent" if entry is None else "expired")
        return None
    try:
        document = caching.document_of(entry)
        yield Io(partial(caching.look_for, document, read=call.wants_value))
    except MissingResult as problem:
        _log.warning("the cache has no result for %r, so it runs: %s", call.run.name, problem)
        yield Io(partial(ports.store.strike, entry))
        _missed(call.run, "unreadable")
        return None
    except StorageError as error:  # it refuses: nobody knows whether the result is there
        return (yield from settle(call, concluded_by(error, call.run), ports))
    if listeners:
        events().tell_hit(call.run)
    call.persists = False  # nothing was written, so nothing has to be committed at once
    hit = Conclusion(StateType.COMPLETED, "Cached", None, document)
    end = yield from settle(call, hit, ports)
    end.cache_expiration = entry.expires
    return end


def _missed(run: TaskRun, why: str) -> None:
    if listeners:
        events().tell_miss(run, why)


def _entry(call: TaskCall, conclusion: Conclusion, ports: Ports) -> CacheEntry | None:
    run, document = call.run, conclusion.data
    if run.cache_key is None or conclusion.type is not StateType.COMPLETED:
        return None
    if not isinstance(document, LiteralResult | PersistedResult):
        return None
    now = ports.now()
    lifetime = call.cache_expiration
    return CacheEntry(
        key=run.cache_key,
        document=to_text(document),
        created=now,
        expires=None if lifetime is None else now + lifetime.total_seconds(),
        task_run=run.uid,
    )
