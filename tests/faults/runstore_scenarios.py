"""What the children of the run store's fault tests do; see `harness`."""

from __future__ import annotations

import os
import threading
import warnings
from pathlib import Path

import upshot.runstore.migrations  # noqa: F401  a child must not spend its lines on importing
from upshot.records import CacheEntry
from upshot.runstore._connection import Schema
from upshot.runstore.sqlite import SQLiteRunStore
from upshot.testing._runs import complete, new_flow_run, new_task_run

REVISIONS = Path(__file__).with_name("runstore_revisions")


class LaterRunStore(SQLiteRunStore):
    """What a later upshot might have: a further revision, which changes all tables' rows."""

    schema = Schema("0002", (REVISIONS,))


def store_in(folder, kind=SQLiteRunStore):
    return kind(folder / "home" / "runs.db")


def commits(folder, tell):
    """Tell of each commit that returned, and of what was flushed."""
    store = store_in(folder)
    flow_run = new_flow_run()
    first, last = new_task_run(flow_run), new_task_run(flow_run, 1)
    store.record(flow_run)
    store.record(first)
    complete(first)
    store.commit(first, CacheEntry(key=first.name, document=first.uid.hex(), created=1.0))
    tell(f"{first.uid.hex()} {first.name}")
    complete(last)
    store.record(first)
    store.record(last)
    store.flush()
    tell(last.uid.hex())
    store.close()


def commits_without_end(folder, tell):
    """Like `commits`, on a store that is there, until it is killed."""
    store = store_in(folder)
    flow_run = new_flow_run()
    index = 0
    while True:
        index += 1
        run = new_task_run(flow_run, index)
        store.record(flow_run)
        store.record(new_task_run(flow_run, -index))
        complete(run)
        store.commit(run, CacheEntry(key=run.name, document=run.uid.hex(), created=1.0))
        tell(f"{run.uid.hex()} {run.name}")


def opens(folder, tell, number):
    """Use a store that may not be there yet, and leave."""
    with store_in(folder) as store:
        flow_run = new_flow_run(str(number))
        store.record(flow_run)
        store.commit(new_task_run(flow_run, number))
        tell(flow_run.uid.hex())


def writes_many(folder, tell, number):
    """1,250 runs, one in ten committed with a cache entry, the others recorded."""
    with store_in(folder) as store:
        flow_run = new_flow_run(str(number))
        store.record(flow_run)
        for index in range(1_249):
            run = new_task_run(flow_run, index)
            store.record(run)
            complete(run)
            if index % 10:
                store.record(run)
            else:
                store.commit(run, CacheEntry(key=f"{number}/{index}", document="{}", created=1.0))
        complete(flow_run)
        store.record(flow_run)
        tell(flow_run.uid.hex())


def migrates(folder, tell):
    """Open a store of the schema before."""
    with store_in(folder, LaterRunStore) as store:
        store.blocks()
        tell("migrated")


def forks(folder, tell):
    """A parent with a queue forks; then both write."""
    store = store_in(folder)
    flow_run = new_flow_run()
    store.record(flow_run)
    store.record(new_task_run(flow_run, 0))
    pid = os.fork()
    if pid == 0:
        assert store._writer.error is None
        assert len(store._writer) == 0
        store.record(new_task_run(flow_run, 1))
        complete(flow_run)
        store.record(flow_run)
        store.close()
        os._exit(0)
    store.record(new_task_run(flow_run, 2))
    assert os.waitpid(pid, 0)[1] == 0
    store.close()
    tell(flow_run.uid.hex())


def forks_among_threads(folder, tell):
    """Threads write all the time while their process forks again and again."""
    warnings.simplefilter("ignore", DeprecationWarning)  # our own threads, and we know of them
    store = store_in(folder)
    flow_run = new_flow_run()
    store.record(flow_run)
    enough = threading.Event()
    written = []

    def write(thread):
        while not enough.is_set():
            run = new_task_run(flow_run, len(written))
            store.record(run)
            complete(run)
            store.commit(run) if len(written) % 3 == 0 else store.record(run)
            written.append(run.uid)
            if store.backlogged:
                store.flush()

    threads = [threading.Thread(target=write, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    children = []
    for number in range(15):
        pid = os.fork()
        if pid == 0:
            run = new_task_run(flow_run, -number)
            store.commit(run) if number % 2 else store.record(run)
            store.close()
            tell(run.uid.hex())
            os._exit(0)
        children.append(pid)
    for pid in children:
        assert os.waitpid(pid, 0)[1] == 0
    enough.set()
    for thread in threads:
        thread.join()
    store.close()
    for uid in written:
        tell(uid.hex())
