"""The seam between what a flow or a task is, and what its calls do.

Decorating needs no engine, and a program may define much that it does not call. So what makes runs
of calls is imported when the first call comes, by the methods that are made here.
"""

from __future__ import annotations

from typing import Any

from upshot import _registry


class _AtCall:
    def __init__(self, row: str) -> None:
        self._row = row

    def __set_name__(self, owner: type, name: str) -> None:
        self._owner, self._name = owner, name

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        method = _registry.load("call", self._row)
        setattr(self._owner, self._name, method)  # later calls find it there, and nothing between
        return method if instance is None else method.__get__(instance, owner)


def at_call(row: str) -> Any:
    """A method of flows or tasks that is imported when it is first asked for.

    Args:
        row: its name in the lazy table.
    """
    return _AtCall(row)
