"""Classes by the names that JSON refers to them with."""

from __future__ import annotations

import sys
from typing import Any

from upshot import _registry


def name_of(cls: type) -> str:
    name = f"{cls.__module__}.{cls.__qualname__}"
    try:
        if class_of(name) is cls:
            return name
    except (ImportError, TypeError):
        pass
    raise TypeError(f"the class {name} cannot be imported by that name, so JSON cannot refer to it")


def class_of(name: str) -> Any:
    module, _, attribute = name.rpartition(".")
    found = getattr(sys.modules.get(module), attribute, None) or _registry.import_path(name)
    if not isinstance(found, type):
        raise TypeError(f"{name} is no class")
    return found
