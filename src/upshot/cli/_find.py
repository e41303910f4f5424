"""Finding a run by its id or the beginning of it."""

from __future__ import annotations

import re
from uuid import UUID

from upshot.cli._errors import Exit, Refusal
from upshot.records import Run
from upshot.runstore import RunStore

_DIGITS = re.compile(r"[0-9a-f]{4,32}")
_SHOWN = 5  # runs that an ambiguous id is said to fit


def range_of(id: str) -> tuple[UUID, UUID] | None:
    """The first and the last id that begins so; None if no id does."""
    digits = id.strip().lower().replace("-", "")
    if not _DIGITS.fullmatch(digits):
        return None
    return UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))


def find_run(id: str, store: RunStore) -> Run:
    """The one run with this id, or with an id that begins so.

    Raises:
        Refusal: if there is none, or more than one.
    """
    ids = range_of(id)
    if ids is None:
        raise Refusal(
            f"{id!r} is no run's id: give the hexadecimal digits of one, or its first 4 or more",
            Exit.USAGE,
        )
    found = store.runs_between(*ids, limit=_SHOWN + 1)
    if not found:
        raise Refusal(f"no run has an id that begins with {id!r}", Exit.NOT_FOUND)
    if len(found) > 1:
        some = ", ".join(f"{run.id} ({run.kind} {run.name})" for run in found[:_SHOWN])
        more = ", …" if len(found) > _SHOWN else ""
        raise Refusal(f"{id!r} fits more than one run: {some}{more}; give more of it", Exit.USAGE)
    return found[0]
