"""A call's parameters: bound to the signature, and described for the run store."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from pathlib import PurePath
from typing import Any
from uuid import UUID

import orjson

from upshot.exceptions import InvalidOption, ParameterBindError, ReservedArgumentError

RESERVED = ("return_state", "wait_for")

_LONGEST_TEXT = 1_000  # characters of one text
_MOST_ITEMS = 50  # items of one collection
_DEEPEST = 4


def signature_of(function: Callable[..., Any], name: str) -> inspect.Signature:
    """The signature of a function that is to be a flow or a task.

    Raises:
        ReservedArgumentError: if it has a parameter that upshot keeps for itself.
        InvalidOption: if Python does not know its signature.
    """
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError) as error:
        raise InvalidOption("fn", f"{name!r} has no signature that can be read: {error}") from error
    for reserved in RESERVED:
        if reserved in signature.parameters:
            raise ReservedArgumentError(reserved, name)
    return signature


def bind(
    signature: inspect.Signature, name: str, args: Iterable[Any], kwargs: Mapping[str, Any]
) -> dict[str, Any]:
    """The parameters of a call by name, defaults included, in the signature's order.

    Raises:
        ParameterBindError: if the arguments do not fit.
    """
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError as error:
        raise ParameterBindError(name, str(error)) from None
    bound.apply_defaults()
    return bound.arguments


def describe(parameters: Mapping[str, Any]) -> str:
    """Parameters as JSON for people: what is large or not plain is told by its type only."""
    return orjson.dumps({name: _described(v, 0) for name, v in parameters.items()}).decode()


def _described(value: Any, depth: int) -> Any:
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else str(value)[:_LONGEST_TEXT]
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, UUID | datetime | date | PurePath):
        return str(value)
    if depth < _DEEPEST and len_at_most(value, _MOST_ITEMS):
        if type(value) in (list, tuple, set, frozenset):
            return [_described(item, depth + 1) for item in value]
        if type(value) is dict and all(isinstance(key, str) for key in value):
            return {_text(key): _described(item, depth + 1) for key, item in value.items()}
    return f"<{type(value).__qualname__}>"


def len_at_most(value: Any, limit: int) -> bool:
    """Whether this is a built-in collection of no more than so many items."""
    return isinstance(value, list | tuple | set | frozenset | dict) and len(value) <= limit


def _text(value: str) -> str:
    cut = value if len(value) <= _LONGEST_TEXT else value[:_LONGEST_TEXT] + "…"
    return cut.encode("utf-8", "replace").decode()
