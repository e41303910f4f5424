"""What a blob consists of: a head, the data as the inside of a JSON string, and a tail."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import orjson
from xxhash import xxh3_128

SMALL = 64 * 1024  # bytes of a blob that is written and read in one go
PIECE = 256 * 1024  # bytes that a larger one is written and read in
HEAD_LIMIT = 1024 * 1024  # bytes before the data
TAIL_LIMIT = 64 * 1024  # bytes after it

DIGEST = "xxh3-128"
HEAD_BEGIN = b'{"serializer":'
DATA_BEGIN = b',"data":"'
_HEAD_END = b"}" + DATA_BEGIN
# the quote ends the data, in which there is no other that is not escaped
TAIL_BEGIN = b'","upshot_version":"'

# of a blob of raw frames
FRAMES_BEGIN = b'{"layout":"frames","serializer":'

new_hash = xxh3_128


def said(error: Exception) -> str:
    """The name and the text of another's error, whose own methods may fail."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:
        return type(error).__name__


class Damaged(Exception):
    """A document is no blob, or not the one that was written; says why."""


def head(description: dict[str, Any]) -> bytes:
    """A blob up to the opening quote of its data."""
    return HEAD_BEGIN + orjson.dumps(description) + DATA_BEGIN


def tail(version: str, created: datetime, digest: str) -> bytes:
    """A blob after the closing quote of its data."""
    moment = created.astimezone(UTC).isoformat(timespec="microseconds")
    fields = {"upshot_version": version, "created": moment, "digest": digest}
    return b"," + orjson.dumps(fields)[1:]


def find_data(text: bytes) -> tuple[bytes, int] | None:
    """The description of a blob's serializer, as JSON, and where its data begins.

    None if more of the blob is needed than `text`.
    """
    end = text.find(_HEAD_END)
    while end >= 0:
        description = text[len(HEAD_BEGIN) : end + 1]
        if parsed(description) is not None:
            return description, end + len(_HEAD_END)
        # that was a field `data` inside of the description
        end = text.find(_HEAD_END, end + 1)
    return None


def find_tail(text: bytes) -> tuple[int, dict[str, Any]]:
    """Where the closing quote of a blob's data is, and the fields that follow.

    Args:
        text: the whole blob, or its end.

    Raises:
        Damaged: if that is no end of a blob.
    """
    quote = text.rfind(TAIL_BEGIN)
    fields = parsed(b"{" + text[quote + 2 :]) if quote >= 0 else None
    if fields is None or not isinstance(fields.get("digest"), str):
        raise Damaged("it does not end as a blob does: it was cut off, or is something else")
    return quote, fields


def check_digest(digest: str, pieces: Iterable[Any]) -> None:
    """Find out whether a digest is that of these bytes.

    Raises:
        Damaged: if it is not.
    """
    if not digest.startswith(f"{DIGEST}:"):
        raise Damaged(f"its digest {digest[:20]!r} is of a kind that this upshot does not know")
    found = new_hash()
    for piece in pieces:
        found.update(piece)
    check_hash(digest, found)


def check_hash(digest: str, found: Any) -> None:
    """As `check_digest`, for bytes that were hashed."""
    if digest != f"{DIGEST}:{found.hexdigest()}":
        raise Damaged("its digest does not fit: it was damaged")


def parsed(text: bytes) -> dict[str, Any] | None:
    """A JSON object as a dict; None if the text is anything else."""
    try:
        fields = orjson.loads(text)
    except ValueError:
        return None
    return fields if isinstance(fields, dict) else None
