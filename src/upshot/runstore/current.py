"""The run stores of this process."""

from __future__ import annotations

from pathlib import Path

from upshot import _registry
from upshot.runstore._process import close_each, guard
from upshot.runstore.base import RunStore
from upshot.settings import Settings, get_current_settings

FILE = "runs.db"

_open: dict[tuple[str, Path, str], RunStore] = {}


def open_store(settings: Settings | None = None) -> RunStore:
    """The run store that settings (by default, those in force here) name.

    In a process there is one of a kind, home and durability. It touches no disk before it is used.

    Raises:
        UnknownPlugin: if no run store goes by the name that the settings give.
    """
    settings = settings or get_current_settings()
    key = (settings.run_store, settings.home, settings.durability)
    store = _open.get(key)
    if store is None:
        kind = _registry.load("run store", settings.run_store)
        # of two threads' stores one is taken; the other one was never used
        store = _open.setdefault(key, kind(settings.home / FILE, settings.durability))
        guard(store)
    return store


def close_stores(home: Path | None = None) -> None:
    """Close and forget the stores in a home, or all of them; those in memory lose what they hold.

    Raises:
        RunStoreError: if what is queued in one cannot be written; all are forgotten all the same.
    """
    keys = [key for key in list(_open) if home is None or key[1] == home]
    close_each(filter(None, [_open.pop(key, None) for key in keys]))
