"""The work that every peer is given."""

from __future__ import annotations

from typing import Any


def value(x: int) -> dict[str, Any]:
    return {"x": x, "list": [1, 2, 3]}


async def avalue(x: int) -> dict[str, Any]:
    return value(x)
