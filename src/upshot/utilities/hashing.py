"""Hashes of texts, values and files."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from upshot._arguments.hashing import Unhashable, digest

# not for security: some systems offer it for no other use
_md5: Callable[[], Any] = partial(hashlib.md5, usedforsecurity=False)


def stable_hash(*args: str | bytes, hash_algo: Callable[[], Any] = _md5) -> str:
    """The hash of texts and bytes, one behind the other, in hex; the same in all processes."""
    hashing = hash_algo()
    for part in args:
        hashing.update(part.encode() if isinstance(part, str) else part)
    return str(hashing.hexdigest())


def hash_objects(*args: Any, hash_algo: Callable[[], Any] = _md5, **kwargs: Any) -> str | None:
    """The hash of any values in hex; None if one can be neither gone through nor pickled."""
    try:
        return stable_hash(digest((args, kwargs)), hash_algo=hash_algo)
    except Unhashable:
        return None


def file_hash(path: str | Path, hash_algo: Callable[[], Any] = _md5) -> str:
    """The hash of a file's bytes, in hex; by default their MD5.

    Raises:
        OSError: if it cannot be read.
    """
    with open(path, "rb") as file:
        return str(hashlib.file_digest(file, hash_algo).hexdigest())


def known_file_hash(path: str | Path) -> str:
    """`file_hash`, remembered for as long as the file's size and time of change stay the same.

    Raises:
        OSError: if it cannot be read.
    """
    found = os.stat(path)
    return _hash_of(os.path.abspath(path), found.st_size, found.st_mtime_ns)


@lru_cache(maxsize=256)
def _hash_of(path: str, size: int, changed: int) -> str:
    return file_hash(path)
