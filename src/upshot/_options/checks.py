"""The options of `@flow` and `@task`, checked where they are given."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import xxhash

from upshot import _registry
from upshot.exceptions import (
    InvalidNameError,
    InvalidOption,
    UnknownPlugin,
    did_you_mean,
)

if TYPE_CHECKING:
    from upshot import _keys, filesystems, serializers
    from upshot.filesystems import FileSystem
    from upshot.serializers import Serializer
else:  # few functions have options that need these
    _keys = _registry.Later("upshot._keys")
    filesystems = _registry.Later("upshot.filesystems")
    serializers = _registry.Later("upshot.serializers")


class _NotGiven:
    def __repr__(self) -> str:
        return "NOT_GIVEN"


# in the place of an option that was left out, where None is an answer of its own
NOT_GIVEN: Any = _NotGiven()

# what a flow's name must not have: it stands in addresses and in file names
NOT_IN_NAMES = "/%&><"

LONGEST_DELAY = 10**9  # seconds; what sleeps takes no infinity


def check_function(kind: str, fn: object) -> None:
    """Refuse what cannot be called."""
    if not callable(fn):
        hint = f"; put @classmethod above @{kind}" if isinstance(fn, classmethod) else ""
        raise InvalidOption("fn", f"a {kind} is made of something callable, not of {fn!r}{hint}")


def check_name(kind: str, name: object) -> None:
    """Refuse a name that is no text, or empty."""
    if not isinstance(name, str):
        hint = " Perhaps you meant to call it?" if callable(name) else ""
        problem = f"Expected string for {kind} parameter 'name'; got {type(name).__name__} instead."
        raise InvalidOption("name", problem + hint)
    if not name:
        raise InvalidOption("name", "is empty; leave it out for the function's name")


def check_characters(name: str) -> None:
    """Refuse a name that cannot stand in an address."""
    for character in NOT_IN_NAMES:
        if character in name:
            problem = f"{name!r} contains an invalid character, {character!r}; leave out all of"
            raise InvalidNameError("name", f"{problem} {' '.join(NOT_IN_NAMES)}")


def check_known(kind: str, options: Iterable[str], known: Collection[str]) -> None:
    """Refuse an option that there is not."""
    for option in options:
        if option not in known:
            raise InvalidOption(option, f"is no option of @{kind}: {did_you_mean(option, known)}")


def checked_text(option: str, value: Any) -> str | None:
    """Text, or None where nothing was said."""
    if value is None or isinstance(value, str):
        return value
    raise InvalidOption(option, f"must be text; got {value!r}")


def checked_flag(option: str, value: Any) -> bool | None:
    """A bool, or None where nothing was said."""
    if value is None or isinstance(value, bool):
        return value
    raise InvalidOption(option, f"must be True, False or None; got {value!r}")


def checked_switch(option: str, value: Any) -> bool:
    """A bool."""
    if isinstance(value, bool):
        return value
    raise InvalidOption(option, f"must be True or False; got {value!r}")


def checked_retries(value: Any) -> int | None:
    """A count of retries, or None where nothing was said."""
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0):
        return value
    raise InvalidOption("retries", f"must be an int of 0 or more; got {value!r}")


def checked_timeout(value: Any) -> float | None:
    """Seconds, or None for as long as it takes, which is also what 0 says."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if value is None or (number and 0 <= value <= LONGEST_DELAY):
        return float(value) if value else None
    raise InvalidOption("timeout_seconds", f"must be seconds, 0 or more; got {value!r}")


def checked_key_function(value: Any) -> Any:
    """A function of a run's context and parameters, or of nothing; or None."""
    if value is None:
        return None
    if not callable(value) or is_async(value):
        raise InvalidOption("cache_key_fn", f"must be a plain function; got {value!r}")
    if not _takes(value, 2) and not _takes(value, 0):
        problem = "must take two arguments, the run's context and its parameters, or none"
        raise InvalidOption("cache_key_fn", f"{problem}; got {value!r}")
    return value


def taking_both(fn: Callable[..., Any]) -> Callable[[Any, dict[str, Any]], Any]:
    """A checked function of cache keys as one that takes the context and the parameters."""
    return fn if _takes(fn, 2) else lambda context, parameters: fn()


