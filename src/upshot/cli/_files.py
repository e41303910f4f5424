"""Writing a file so that there is the old one or the new one, and never a part."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from upshot.cli._errors import Exit, Refusal


def check_free(path: Path, *, force: bool) -> None:
    """Refuse a file that is there already, unless it may be replaced, and anything but a file."""
    if path.is_dir():
        raise Refusal(f"{path} is a folder; name a file", Exit.USAGE)
    if not force and os.path.lexists(path):
        raise Refusal(f"{path} is there already; --force replaces it", Exit.USAGE)


@contextmanager
def whole_file(path: Path, *, force: bool, mode: int | None = None) -> Iterator[BinaryIO]:
    """A file to write to, which is at `path` when the block ends well; else nothing has changed.

    Args:
        path: where to; a link is followed.
        force: replace what is there. If it is no plain file (`/dev/null`), it is written to.
        mode: the permissions; by default those of the file that is replaced, or of a new one.

    Raises:
        Refusal: if it cannot be written, or is there.
    """
    target = Path(os.path.realpath(path))
    draft = target.with_name(f".upshot-{os.urandom(8).hex()}")
    try:
        found = target.stat() if force and target.exists() else None
        if found is not None and not stat.S_ISREG(found.st_mode):
            with target.open("wb") as file:
                yield file
            return
        try:
            with _created(draft, mode if mode is not None else 0o666) as file:
                yield file
            if found is not None and mode is None:
                draft.chmod(stat.S_IMODE(found.st_mode))
            _put(draft, target, force)
        finally:
            with suppress(OSError):
                draft.unlink()
    except OSError as error:
        if isinstance(error, Refusal):
            raise
        problem = error.strerror or str(error)
        raise Refusal(f"{path} cannot be written: {problem}", Exit.UNAVAILABLE) from error


def _created(path: Path, mode: int) -> BinaryIO:
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)
    return os.fdopen(os.open(path, flags, mode), "wb")


def _put(draft: Path, target: Path, force: bool) -> None:
    if force:
        draft.replace(target)
        return
    try:
        target.hardlink_to(draft)  # unlike a rename, this never replaces
    except FileExistsError:
        check_free(target, force=False)
        raise
    except OSError:  # a file system without links
        check_free(target, force=False)
        draft.replace(target)
