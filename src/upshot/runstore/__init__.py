"""The run store: the database of runs, states, cached results and storages."""

from upshot.runstore.base import RunStore
from upshot.runstore.current import open_store

__all__ = ["RunStore", "open_store"]
