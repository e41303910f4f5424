"""What the tests of `map` share."""

from __future__ import annotations

from typing import Any

from upshot import task
from upshot.futures import UpshotFuture

WINDOW = 4


@task
def double(x: int) -> int:
    return 2 * x


@task
async def adouble(x: int) -> int:
    return 2 * x


@task
def pair(x: Any, y: Any = (7, 8, 9)) -> Any:
    return x, y


@task
def fail_at(x: int, at: int) -> int:
    if x == at:
        raise ValueError(f"at {x}")
    return x


def results(futures: list[UpshotFuture[Any]]) -> list[Any]:
    return [future.result() for future in futures]
