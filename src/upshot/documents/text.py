"""Documents as JSON, as the run store has them.

Each persisted result is written once and each cache hit read once, so references, which nearly all
of them are, take a way past pydantic; what it would give is what they give.
"""

from __future__ import annotations

from types import NoneType
from typing import Any
from uuid import UUID

import orjson

from upshot.documents.base import BaseResult
from upshot.documents.kinds import PersistedResult


def to_text(document: BaseResult[Any]) -> str:
    """A document as JSON: its `model_dump_json()`."""
    if type(document) is PersistedResult:
        return orjson.dumps(vars(document)).decode()
    return document.model_dump_json()


def of_text(text: str) -> BaseResult[Any]:
    """The document that JSON `text` describes: `BaseResult.model_validate_json(text)`.

    Raises:
        ValidationError: if it describes none.
        UnknownPlugin: if it is of a kind that this release does not know.
    """
    try:
        fields = orjson.loads(text)
        if _is_as_written(fields):
            fields["storage_block_id"] = UUID(fields["storage_block_id"])
            return PersistedResult.made_of(fields)
    except ValueError:
        pass  # pydantic says what is wrong with it
    return BaseResult.model_validate_json(text)


def _is_as_written(fields: Any) -> bool:
    """Whether these are the fields of a reference of this release, each of its type."""
    return (
        type(fields) is dict
        and fields.get("type") == "reference"
        and tuple(fields) == _NAMES
        and tuple(map(type, fields.values())) in _TYPES
        and fields["format"] == 1
    )


_NAMES = tuple(PersistedResult.model_fields)
_TYPES = frozenset(
    (str, str, str, str, uri, size, digest, int)
    for uri in (str, NoneType)
    for size in (int, NoneType)
    for digest in (str, NoneType)
)
