"""Files that are written beside the place they are for, and put there when they are whole."""

from __future__ import annotations

import errno
import io
import os
import shutil
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

_NAMED = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
# how Linux makes a file that has no name, which it can be given through a name of its number
_NUMBERS = "/proc/self/fd"
_NAMELESS = os.O_RDWR | os.O_TMPFILE if sys.platform == "linux" and os.path.isdir(_NUMBERS) else 0
_NOT_HERE = (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOSYS)  # says a file system


class PartialFile(io.FileIO):
    """A file that takes the place of its target when its block ends well.

    Nobody sees it before: it has no name where the system has such files, and is hidden in the
    folder of its target elsewhere. It is gone after a block that was left in any other way.

    Args:
        target: the path to be written; folders that it needs are made.
        durable: whether what is told to be there must survive the death of the machine.
        refusal: makes an error of this library of what the system said.
    """

    _hidden: _Hidden | None = None

    def __init__(
        self, target: str, *, durable: bool, refusal: Callable[[OSError], StorageError]
    ) -> None:
        self._target, self._durable, self._refusal = target, durable, refusal
        self._folder = target[: target.rindex("/")] or "/"

    def __enter__(self) -> Self:
        try:
            try:
                self._create()
            except FileNotFoundError:
                make_folders(self._folder, durable=self._durable)
                self._create()
        except BaseException as error:
            self._discard()
            if isinstance(error, OSError):
                raise self._refusal(error) from error
            raise
        return self

    def __exit__(self, kind: object, *raised: Any) -> None:
        try:
            if kind is None:
                self._settle()
        except OSError as error:
            raise self._refusal(error) from error
        finally:
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
        if _NAMELESS:
            try:
                self._open(self._folder, _NAMELESS, "r+b")
            except OSError as error:
                if error.errno not in _NOT_HERE:
                    raise
            else:
                return
        self._open(self._hide(), _NAMED, "wb")

    def _open(self, path: str, flags: int, mode: str) -> None:
        # all of it below Python, where no interrupt can part the file from who is to close it
        opened = map(os.open, (path,), (flags,), (0o600,))
        next(map(super().__init__, opened, (mode,)))

    def _settle(self) -> None:
        if self._durable:
            _sync(self.fileno())
        if self._hidden is None and not self._link(self._target):
            # there is one, to be replaced; or there are no links, to give a file a name
            hidden = self._hide()
            if not self._link(hidden):
                self._copy(hidden)
        self.close()
        if self._hidden is not None:
            os.replace(self._hidden.path, self._target)
            self._hidden.there = False
        if self._durable:
            sync_folder(self._folder)

    def _hide(self) -> str:
        self._hidden = _Hidden(f"{self._folder}/.upshot-{new_name()}")
        return self._hidden.path

    def _link(self, name: str) -> bool:
        number = self.fileno()
        try:
            # a number for the folder, though it is not asked for, makes Python follow the link
            os.link(f"{_NUMBERS}/{number}", name, src_dir_fd=number, follow_symlinks=True)
        except OSError:
            return False
        return True

    def _copy(self, name: str) -> None:
        self.seek(0)
        with open(name, "xb", opener=partial(os.open, mode=0o600)) as copy:
            shutil.copyfileobj(self, copy)
            copy.flush()
            if self._durable:
                _sync(copy.fileno())

    def _discard(self) -> None:
        if not self.closed:
            with suppress(OSError):
                self.close()
        if self._hidden is not None:
            self._hidden.remove()


class _Hidden:
    """The name that a file has, or perhaps has, before it is whole.

    It is not the file that looks after it when an interrupt came before who opened that knew: no
    interrupt gets through a finalizer, and nameless files shall have none.
    """

    def __init__(self, path: str) -> None:
        self.path, self.there = path, True

    def remove(self) -> None:
        if self.there:
            with suppress(OSError):
                os.unlink(self.path)
            self.there = False

    def __del__(self) -> None:
        self.remove()


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
