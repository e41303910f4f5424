"""The run store: the database of runs, states, cached results and storages."""

from upshot.runstore._limits import Limit
from upshot.runstore._listing import Page, RunFilter
from upshot.runstore._query import Condition, How, RunQuery
from upshot.runstore.base import RunStore
from upshot.runstore.current import open_store

__all__ = ["Condition", "How", "Limit", "Page", "RunFilter", "RunQuery", "RunStore", "open_store"]
