"""Signatures: of what flows and tasks are made of, and the arguments of calls bound to them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import orjson

from upshot.exceptions import InvalidOption, ParameterBindError, ReservedArgumentError

RESERVED = ("return_state", "wait_for")


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


def positional(signature: inspect.Signature) -> tuple[str, ...] | None:
    """The names of the parameters, if all can be given by position; else None."""
    kinds = {parameter.kind for parameter in signature.parameters.values()}
    by_position = {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD}
    return tuple(signature.parameters) if kinds <= by_position else None


def no_inputs(signature: inspect.Signature) -> str:
    """What the record of a call says of its inputs if it takes nothing of other runs, as JSON."""
    return orjson.dumps({name: [] for name in signature.parameters}).decode()


def bind(
    signature: inspect.Signature,
    fn: Callable[..., Any],
    args: Iterable[Any],
    kwargs: Mapping[str, Any],
) -> dict[str, Any]:
    """The parameters of a call of `fn` by name, defaults included, in the signature's order.

    Raises:
        ParameterBindError: if the arguments do not fit.
    """
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError as error:
        raise ParameterBindError.from_bind_failure(fn, error, args, kwargs) from None
    bound.apply_defaults()
    return bound.arguments
