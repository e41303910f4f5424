"""Writing the value of a result to a file."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from upshot._blob import describe_blob, read_blob
from upshot.cli._errors import Exit, Refusal
from upshot.cli._files import check_free, whole_file
from upshot.cli._locate import Located
from upshot.cli._print import note
from upshot.cli._values import as_bytes, as_pickle, runs_code
from upshot.documents import LiteralResult, PersistedResult
from upshot.exceptions import BlobMissing
from upshot.filesystems import FileSystem

_PIECE = 1 << 20


def written(
    located: Located, target: Path | None, *, how: str | None, force: bool
) -> dict[str, Any]:
    """Write a result's value; gives what JSON says of that.

    Args:
        located: the result.
        target: the file; None for standard output.
        how: `raw` or `pickle`; None for what the value is.
        force: replace a file that is there.

    Raises:
        Refusal: if the value cannot be written so, or the file cannot.
        MissingResult: if the value cannot be had; a subclass names the cause.
    """
    if target is not None:
        check_free(target, force=force)
    if how == "raw":
        pieces: Iterable[bytes] = _blob(located)
    elif how == "pickle":
        pieces = [as_pickle(_value(located))]
    else:
        content, how = as_bytes(_value(located))
        pieces = [content]
    return {"file": None if target is None else str(target.absolute()), "format": how} | {
        "size": _write(pieces, target, force)
    }


def _write(pieces: Iterable[bytes], target: Path | None, force: bool) -> int:
    written = 0
    if target is None:
        for piece in pieces:
            written += sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
        return written
    with whole_file(target, force=force) as file:
        for piece in pieces:
            written += file.write(piece)
    return written


def _value(located: Located) -> Any:
    document, storage = located.document, located.storage
    if isinstance(document, LiteralResult):
        value = document.value
        return value if value is None or isinstance(value, bool) else str(value)
    assert storage is not None
    if runs_code(describe_blob(storage, located.key).serializer):
        note("this result is a pickle: reading it runs code that its writer chose")
    known = document if isinstance(document, PersistedResult) else None
    digest, size = (None, None) if known is None else (known.digest, known.size)
    return read_blob(storage, located.key, digest=digest, size=size)


def _blob(located: Located) -> Iterator[bytes]:
    if located.storage is None:
        raise Refusal("a literal has no blob: leave --raw out", Exit.NOT_FOUND)
    return _pieces(located.storage, located.key)


def _pieces(storage: FileSystem, key: str) -> Iterator[bytes]:
    try:
        file = storage.open(key)
    except FileNotFoundError as error:
        raise BlobMissing(key, str(storage)) from error
    with file:
        while piece := file.read(_PIECE):
            yield piece
