"""What the tests of futures and states among arguments share: what these may stand in."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import pydantic

from upshot._arguments.upstreams import Found, find
from upshot.states import Completed, State


def state(value: Any = None) -> State[Any]:
    return Completed(data=value)


def data(upstream: Any) -> Any:
    return upstream.data


def found_in(value: Any) -> list[Found]:
    found: list[Found] = []
    find(value, found)
    return found


class Point(NamedTuple):
    x: Any
    y: Any = 0


class Rows(list[Any]):
    title = ""


class Pair(tuple[Any, ...]):
    """A tuple with attributes and a constructor of its own."""

    def __new__(cls, left: Any, right: Any) -> Pair:
        return super().__new__(cls, (left, right))


@dataclasses.dataclass
class Plain:
    a: Any
    b: Any = 1


@dataclasses.dataclass(frozen=True)
class Frozen:
    a: Any
    b: Any = 1


@dataclasses.dataclass(slots=True, frozen=True)
class Slotted:
    a: Any
    b: Any = 1


@dataclasses.dataclass
class Late:
    """One field is not the constructor's, and the constructor does something."""

    a: Any
    made: list[Any] = dataclasses.field(default_factory=list, init=False)
    start: dataclasses.InitVar[int] = 0

    def __post_init__(self, start: int) -> None:
        self.made.append(start)


@dataclasses.dataclass(init=False)
class OwnConstructor:
    a: Any

    def __init__(self, *, other_name: Any) -> None:
        self.a = other_name


@dataclasses.dataclass
class Table(list[Any]):
    title: Any = None


class Model(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(arbitrary_types_allowed=True)
    a: Any
    b: int = 1


class FrozenModel(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(frozen=True, extra="allow")
    a: Any
    b: int = 1
