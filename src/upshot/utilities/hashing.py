"""Hashes of files."""

from __future__ import annotations

import hashlib
import os
from functools import lru_cache, partial
from pathlib import Path

# not for security: some systems offer it for no other use
_md5 = partial(hashlib.md5, usedforsecurity=False)


def file_hash(path: str | Path) -> str:
    """The MD5 of a file's bytes, in hex.

    Raises:
        OSError: if it cannot be read.
    """
    with open(path, "rb") as file:
        return hashlib.file_digest(file, _md5).hexdigest()


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
