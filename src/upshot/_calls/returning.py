"""What a function gave, before a state is made of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from inspect import isasyncgen
from types import AsyncGeneratorType, GeneratorType
from typing import Any

from upshot._arguments.upstreams import Filling
from upshot._concurrency.waiting import Completion, wait_async, wait_blocking
from upshot._future import UpshotFuture
from upshot.annotations import BaseAnnotation
from upshot.states import State

_GENERATORS = (GeneratorType, AsyncGeneratorType)


def listed(value: Any) -> Any:
    """`value`, or, of a generator, the list of what it yields; to be called where it ran."""
    return list(value) if type(value) is GeneratorType else value


async def alisted(made: Any) -> Any:
    """What an async function gives, awaited; of a generator the list of what it yields."""
    value = made if isasyncgen(made) else await made
    if type(value) in _GENERATORS:
        value = await _all(value) if isasyncgen(value) else list(value)
    return value


async def _all(values: AsyncIterator[Any]) -> list[Any]:
    return [value async for value in values]


def settled(value: Any) -> Any:
    """What a task returned; of a future, or a collection of these, the final states. Blocks."""
    if not _is_of_futures(value):
        return value
    wait_blocking(futures_in(value))
    return with_states(value)


async def asettled(value: Any) -> Any:
    """As `settled`, for async functions."""
    if not _is_of_futures(value):
        return value
    await wait_async(futures_in(value))
    return with_states(value)


def _is_of_futures(value: Any) -> bool:
    # all that tasks return comes here: large values are not gone through
    if type(value) in (list, tuple, set) and value:
        value = next(iter(value))
    return isinstance(value, UpshotFuture)


def futures_in(value: Any) -> list[Completion]:
    """The runs behind the futures in a value, as far as they have not ended."""
    parts = Filling.parts_of(value)
    futures = [part for part in parts if isinstance(part, UpshotFuture)]
    return [future.done for future in futures if not future.done.done()]


def with_states(value: Any) -> Any:
    """`value` with states in the place of the futures in it; marks stay."""
    return _Stating(lambda future: future.state()).of(value)


class _Stating(Filling):
    def _replaces(self, value: Any) -> bool:
        return isinstance(value, UpshotFuture)

    def _fill(self, value: Any) -> None:
        if isinstance(value, State):
            self._filled[id(value)] = value
        elif isinstance(value, BaseAnnotation):
            self._filled[id(value)] = value.rewrap(self._new(value.unwrap()))
        else:
            super()._fill(value)
