"""What subscribers are told while flows and tasks run."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from upshot import events, flow, task
from upshot.events import (
    BlobRead,
    BlobWritten,
    CacheHit,
    CacheMiss,
    Committed,
    StateEntered,
    subscribe,
)
from upshot.results import PersistedResult
from upshot.runstore import open_store
from upshot.task_runners import ConcurrentTaskRunner, ProcessPoolTaskRunner

pytestmark = pytest.mark.usefixtures("upshot_home")


@pytest.fixture
def heard() -> Iterator[list[Any]]:
    found: list[Any] = []
    with subscribe(found.append):
        yield found


def states(heard: list[Any]) -> list[tuple[str, str]]:
    return [(event.run.of, event.name) for event in heard if isinstance(event, StateEntered)]


@task
def double(x: int) -> int:
    return 2 * x


@task(persist_result=True)
def kept(x: int) -> list[int]:
    return [x]


@task(cache_key_fn=lambda context, parameters: "secret")
def cached(x: int) -> list[int]:
    return [x]


def test_each_state_is_told_with_its_run(heard: list[Any]) -> None:
    @flow(name="around", flow_run_name="today")
    def around() -> int:
        return double.with_options(tags=["a"])(21)

    state = around(return_state=True)
    assert states(heard) == [
        ("around", "Pending"),
        ("around", "Running"),
        ("double", "Pending"),
        ("double", "Running"),
        ("double", "Completed"),
        ("around", "Completed"),
    ]
    first, last = [event for event in heard if isinstance(event, StateEntered)][-2:]
    assert (first.run.kind, first.run.name, first.run.tags) == ("task run", "double-0", ("a",))
    assert (first.type, first.run.attempts) == ("COMPLETED", 1)
    assert first.run.flow_run_id == last.run.id == state.state_details.flow_run_id
    assert (last.run.kind, last.run.name, last.run.flow_run_id) == ("flow run", "today", None)
    assert last.at == pytest.approx(state.timestamp.timestamp())


def test_a_subflow_is_told_of_once(heard: list[Any]) -> None:
    subflow = flow(name="sub")(lambda: 1)

    @flow(name="around")
    def around() -> int:
        return subflow()

    around()
    assert [name for of, name in states(heard) if of == "sub"] == [
        "Pending",
        "Running",
        "Completed",
    ]
    told = [event.run for event in heard if isinstance(event, StateEntered)]
    [around_id] = {run.id for run in told if run.of == "around"}
    assert {run.flow_run_id for run in told if run.of == "sub"} == {around_id}


def test_retries_are_told(heard: list[Any]) -> None:
    @task(retries=1)
    def fails() -> None:
        raise ValueError("my password")

    assert fails(return_state=True).is_failed()
    assert [name for _, name in states(heard)] == [
        "Pending",
        "Running",
        "AwaitingRetry",
        "Retrying",
        "Failed",
    ]
    assert "password" not in repr(heard)


def test_async_and_submitted_runs_are_told(heard: list[Any]) -> None:
    @task
    async def adouble(x: int) -> int:
        return 2 * x

    @flow(task_runner=ConcurrentTaskRunner())
    async def around() -> list[int]:
        await adouble(1)
        return [await future.result() for future in await adouble.map([2, 3])]

    asyncio.run(around())
    assert states(heard).count(("adouble", "Completed")) == 3
    assert states(heard).count(("adouble", "Pending")) == 3


def test_runs_in_worker_processes_are_told_here(heard: list[Any]) -> None:
    @flow(task_runner=ProcessPoolTaskRunner(max_workers=1))
    def around() -> int:
        return double.submit(4).result()

    assert around() == 8
    assert ("double", "Completed") in states(heard)


def test_hits_and_misses_are_told_without_their_keys(heard: list[Any]) -> None:
    cached(1)
    cached(2)
    looked_up = [event for event in heard if isinstance(event, CacheHit | CacheMiss)]
    assert [type(event) for event in looked_up] == [CacheMiss, CacheHit]
    assert looked_up[0].why == "absent"  # type: ignore[union-attr]
    assert looked_up[1].run.name == "cached-0"
    assert states(heard)[-1] == ("cached", "Cached")
    assert "secret" not in repr(heard)


def test_a_miss_says_why(heard: list[Any]) -> None:
    short = cached.with_options(cache_expiration=timedelta(0))
    short(1)
    short(1)
    cached.with_options(refresh_cache=True)(1)  # does not look
    state = cached(1, return_state=True)
    assert state.name == "Cached"
    document = state.data
    assert isinstance(document, PersistedResult)
    Path(unquote(urlsplit(document.uri or "").path)).unlink()
    cached(1)
    misses = [event.why for event in heard if isinstance(event, CacheMiss)]
    assert misses == ["absent", "expired", "unreadable"]


def test_bytes_written_and_read_are_told(heard: list[Any]) -> None:
    state = kept.with_options(cache_result_in_memory=False)(1, return_state=True)
    assert state.result() == [1]
    written = [event for event in heard if isinstance(event, BlobWritten)]
    read = [event for event in heard if isinstance(event, BlobRead)]
    size = state.data.size  # type: ignore[union-attr]
    assert [event.size for event in written] == [event.size for event in read] == [size]
    assert all(event.seconds > 0 for event in [*written, *read])


def test_commits_are_told_with_their_rows(heard: list[Any]) -> None:
    kept(1)
    commits = [event for event in heard if isinstance(event, Committed)]
    assert sum(event.rows for event in commits) >= 1
    assert all(event.seconds > 0 for event in commits)


def test_a_subscriber_may_read_the_run_store() -> None:
    found: list[Any] = []

    def reads(event: events.Event) -> None:
        if isinstance(event, Committed):
            found.extend(open_store().flow_runs())

    with subscribe(reads):
        flow(name="around")(lambda: kept(1))()
        open_store().flush()
    assert {run.flow_name for run in found} == {"around"}


def test_what_a_subscriber_raises_is_logged_and_hurts_nobody(
    caplog: pytest.LogCaptureFixture, heard: list[Any]
) -> None:
    def raises(event: events.Event) -> None:
        raise ValueError("of the subscriber")

    later: list[Any] = []
    with subscribe(raises), subscribe(later.append):
        assert flow(lambda: kept(1))() == [1]
        open_store().flush()
    assert later == heard
    assert {record.name for record in caplog.records} == {"upshot.events"}
    assert all(record.levelno == logging.ERROR and record.exc_info for record in caplog.records)


def test_events_are_told_on_the_thread_where_they_happen() -> None:
    found: dict[str, set[int]] = {}

    def where(event: events.Event) -> None:
        found.setdefault(type(event).__name__, set()).add(threading.get_ident())

    with subscribe(where):
        kept(1)
    assert found["StateEntered"] == found["BlobWritten"] == {threading.get_ident()}


def test_a_closed_subscription_is_told_nothing() -> None:
    found: list[Any] = []
    subscription = subscribe(found.append)
    subscription.close()
    subscription.close()
    double(1)
    assert found == []
    assert events.listeners == []


def test_a_subscriber_may_close_its_own_subscription() -> None:
    found: list[Any] = []
    subscription = subscribe(lambda event: (found.append(event), subscription.close()))
    double(1)
    assert len(found) == 1


def test_an_async_subscriber_is_refused() -> None:
    async def awaits(event: events.Event) -> None: ...

    for nothing in (awaits, None, "f"):
        with pytest.raises(TypeError, match="a plain function of an event"):
            subscribe(nothing)  # type: ignore[arg-type]
