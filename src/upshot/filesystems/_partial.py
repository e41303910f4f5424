"""Files that are written beside the place they are for, and put there when they are whole."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from upshot._ids import new_name
from upshot.exceptions import StorageError

if sys.platform == "darwin":
    import fcntl

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class PartialFile(io.FileIO):
    """A hidden file in the folder of its target, whose place it takes when its block ends well.

    It is not there before the block, and not after one that was left in any other way.

    Args:
        target: the path to be written; folders that it needs are made.
        durable: whether what is told to be there must survive the death of the machine.
        refusal: makes an error of this library of what the system said.
    """

    _there = False  # or perhaps it is

    def __init__(
        self, target: str, *, durable: bool, refusal: Callable[[OSError], StorageError]
    ) -> None:
        self._target, self._durable, self._refusal = target, durable, refusal
        self._folder = target[: target.rindex("/")] or "/"
        self._path = f"{self._folder}/.upshot-{new_name()}"

    def __enter__(self) -> Self:
        self._there = True
        try:
            self._create()
        except BaseException:
            self._discard()
            raise
        return self

    def __exit__(self, kind: object, *raised: Any) -> None:
        try:
            if kind is None:
                self._settle()
        finally:
            if self._there:
                self._discard()

    def __del__(self) -> None:
        if self._there:  # an interrupt came before who opened it knew
            self._discard()

    def write(self, data: ReadableBuffer, /) -> int:
        """Write all of `data`."""
        try:
            written = super().write(data)
            size = len(data) if type(data) is bytes else memoryview(data).nbytes
            while written < size:
                # the system took less: a signal came, the disk is nearly full, or it is > 2 GB
                written += super().write(memoryview(data).cast("B")[written:])
        except OSError as error:
            raise self._refusal(error) from error
        return written

    def _create(self) -> None:
        # called below Python, where no interrupt can part the file from who is to close it
        opener = partial(os.open, mode=0o600)
        try:
            try:
                super().__init__(self._path, "xb", opener=opener)
            except FileNotFoundError:
                make_folders(self._folder, durable=self._durable)
                super().__init__(self._path, "xb", opener=opener)
        except OSError as error:
            raise self._refusal(error) from error

    def _settle(self) -> None:
        try:
            if self._durable:
                _sync(self.fileno())
            self.close()
            os.replace(self._path, self._target)
            self._there = False
            if self._durable:
                sync_folder(self._folder)
        except OSError as error:
            raise self._refusal(error) from error

    def _discard(self) -> None:
        with suppress(OSError):
            self.close()
        with suppress(OSError):
            os.unlink(self._path)
        self._there = False


def make_folders(path: str, *, durable: bool) -> None:
    """Make a folder, and those above it that are not there, for nobody else to look into."""
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        return
    except FileNotFoundError:
        above = os.path.dirname(path)
        if above == path:
            raise
        make_folders(above, durable=durable)
        with suppress(FileExistsError):
            os.mkdir(path, 0o700)
    if durable:
        sync_folder(os.path.dirname(path))


def sync_folder(path: str) -> None:
    """Return when the names in a folder have reached the disk."""
    if sys.platform != "win32":
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            _sync(descriptor)
        finally:
            os.close(descriptor)


def _sync(descriptor: int) -> None:
    if sys.platform == "darwin":
        # there, fsync leaves the data in the disk's own memory
        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
    else:
        os.fsync(descriptor)
