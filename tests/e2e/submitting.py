"""What the tests of submitted tasks share."""

from __future__ import annotations

import dataclasses
import json
from typing import Any, NamedTuple

import pydantic

from upshot import State, task
from upshot.runstore import open_store


@task
def echo(x: Any, y: Any = None) -> Any:
    return x


@task
def fail(message: str = "no") -> None:
    raise ValueError(message)


@task
async def aecho(x: Any) -> Any:
    return x


@dataclasses.dataclass(frozen=True)
class Order:
    item: Any
    count: int = 1


class Model(pydantic.BaseModel):
    item: Any


class Point(NamedTuple):
    x: Any


def inputs_of(state: State[Any]) -> dict[str, list[str]] | None:
    """What the store has as a run's dependencies."""
    id = state.state_details.task_run_id
    assert id is not None
    run = open_store().task_run(id)
    assert run is not None
    return None if run.inputs is None else json.loads(run.inputs)
