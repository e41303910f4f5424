"""Any place that fsspec knows by an URL as a storage."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, BinaryIO, ClassVar, cast
from urllib.parse import quote, unquote

from pydantic import Field, PrivateAttr, field_validator

from upshot._bridge import compatible
from upshot.exceptions import InvalidStorageKey, StorageError, StorageUnavailable
from upshot.filesystems import _fsspec
from upshot.filesystems._folders import Place, files_below, working_folder
from upshot.filesystems._keys import relative_key
from upshot.filesystems._secrets import is_credential_in, secret_texts, tells, without
from upshot.filesystems._spool import Spool
from upshot.filesystems.base import FileSystem

_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<rest>.*)", re.DOTALL)
_UNQUOTED = "/:@"


class RemoteFileSystem(FileSystem):
    """Files below one URL, such as `s3://bucket/folder` or `memory://name`, through fsspec.

    On object stores each write is one PUT or a completed multipart upload. Larger values go
    through a temporary file in both directions, so that memory holds a few parts at most.

    Attributes:
        basepath: the URL: a scheme that fsspec knows, a location, a path if you like.
        settings: what fsspec's file system of that scheme is made with.
    """

    slug: ClassVar[str] = "remote-file-system"

    basepath: str
    settings: dict[str, Any] = Field(default_factory=dict, repr=False)

    _filesystem: Any = PrivateAttr(default=None)
    _process: int | None = PrivateAttr(default=None)  # that made it, where not given from outside

    @field_validator("basepath")
    @classmethod
    def _has_scheme_and_location(cls, basepath: str) -> str:
        url = _URL.match(basepath)
        if url is None:
            raise ValueError(f"Base path must start with a scheme. Got {basepath!r}.")
        if not url["rest"].partition("/")[0]:
            local = "; for local files there is LocalFileSystem" if url["scheme"] == "file" else ""
            raise ValueError(
                f"Base path must include a location after the scheme. Got {basepath!r}{local}."
            )
        if is_credential_in(basepath):
            raise ValueError("Base path must hold no password: references show it. Use settings.")
        return basepath

    def __str__(self) -> str:
        return f"{type(self).__name__}({self.basepath!r})"

    @property
    def filesystem(self) -> Any:
        """The file system of fsspec, made at first use.

        Raises:
            MissingExtra: if the package that it needs is not installed.
            StorageUnavailable: if it cannot be made, and says so with a secret of the settings.
        """
        if self._filesystem is None or self._process not in (None, os.getpid()):
            try:
                self._filesystem = _fsspec.make(self._scheme, self.settings)
            except Exception as error:
                if self._is_told_by(error):
                    raise self._refused("use its settings", error) from None
                raise
            self._process = os.getpid()  # its connections are of no use to a forked child
        return self._filesystem

    @compatible
    def read_path(self, path: str) -> bytes:
        """All bytes of a file.

        Raises:
            FileNotFoundError: if it is not there.
            InvalidStorageKey: if it is outside of the base path.
            StorageUnavailable: if it cannot be read.
        """
        with self._unless_by_path(RemoteFileSystem, "open")(path) as file:
            content: bytes = file.read()
        return content

    @compatible
    def write_path(self, path: str, content: bytes) -> str:
        """Put bytes into a file; gives its URL.

        Raises:
            InvalidStorageKey: if it is outside of the base path.
            StorageUnavailable: if it cannot be written.
        """
        with self._unless_by_path(RemoteFileSystem, "writing")(path) as file:
            file.write(content)
        return self._url(self._key(path))

    @compatible
    def get_directory(self, from_path: str | None = None, local_path: Place | None = None) -> None:
        """Copy the files below a path into a local folder, over what is there.

        Args:
            from_path: the path; by default the base path.
            local_path: the folder; by default the working directory.

        Raises:
            FileNotFoundError: if there are none.
            InvalidStorageKey: if the path is outside of the base path.
            StorageUnavailable: if they cannot be read.
        """
        # with a slash at the end fsspec copies the contents, and not the folder
        source = self._resolve_path(from_path or self.basepath).rstrip("/") + "/"
        target = working_folder(local_path)
        with self._refusals("read", source):
            self.filesystem.get(source, target, recursive=True)

    @compatible
    def put_directory(
        self,
        local_path: Place | None = None,
        to_path: str | None = None,
        ignore_file: Place | None = None,
    ) -> int:
        """Put the files below a local folder under a path; gives their number.

        Args:
            local_path: the folder; by default the working directory.
            to_path: the path; by default the base path.
            ignore_file: a file of patterns, as git's `.gitignore`, of files to leave out.

        Raises:
            FileNotFoundError: if the folder or the file of patterns is not there.
            InvalidStorageKey: if the path is outside of the base path.
            StorageUnavailable: if they cannot be written.
        """
        folder = working_folder(local_path)
        target = self._resolve_path(to_path or self.basepath).rstrip("/")
        names = files_below(folder, ignore_file)
        for name in names:
            path = f"{target}/{self._escaped(name)}"
            with self._refusals("write", path, writing=True):
                source = os.path.join(folder, name)
                _fsspec.put_file(self.filesystem, self._scheme, source, path)
        return len(names)

    def open(self, key: str) -> BinaryIO:
        """A reader of one version of a file, fetched as a whole before this returns."""
        path = self._path(key)
        with self._refusals("read", key):
            found: BinaryIO = _fsspec.get_file(self.filesystem, self._scheme, path)
        return found

    @contextmanager
    def writing(self, key: str) -> Iterator[BinaryIO]:
        """A writer whose bytes are sent when its block ends well."""
        path = self._path(key)
        with Spool() as spool:
            yield cast("BinaryIO", spool)
            with self._refusals("write", key, writing=True):
                filesystem, scheme = self.filesystem, self._scheme
                spool.send(
                    partial(_fsspec.put_bytes, filesystem, scheme, path=path),
                    partial(_fsspec.put_file, filesystem, scheme, path=path),
                )

    def size(self, key: str) -> int | None:
        """How many bytes a file has; None if there is none."""
        path = self._path(key)
        try:
            with self._refusals("read", key):
                found = self.filesystem.info(path)
        except FileNotFoundError:
            return None
        return None if found["type"] == "directory" else int(found["size"])

    def uri(self, key: str) -> str:
        """Where a file is: its URL, quoted."""
        return quote(self._url(self._key(key)), safe=_UNQUOTED)

    def key_of(self, uri: str) -> str | None:
        """The key of a quoted URL; None if it is not below the base path."""
        base = quote(self._root, safe=_UNQUOTED) + "/"
        if not uri.startswith(base):
            return None
        try:
            return relative_key(unquote(uri.removeprefix(base), errors="strict"), self.basepath)
        except (InvalidStorageKey, UnicodeDecodeError):
            return None

    @property
    def _scheme(self) -> str:
        return self.basepath.partition("://")[0]

    @property
    def _root(self) -> str:
        return self.basepath.rstrip("/")

    def _resolve_path(self, path: str) -> str:
        """The URL of a path, which may be one itself; of the base path, with a slash at its end."""
        if path.rstrip("/") == self._root:
            return f"{self._root}/"
        return self._path(path)

    def _path(self, key: str) -> str:
        return self._url(self._escaped(self._key(key)))

    def _url(self, key: str) -> str:
        return f"{self._root}/{key}"

    def _escaped(self, key: str) -> str:
        for character in _fsspec.kind_of(self._scheme).escaped:
            key = key.replace(character, f"%{ord(character):02X}")
        return key

    def _key(self, path: str) -> str:
        """The key that a path means, relative or as an URL."""
        url = _URL.match(path)
        if url is None:
            return relative_key(path, self.basepath)
        if url["scheme"] != self._scheme:
            problem = (
                f"with scheme {url['scheme']!r} must use the same scheme as the base path"
                f" {self._scheme!r}"
            )
            raise InvalidStorageKey(path, self.basepath, problem)
        if not path.startswith(f"{self._root}/"):
            problem = f"is outside of the base path {self.basepath!r}"
            raise InvalidStorageKey(path, self.basepath, problem)
        return relative_key(path.removeprefix(f"{self._root}/"), self.basepath)

    @contextmanager
    def _refusals(self, operation: str, key: str, *, writing: bool = False) -> Iterator[None]:
        try:
            yield
        except StorageError:
            raise
        except Exception as error:
            cause = None if self._is_told_by(error) else error
            if isinstance(error, FileNotFoundError) and not writing:
                raise FileNotFoundError(f"{self} has nothing under {key!r}") from cause
            if isinstance(error, IsADirectoryError):
                raise InvalidStorageKey(key, self.basepath, "is not a file") from cause
            raise self._refused(f"{operation} {key!r}", error) from cause

    def _refused(self, operation: str, error: Exception) -> StorageUnavailable:
        said = without(secret_texts(self.settings), " ".join(str(error).split()))
        return StorageUnavailable(str(self), operation, f"{type(error).__name__}: {said}")

    def _is_told_by(self, error: Exception) -> bool:
        """Whether a secret of the settings is in what a file system has raised."""
        return tells(secret_texts(self.settings), error)
