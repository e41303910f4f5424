"""The run stores of this process."""

from __future__ import annotations

from pathlib import Path

from upshot import _registry
from upshot.runstore._process import close_each, guard
from upshot.runstore._relay import Key, Link, relay
from upshot.runstore.base import RunStore
from upshot.settings import Settings, get_current_settings

FILE = "runs.db"

_Named = tuple[str, Path, str]
_open: dict[_Named, RunStore] = {}
_link: Link | None = None


def open_store(settings: Settings | None = None) -> RunStore:
    """The run store that settings (by default, those in force here) name.

    In a process there is one of a kind, home and durability. It touches no disk before it is used.

    Raises:
        UnknownPlugin: if no run store goes by the name that the settings give.
    """
    settings = settings or get_current_settings()
    key = (settings.run_store, settings.home, settings.durability)
    return _open.get(key) or _opened(key)


def store_of(key: Key) -> RunStore:
    """The run store that a process told another one of."""
    kind, home, durability = key
    found = (kind, Path(home), durability)
    return _open.get(found) or _opened(found)


def relay_runs(link: Link) -> None:
    """Have the runs of all stores that are opened from now on recorded by another process."""
    global _link
    _link = link


def flush_relayed() -> None:
    """Have all runs that are on their way to another process written.

    Raises:
        RunStoreError: if they cannot be.
    """
    for store in list(_open.values()):
        store.flush()


def _opened(key: _Named) -> RunStore:
    name, home, durability = key
    made: RunStore = _registry.load("run store", name)(home / FILE, durability)
    if _link is not None:
        guard(made)
        made = relay((name, str(home), durability), made, _link)
    # of two threads' stores one is taken; the other one was never used
    store = _open.setdefault(key, made)
    guard(store)
    return store


def close_stores(home: Path | None = None) -> None:
    """Close and forget the stores in a home, or all of them; those in memory lose what they hold.

    Raises:
        RunStoreError: if what is queued in one cannot be written; all are forgotten all the same.
    """
    keys = [key for key in list(_open) if home is None or key[1] == home]
    close_each(filter(None, [_open.pop(key, None) for key in keys]))
