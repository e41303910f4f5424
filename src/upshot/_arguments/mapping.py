"""What `map` makes of its arguments: the parameters of each call."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from upshot._arguments.dependencies import Inputs, inputs_of, state_of
from upshot._concurrency.waiting import wait_blocking
from upshot._future import UpshotFuture
from upshot._runs.lineage import Lineage
from upshot.annotations import BaseAnnotation, allow_failure, quote, unmapped
from upshot.exceptions import (
    MappingLengthMismatch,
    MappingMissingIterable,
    ParameterBindError,
)
from upshot.states import State

Arguments = tuple[tuple[Any, ...], dict[str, Any]]


def futures(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> list[UpshotFuture[Any]]:
    """The futures whose results are iterated over."""
    found = [_unmarked(value) for value in (*args, *kwargs.values())]
    return [value for value in found if isinstance(value, UpshotFuture)]


def inputs(
    signature: inspect.Signature,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    lineage: Lineage | None,
) -> Inputs:
    """The runs whose results are iterated over, which each call depends on, by parameter."""
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError:
        return {}  # `calls` says what is wrong
    given = {name: _unmarked(value) for name, value in bound.arguments.items()}
    return inputs_of(given, lineage)


def calls(
    signature: inspect.Signature, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Iterator[Arguments]:
    """The arguments of each call of a map.

    Raises:
        ParameterBindError: if the arguments do not fit the function.
        MappingMissingIterable: if none can be iterated over.
        MappingLengthMismatch: if those with a length differ in it; one without shows it later.
    """
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError as error:
        raise ParameterBindError(name, str(error)) from None
    given = [*enumerate(bound.args), *bound.kwargs.items()]
    mapped = {key: items for key, value in given if (items := _elements(value)) is not None}
    if not mapped:
        raise MappingMissingIterable(name, tuple(signature.parameters))
    names = _names(signature, len(bound.args))
    lengths = {
        names.get(key, str(key)): len(items)
        for key, items in mapped.items()
        if hasattr(items, "__len__")
    }
    if len(set(lengths.values())) > 1:
        raise MappingLengthMismatch(name, lengths)
    static = {key: _static(value) for key, value in given if key not in mapped}
    return _calls(name, mapped, static)


def _names(signature: inspect.Signature, count: int) -> dict[Any, str]:
    """What the first `count` positional arguments are called."""
    names: list[str] = []
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.VAR_POSITIONAL:
            names += [f"{parameter.name}[{index}]" for index in range(count - len(names))]
        elif len(names) < count:
            names.append(parameter.name)
    return dict(enumerate(names))


def _calls(
    name: str, mapped: Mapping[Any, Iterable[Any]], static: Mapping[Any, Any]
) -> Iterator[Arguments]:
    for row in _rows(name, [iter(items) for items in mapped.values()]):
        values = {**static, **dict(zip(mapped, row, strict=True))}
        positions = sorted(key for key in values if isinstance(key, int))
        named = {key: value for key, value in values.items() if isinstance(key, str)}
        yield tuple(values[position] for position in positions), named


_END = object()


def _rows(name: str, columns: Sequence[Iterator[Any]]) -> Iterator[list[Any]]:
    """As a strict zip, whose error could not be told from one that a column raises."""
    while True:
        row = [next(column, _END) for column in columns]
        ended = [value is _END for value in row]
        if all(ended):
            return
        if any(ended):
            raise MappingLengthMismatch(name)
        yield row


def _elements(value: Any) -> Any:
    """What an argument is iterated over as; None if it is the same for all calls."""
    if isinstance(value, unmapped):
        return None
    if isinstance(value, BaseAnnotation):
        inner = _elements_of_marked(value)
        return None if inner is None else [value.rewrap(item) for item in inner]
    if isinstance(value, UpshotFuture | State):
        found = _result_of(value)
        return found if _iterable(found) else None
    return value if _iterable(value) else None


def _elements_of_marked(mark: BaseAnnotation[Any]) -> Any:
    """What is iterated over inside of a mark."""
    value = mark.unwrap()
    if isinstance(mark, quote):
        return value if _iterable(value) else None
    if isinstance(mark, allow_failure) and isinstance(value, UpshotFuture | State):
        if isinstance(value, UpshotFuture):
            wait_blocking([value.done])
        if not state_of(value).is_completed():
            return None  # the failure is allowed, and the same for all
    return _elements(value)


def _unmarked(value: Any) -> Any:
    marked = isinstance(value, BaseAnnotation) and not isinstance(value, unmapped | quote)
    return _unmarked(value.unwrap()) if marked else value


def _result_of(upstream: UpshotFuture[Any] | State[Any]) -> Any:
    if isinstance(upstream, UpshotFuture):
        wait_blocking([upstream.done])
    value, error = state_of(upstream).outcome()
    if error is not None:
        raise error
    return value


def _iterable(value: Any) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, str | bytes | bytearray)


def _static(value: Any) -> Any:
    return value.unwrap() if isinstance(value, unmapped) else value
