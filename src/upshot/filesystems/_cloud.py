"""What the storages of the clouds share: each is a remote file system that they make."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import AbstractContextManager
from typing import Annotated, Any, BinaryIO

from pydantic import BeforeValidator, ConfigDict, Field, PrivateAttr, SecretStr, field_validator

from upshot import filesystems
from upshot._bridge import compatible
from upshot.filesystems import _fsspec
from upshot.filesystems._folders import Place
from upshot.filesystems.base import FileSystem


class Cloud(FileSystem):
    """Files below a path in a bucket.

    Attributes:
        bucket_path: a bucket, and a path in it if you like.
        settings: what fsspec's file system is made with beside what the other fields say.
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    bucket_path: str
    settings: dict[str, Any] = Field(default_factory=dict, repr=False)

    _remote_file_system: Any = PrivateAttr(default=None)

    @field_validator("bucket_path")
    @classmethod
    def _has_no_scheme(cls, bucket_path: str) -> str:
        if not bucket_path.strip("/") or "://" in bucket_path:
            problem = "a bucket, and a path in it if you like, without a scheme"
            raise ValueError(f"bucket_path is {problem}. Got {bucket_path!r}.")
        return bucket_path

    @property
    @abstractmethod
    def basepath(self) -> str:
        """The URL below which the files are."""

    @abstractmethod
    def _settings(self) -> dict[str, Any]:
        """What the fields say that the file system is made with; None for what is left open."""

    def __str__(self) -> str:
        return f"{type(self).__name__}({self.bucket_path!r})"

    @property
    def filesystem(self) -> Any:
        """The `RemoteFileSystem` behind this storage, made at first use."""
        if self._remote_file_system is None:
            said = {name: value for name, value in self._settings().items() if value is not None}
            # by way of the package, where a program may have put its own
            self._remote_file_system = filesystems.RemoteFileSystem(
                basepath=self.basepath, settings=_fsspec.plain({**said, **self.settings})
            )
        return self._remote_file_system

    @compatible
    def read_path(self, path: str) -> bytes:
        """All bytes of a file; `FileNotFoundError` if it is not there."""
        content: bytes = self.filesystem.read_path(path)
        return content

    @compatible
    def write_path(self, path: str, content: bytes) -> str:
        """Put bytes into a file; gives its URL."""
        place: str = self.filesystem.write_path(path, content)
        return place

    @compatible
    def get_directory(self, from_path: str | None = None, local_path: Place | None = None) -> None:
        """Copy files into a local folder, as `RemoteFileSystem.get_directory`."""
        self.filesystem.get_directory(from_path=from_path, local_path=local_path)

    @compatible
    def put_directory(
        self,
        local_path: Place | None = None,
        to_path: str | None = None,
        ignore_file: Place | None = None,
    ) -> int:
        """Put the files of a local folder there, as `RemoteFileSystem.put_directory`."""
        number: int = self.filesystem.put_directory(
            local_path=local_path, to_path=to_path, ignore_file=ignore_file
        )
        return number

    def open(self, key: str) -> BinaryIO:
        """A reader of one version of a file."""
        file: BinaryIO = self.filesystem.open(key)
        return file

    def writing(self, key: str) -> AbstractContextManager[BinaryIO]:
        """A writer whose bytes are sent when its block ends well."""
        writing: AbstractContextManager[BinaryIO] = self.filesystem.writing(key)
        return writing

    def size(self, key: str) -> int | None:
        """How many bytes a file has; None if there is none."""
        size: int | None = self.filesystem.size(key)
        return size

    def uri(self, key: str) -> str:
        """Where a file is: its URL, quoted."""
        uri: str = self.filesystem.uri(key)
        return uri

    def key_of(self, uri: str) -> str | None:
        """The key of a quoted URL; None if it is not below the base path."""
        key: str | None = self.filesystem.key_of(uri)
        return key


def _opened(value: Any) -> Any:
    return value.get_secret_value() if isinstance(value, SecretStr) else value


# a name that is no secret, also where it was given as one
Name = Annotated[str, BeforeValidator(_opened)]


def secret(value: SecretStr | None) -> str | None:
    """What a secret field holds."""
    return None if value is None else value.get_secret_value()
