"""The run store: the database of runs, states, cached results and storages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from upshot import _registry
from upshot.runstore._limits import Limit
from upshot.runstore.base import RunStore
from upshot.runstore.current import open_store

if TYPE_CHECKING:
    from upshot.runstore._listing import Page, RunFilter
    from upshot.runstore._query import Condition, How, RunQuery

__all__ = ["Condition", "How", "Limit", "Page", "RunFilter", "RunQuery", "RunStore", "open_store"]


def __getattr__(name: str) -> Any:
    if name not in _registry.BUILTIN["run store name"]:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _registry.load("run store name", name)