def _takes(fn: Callable[..., Any], count: int) -> bool:
    try:
        inspect.signature(fn).bind(*range(count))
    except TypeError:
        return False
    except ValueError:
        return count == 2  # Python does not know its signature
    return True


def checked_expiration(value: Any) -> timedelta | None:
    """A timedelta, or None."""
    if value is None or isinstance(value, timedelta):
        return value
    raise InvalidOption("cache_expiration", f"must be a datetime.timedelta; got {value!r}")


def checked_storage(value: Any) -> FileSystem | str | None:
    """A storage, the name of one, or None.

    Raises:
        UnknownPlugin: if no storage goes by the name.
    """
    if value is None or isinstance(value, filesystems.FileSystem):
        return value
    if isinstance(value, str):
        # `type/name` may be saved until the flow or task is called
        return value if "/" in value else _known("storage", value)
    raise InvalidOption("result_storage", f"must be a storage, or its name; got {value!r}")


def checked_serializer(value: Any) -> Serializer | str | None:
    """A serializer, the type of one, or None.

    Raises:
        UnknownPlugin: if no serializer goes by the type.
    """
    if value is None or isinstance(value, serializers.Serializer):
        return value
    if isinstance(value, str):
        return _known("serializer", value)
    raise InvalidOption("result_serializer", f"must be a serializer, or its type; got {value!r}")


def checked_storage_key(value: Any, parameters: Collection[str]) -> str | None:
    """A template of storage keys that a function with these parameters can fill, or None."""
    if value is None:
        return None
    if isinstance(value, str):
        _keys.check_template(value, parameters)
        return value
    raise InvalidOption("result_storage_key", f"must be text; got {value!r}")


def _known(kind: str, name: str) -> str:
    if name not in _registry.BUILTIN[kind] and name not in _registry.names(kind):
        raise UnknownPlugin(kind, name, _registry.names(kind))
    return name


def first_said(own: bool | None, otherwise: bool) -> bool:
    """An option's own word, else the setting's."""
    return otherwise if own is None else own


def is_async(fn: Callable[..., Any]) -> bool:
    """Whether calling `fn` gives a coroutine, or an async generator."""
    fn = _whole(fn)
    called = getattr(fn, "__call__", None)  # noqa: B004 - not whether it is, but what it is
    kinds = inspect.iscoroutinefunction, inspect.isasyncgenfunction
    return any(is_kind(function) for function in (fn, called) for is_kind in kinds)


def name_of(fn: Callable[..., Any]) -> str:
    """A function's name; of another callable object its class's."""
    fn = _whole(fn)
    return getattr(fn, "__name__", None) or type(fn).__name__


def _whole(fn: Callable[..., Any]) -> Callable[..., Any]:
    """The function that a `functools.partial` or a static method stands for."""
    while isinstance(fn, partial | staticmethod):
        fn = fn.func if isinstance(fn, partial) else fn.__func__
    return fn


def key_of(fn: Callable[..., Any]) -> str:
    """What a function is known by, in every process: its name and a hash of its code.

    The code is also that of the function which a decorator has wrapped.
    """
    fn = _whole(fn)
    qualname: Sequence[str] = getattr(fn, "__qualname__", name_of(fn)).split(".")
    return f"{qualname[-1]}-{xxhash.xxh3_64_hexdigest(code_of(fn))[:8]}"


def code_of(fn: Callable[..., Any]) -> bytes:
    """What a function does, and those do which decorators have wrapped, as bytes."""
    around: Any = _whole(fn)
    found = []
    while around is not None:
        code = getattr(around, "__code__", None) or getattr(type(around).__call__, "__code__", None)
        found.append(_code_bytes(code) if code else b"builtin")
        around = getattr(around, "__wrapped__", None)
    return b"".join(found)


def _code_bytes(code: Any) -> bytes:
    inner = [item for item in code.co_consts if inspect.iscode(item)]
    plain = [_ordered(item) for item in code.co_consts if not inspect.iscode(item)]
    own = f"{code.co_names}{plain}".encode("utf-8", "backslashreplace")
    return b"\0".join([code.co_code, own, *map(_code_bytes, inner)])


def _ordered(constant: Any) -> str:
    # the order of a set is another one in each process
    if isinstance(constant, frozenset):
        return f"{{{sorted(map(_ordered, constant))}}}"
    if isinstance(constant, tuple):
        return f"({[*map(_ordered, constant)]})"
    return repr(constant)
