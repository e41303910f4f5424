"""Copying whole folders: which files are in one, which of them a file of patterns leaves out."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from upshot import _registry

Place = str | os.PathLike[str]


def working_folder(given: Place | None) -> str:
    """A local folder, absolute; nothing, or no text, is the working directory."""
    return os.path.abspath(os.path.expanduser(os.fspath(given or ".")))


def files_below(folder: str, ignore_file: Place | None = None) -> list[str]:
    """The files below a folder, relative and with `/` between the parts, links followed.

    Args:
        folder: where to look.
        ignore_file: a file of patterns, as git's `.gitignore`, of those to leave out.

    Raises:
        FileNotFoundError: if the folder, or the file of patterns, is not there.
        NotADirectoryError: if it is no folder.
    """
    if not os.path.isdir(folder):
        raise (NotADirectoryError if os.path.exists(folder) else FileNotFoundError)(
            f"{folder!r} is not a folder"
        )
    found = sorted(_walk(folder, frozenset()))
    if ignore_file is None:
        return found
    with open(ignore_file, encoding="utf-8") as lines:
        spec: Any = _registry.import_path("pathspec.GitIgnoreSpec").from_lines(lines)
    return [name for name in found if not spec.match_file(name)]


def _walk(folder: str, above: frozenset[str], prefix: str = "") -> Iterator[str]:
    place = os.path.realpath(folder)
    if place in above:
        return  # a link back up
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                yield from _walk(entry.path, above | {place}, f"{prefix}{entry.name}/")
            elif entry.is_file():
                yield prefix + entry.name


def copy_folder(
    source: str, target: str, ignore_file: Place | None = None, *, mode: int = 0o777
) -> int:
    """Copy the contents of a folder into another, over what is there; gives the number of files.

    Copying a folder onto itself does nothing. Each file is whole in its place, or not there.

    Args:
        source: the folder.
        target: the other one, which is made where it is not there.
        ignore_file: a file of patterns, as git's `.gitignore`, of those to leave out.
        mode: who may look into folders that are made.
    """
    if os.path.realpath(source) == os.path.realpath(target):
        return 0
    # listed before anything is copied, so that a target inside the source is not copied again
    names = files_below(source, ignore_file)
    _make(target, mode)
    for name in names:
        place = os.path.join(target, name)
        _make(os.path.dirname(place), mode)
        _copy(os.path.join(source, name), place)
    return len(names)


def _make(folder: str, mode: int) -> None:
    if not os.path.isdir(folder):
        _make(os.path.dirname(folder), mode)
        with suppress(FileExistsError):
            os.mkdir(folder, mode)


def _copy(source: str, target: str) -> None:
    if os.path.exists(target) and os.path.samefile(source, target):
        return
    beside = Path(target).with_name(f".upshot-{os.urandom(8).hex()}")
    try:
        shutil.copy2(source, beside)
        os.replace(beside, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(beside)
        raise
