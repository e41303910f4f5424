"""Storage keys: which are one, and that none leaves its root."""

from __future__ import annotations

import os
import re
from posixpath import normpath

from upshot.exceptions import InvalidStorageKey

PART_LIMIT = 255  # bytes of a file's name, on every file system in use

_PART = rf"[0-9A-Za-z_-][0-9A-Za-z_.-]{{0,{PART_LIMIT - 1}}}"
_PLAIN = re.compile(rf"{_PART}(?:/{_PART})*")
_DRIVE = re.compile(r"[A-Za-z]:")


def relative_key(key: str, root: str) -> str:
    """A key without `.` and `..` parts, relative to its root.

    Only the key's text is looked at, so a link that someone put into the root is followed.

    Args:
        key: a path relative to `root`, or an absolute one inside of it.
        root: an absolute path without `.` and `..` parts.

    Raises:
        InvalidStorageKey: if it is empty, leads out of the root, or cannot be a file's name.
    """
    if type(key) is str and _PLAIN.fullmatch(key):
        return key
    _check_characters(key, root)
    path = normpath(key)
    if path.startswith("/"):
        inside = root.rstrip("/") + "/"
        if path.startswith("//") or not path.startswith(inside):
            raise InvalidStorageKey(key, root, f"is outside of the base path {root!r}")
        path = path.removeprefix(inside)
    if path == ".." or path.startswith("../"):
        raise InvalidStorageKey(key, root, f"is outside of the base path {root!r}")
    if path in ("", "."):
        raise InvalidStorageKey(key, root, "names the base path itself, not a file in it")
    if any(len(os.fsencode(part)) > PART_LIMIT for part in path.split("/")):
        raise InvalidStorageKey(key, root, f"has a part of more than {PART_LIMIT} bytes")
    return path


def _check_characters(key: str, root: str) -> None:
    if not isinstance(key, str):
        raise InvalidStorageKey(repr(key), root, "is no text")
    if not key:
        raise InvalidStorageKey(key, root, "is empty")
    if "\0" in key:
        raise InvalidStorageKey(key, root, "holds a NUL character")
    if "\\" in key:
        raise InvalidStorageKey(key, root, "holds a backslash; put `/` between parts")
    if _DRIVE.match(key):
        raise InvalidStorageKey(key, root, "begins with a drive letter")
    try:
        key.encode()
    except UnicodeEncodeError:
        raise InvalidStorageKey(key, root, "holds half of a surrogate pair") from None
