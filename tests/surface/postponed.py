"""Flows in a module whose annotations are postponed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from upshot import flow

if TYPE_CHECKING:
    from somewhere import Nothing  # type: ignore[import-not-found]


@flow
def unresolvable(x: Nothing, y: int) -> Any:
    return x, y


@flow
def resolvable(x: int) -> Any:
    return x
