"""Which store a process gets for its settings."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from upshot.exceptions import RunStoreUnavailable, UnknownPlugin
from upshot.runstore import open_store
from upshot.runstore.current import close_stores
from upshot.runstore.memory import MemoryRunStore
from upshot.runstore.sqlite import SQLiteRunStore
from upshot.settings import get_current_settings, temporary_settings
from upshot.testing import isolated
from upshot.testing._runs import new_flow_run


def test_settings_name_the_store_and_there_is_one_of_each() -> None:
    with isolated() as settings:
        store = open_store()

        assert isinstance(store, SQLiteRunStore)
        assert store.path == settings.home / "runs.db"
        assert open_store() is store
        assert open_store(settings) is store
        with temporary_settings({"durability": "full"}):
            other = open_store()
        assert other is not store
        assert isinstance(other, SQLiteRunStore)
        assert other.durability == "full"
        assert not settings.home.exists()


def test_a_store_in_memory_lasts_until_it_is_closed() -> None:
    with isolated(run_store="memory") as settings:
        store = open_store()
        assert isinstance(store, MemoryRunStore)
        store.record(new_flow_run())
        assert len(open_store().flow_runs()) == 1

        close_stores(settings.home)
        assert open_store().flow_runs() == []


def test_an_unknown_store_is_an_error_that_names_the_known_ones() -> None:
    with isolated(run_store="sqlit"), pytest.raises(UnknownPlugin, match="sqlite"):
        open_store()


def test_threads_that_open_a_store_at_once_get_the_same_one() -> None:
    with isolated():
        settings, barrier = get_current_settings(), threading.Barrier(8)
        found = []

        def open_at_once() -> None:
            barrier.wait()
            found.append(open_store(settings))

        threads = [threading.Thread(target=open_at_once) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert len(set(map(id, found))) == 1


def test_closing_the_stores_of_one_home_leaves_the_others_open(tmp_path: Path) -> None:
    with isolated(tmp_path / "a") as a:
        first = open_store()
        with temporary_settings({"home": tmp_path / "b"}) as b:
            second = open_store()
        close_stores(a.home)

        assert open_store(a) is not first
        assert open_store(b) is second
        close_stores(b.home)


def test_a_store_that_cannot_be_written_is_forgotten_all_the_same(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "runs.db").write_text("no database " * 100)
    with isolated(home):
        store = open_store()
        store.record(new_flow_run())
        with pytest.raises(RunStoreUnavailable):
            close_stores(home)

        assert open_store() is not store
        (home / "runs.db").unlink()
        store.close()
