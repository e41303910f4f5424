"""Names of storages: what stands before and behind the `/` of `type/name`."""

from __future__ import annotations

import re

from upshot.exceptions import InvalidOptionValue

_NAME = re.compile(r"[a-z0-9-]+")


def slug_of(kind: str) -> str:
    """What a class that says nothing of it is called: its name in small letters.

    Args:
        kind: the name of the class, or `module:Class`; what has a slug is its own.
    """
    return re.sub(r"[^a-z0-9]+", "-", kind.rpartition(":")[2].rpartition(".")[2].lower()).strip("-")


def check_name(name: str) -> str:
    """A name under which a storage may be saved.

    Raises:
        InvalidOptionValue: if it is none.
    """
    if not name:
        raise InvalidOptionValue("name", "is empty; a storage is saved under a name")
    if _NAME.fullmatch(name) is None:
        problem = f"{name!r} must only hold lower-case letters, digits and dashes"
        raise InvalidOptionValue("name", problem)
    return name
