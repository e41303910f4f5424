"""The run store: the database of runs, states, cached results and storages."""

from upshot.runstore._listing import Page, RunFilter
from upshot.runstore.base import RunStore
from upshot.runstore.current import open_store

__all__ = ["Page", "RunFilter", "RunStore", "open_store"]
