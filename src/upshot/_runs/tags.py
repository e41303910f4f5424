"""Tags: words that runs are found by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any

from upshot.exceptions import InvalidOption

_here: ContextVar[frozenset[str]] = ContextVar("upshot_tags", default=frozenset())


@contextmanager
def tags(*names: str) -> Iterator[set[str]]:
    """Give these tags to all runs that are made in the block, beside those of blocks around it.

    Args:
        names: the tags.

    Yields:
        All tags that runs get here.

    Raises:
        InvalidOption: if one is no text.

    Example:
        >>> from upshot import tags
        >>> with tags("nightly"), tags("slow") as all_of_them:
        ...     sorted(all_of_them)
        ['nightly', 'slow']
    """
    for name in names:
        if not isinstance(name, str):
            raise InvalidOption("tags", f"must be texts; got {name!r}")
    token = _here.set(_here.get().union(names))
    try:
        yield set(_here.get())
    finally:
        with suppress(ValueError):  # a coroutine that the collector closes ends in another context
            _here.reset(token)


def tags_of_new_run(own: Iterable[str] = (), around: Any = None) -> tuple[str, ...]:
    """The tags of a run that is made here and now, sorted.

    Args:
        own: those of its task.
        around: the run of the flow that makes it, or what a context made by hand has for it.
    """
    here, outer = _here.get(), () if around is None else around.tags
    return tuple(sorted({*own, *here, *outer})) if here or own or outer else ()
