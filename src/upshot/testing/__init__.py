"""For tests: a home of their own, and the contracts of storages, serializers, stores and runners.

`isolated()` needs nothing but upshot; the contract classes need pytest. Subclass one, give it the
fixture that its docstring names, and pytest collects its tests for your class.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from upshot import _registry

if TYPE_CHECKING:
    from upshot.testing.isolation import isolated
    from upshot.testing.runstores import RunStoreContract
    from upshot.testing.serializers import SerializerContract
    from upshot.testing.storages import StorageContract
    from upshot.testing.task_runners import TaskRunnerContract

__all__ = [
    "RunStoreContract",
    "SerializerContract",
    "StorageContract",
    "TaskRunnerContract",
    "isolated",
]


def __getattr__(name: str) -> Any:
    if name not in _registry.BUILTIN["testing name"]:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _registry.load("testing name", name)
