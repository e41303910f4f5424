"""Counts what calls cost: rows, commits, hops between threads, threads."""

from __future__ import annotations

import platform
import sqlite3
import sys
import threading
import tomllib
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest

from upshot._concurrency import hands
from upshot._engine import lanes
from upshot.runstore import _writer

Limits = dict[str, dict[str, Any]]

COUNTED_ON = ("CPython", (3, 11), "x86_64")
HERE = (platform.python_implementation(), sys.version_info[:2], platform.machine())

# for what is counted below Python
counted_on_this_python = pytest.mark.skipif(
    HERE != COUNTED_ON, reason="platform: the limits were counted on CPython 3.11, x86_64"
)


@pytest.fixture(scope="session")
def limits() -> Limits:
    return tomllib.loads(Path(__file__).with_name("limits.toml").read_text("utf-8"))


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch, upshot_home: Path) -> Counter[str]:
    """What has happened since, by kind; the writer's batches end with flows and not with time."""
    count: Counter[str] = Counter()
    connect, start = sqlite3.connect, threading.Thread.start
    hop, do = anyio.to_thread.run_sync, hands.do

    def traced(connection: sqlite3.Connection, statement: str) -> None:
        word = statement.split(None, 1)[0].upper()
        writes = word in ("INSERT", "UPDATE", "DELETE")
        if writes and "_run" in statement:
            count["rows"] += 1 + statement.count("), (")  # one statement may insert many
        # what is written outside of a transaction is one by itself
        count["commits"] += word == "COMMIT" or (writes and not connection.in_transaction)

    def watched_connect(*args: Any, **kwargs: Any) -> sqlite3.Connection:
        connection = connect(*args, **kwargs)
        connection.set_trace_callback(partial(traced, connection))
        return connection

    async def watched_hop(*args: Any, **kwargs: Any) -> Any:
        count["hops"] += 1
        return await hop(*args, **kwargs)

    def watched_do(*args: Any) -> None:
        count["hops"] += 1
        do(*args)

    def watched_start(self: threading.Thread) -> None:
        count["threads"] += 1
        start(self)

    monkeypatch.setattr(_writer, "BATCH_SECONDS", 3600)
    monkeypatch.setattr(lanes, "PATIENCE", 3600)
    monkeypatch.setattr(sqlite3, "connect", watched_connect)
    monkeypatch.setattr(anyio.to_thread, "run_sync", watched_hop)
    monkeypatch.setattr(hands, "do", watched_do)
    monkeypatch.setattr(threading.Thread, "start", watched_start)
    return count
