"""A folder of the local file system as a storage."""

from __future__ import annotations

import errno
import io
import os
import posixpath
from contextlib import AbstractContextManager
from functools import lru_cache, partial
from pathlib import Path
from stat import S_ISDIR
from typing import Any, BinaryIO, ClassVar
from urllib.parse import quote_from_bytes, unquote_to_bytes

from pydantic import field_validator

from upshot._bridge import compatible
from upshot.exceptions import InvalidStorageKey, StorageError, StorageUnavailable
from upshot.filesystems._folders import Place, copy_folder, working_folder
from upshot.filesystems._keys import relative_key
from upshot.filesystems._partial import PartialFile
from upshot.filesystems.base import FileSystem
from upshot.settings import get_current_settings

_SCHEME = "file://"


class LocalFileSystem(FileSystem):
    """Files below one folder, which is made when it is first needed: folders 0700, files 0600.

    What is written goes to a file that nobody sees, which then takes the place of the old one.
    With the setting `durability` at `full` it has reached the disk by then.

    Attributes:
        basepath: the folder; `~` is the user's home. None for the setting `local_storage_path`.
    """

    slug: ClassVar[str] = "local-file-system"

    basepath: str | None = None

    @field_validator("basepath", mode="before")
    @classmethod
    def _as_text(cls, basepath: Any) -> Any:
        return os.fspath(basepath) if isinstance(basepath, os.PathLike) else basepath

    def __str__(self) -> str:
        return f"{type(self).__name__}({self._root()!r})"

    @compatible
    def read_path(self, path: Place) -> bytes:
        """All bytes of a file.

        Raises:
            FileNotFoundError: if it is not there.
            InvalidStorageKey: if it is a folder, or outside of the base path.
            StorageUnavailable: if it cannot be read.
        """
        with self._unless_by_path(LocalFileSystem, "open")(_text(path)) as file:
            content: bytes = file.read()
        return content

    @compatible
    def write_path(self, path: Place, content: bytes) -> str:
        """Put bytes into a file, making the folders above it; gives its full path.

        Raises:
            InvalidStorageKey: if it is outside of the base path.
            StorageUnavailable: if it cannot be written.
        """
        key = _text(path)
        with self._unless_by_path(LocalFileSystem, "writing")(key) as file:
            file.write(content)
        return self._path(key)

    @compatible
    def get_directory(self, from_path: Place | None = None, local_path: Place | None = None) -> int:
        """Copy the contents of a folder into another, over what is there; gives how many files.

        Args:
            from_path: the folder in this storage; by default the base path.
            local_path: the other one; by default the working directory.

        Raises:
            FileNotFoundError: if the folder is not there.
            InvalidStorageKey: if it is outside of the base path.
        """
        return copy_folder(self._folder(from_path), working_folder(local_path))

    @compatible
    def put_directory(
        self,
        local_path: Place | None = None,
        to_path: Place | None = None,
        ignore_file: Place | None = None,
    ) -> int:
        """Copy the contents of a folder into this storage; gives the number of files.

        Args:
            local_path: the folder; by default the working directory.
            to_path: the folder in this storage; by default the base path.
            ignore_file: a file of patterns, as git's `.gitignore`, of files to leave out.

        Raises:
            FileNotFoundError: if the folder or the file of patterns is not there.
            InvalidStorageKey: if `to_path` is outside of the base path.
        """
        source, target = working_folder(local_path), self._folder(to_path)
        return copy_folder(source, target, ignore_file, mode=0o700)

    def open(self, key: str) -> BinaryIO:
        """An unbuffered reader of a file."""
        try:
            return io.FileIO(self._path(key))
        except FileNotFoundError:
            raise
        except OSError as error:
            raise self._refusal("read", key, error) from error

    def writing(self, key: str) -> AbstractContextManager[BinaryIO]:
        """A writer of the file that takes the place of the old one when its block ends well."""
        return PartialFile(
            self._path(key),
            durable=get_current_settings().durability == "full",
            refusal=partial(self._refusal, "write", key),
        )

    def size(self, key: str) -> int | None:
        """How many bytes a file has; None if there is none."""
        try:
            found = os.stat(self._path(key))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._refusal("read", key, error) from error
        return None if S_ISDIR(found.st_mode) else found.st_size

    def uri(self, key: str) -> str:
        """Where a file is: `file://` and its path, quoted."""
        root = self._root()
        return f"{_uri_of(root)}/{_quoted(relative_key(key, root))}"

    def key_of(self, uri: str) -> str | None:
        """The key of a `file://` place; None if it is not below the base path."""
        if not uri.startswith(f"{_SCHEME}/"):
            return None
        try:
            return relative_key(os.fsdecode(unquote_to_bytes(uri[len(_SCHEME) :])), self._root())
        except InvalidStorageKey:
            return None

    def described(self) -> LocalFileSystem:
        """The storage with its base path as it is now, absolute."""
        return self.model_copy(update={"basepath": self._root()})

    def _resolve_path(self, path: Place) -> Path:
        """Where a file or a folder is; the base path is one of them."""
        text, root = _text(path), self._root()
        is_root = os.path.normpath(os.path.join(root, text)) == root
        return Path(root if is_root else self._path(text))

    def _folder(self, given: Place | None) -> str:
        return str(self._resolve_path(given or self._root()))

    def _root(self) -> str:
        if self.basepath is None:
            return str(get_current_settings().local_storage_path)
        return _absolute(self.basepath)

    def _path(self, key: str) -> str:
        root = self._root()
        return f"{root.rstrip('/')}/{relative_key(key, root)}"

    def _refusal(self, operation: str, key: str, error: OSError) -> StorageError:
        if isinstance(error, IsADirectoryError):
            return InvalidStorageKey(key, self._root(), "is not a file")
        if error.errno == errno.ENAMETOOLONG:
            return InvalidStorageKey(key, self._root(), "is too long for this file system")
        said = error.strerror or str(error)
        return StorageUnavailable(str(self), f"{operation} {key!r}", said)


def _absolute(path: str) -> str:
    if path.startswith("/") and os.path is posixpath:
        return _normal(path)  # whatever the working directory is
    return os.path.abspath(os.path.expanduser(path))


@lru_cache(maxsize=64)
def _normal(path: str) -> str:
    return posixpath.normpath(path)


@lru_cache(maxsize=64)
def _uri_of(root: str) -> str:
    return _SCHEME + _quoted(root.rstrip("/"))


def _quoted(path: str) -> str:
    if path.isalnum() and path.isascii():
        return path  # as keys are that nobody chose
    return quote_from_bytes(os.fsencode(path))


def _text(path: Place) -> str:
    return os.fspath(path) if isinstance(path, os.PathLike) else path
