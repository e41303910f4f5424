"""Exceptions as JSON objects: `{"__exc_type__": …, "message": …}`, as Prefect has them.

Prefect makes an exception anew from its message alone. Where that would be another one, its
arguments or its own exceptions stand there too, which Prefect passes over.
"""

from __future__ import annotations

from typing import Any

from upshot.serializers._names import class_of, name_of

EXCEPTION, MESSAGE, ARGS, GROUP = "__exc_type__", "message", "args", "exceptions"
_SIMPLE = (str, int, float, bytes, type(None))


def encode_exception(error: BaseException) -> dict[str, Any]:
    """What stands in JSON for an exception: its type, its text, and what else makes it."""
    shape: dict[str, Any] = {EXCEPTION: name_of(type(error)), MESSAGE: str(error)}
    if isinstance(error, BaseExceptionGroup):
        shape |= {MESSAGE: error.message, GROUP: list(error.exceptions)}
    elif error.args != (shape[MESSAGE],) and all(isinstance(arg, _SIMPLE) for arg in error.args):
        shape[ARGS] = list(error.args)
    return shape


def restore_exception(fields: dict[str, Any]) -> BaseException:
    """An exception of the same type and text."""
    cls: Any = class_of(fields[EXCEPTION])
    message = fields[MESSAGE]
    if not issubclass(cls, BaseException):
        raise TypeError(f"{fields[EXCEPTION]} is no exception")
    if GROUP in fields:
        group: BaseException = cls(message, fields[GROUP])
        return group
    args = fields.get(ARGS)
    error: BaseException | None = None if args is None else _made(cls, args)
    if error is None or str(error) != message:
        error = _made(cls, [message])
    if error is None:
        # it wants arguments that are not known
        error = cls.__new__(cls)
        error.args = (message,)
    return error


def _made(cls: type[BaseException], args: list[Any]) -> BaseException | None:
    try:
        return cls(*args)
    except Exception:
        return None
