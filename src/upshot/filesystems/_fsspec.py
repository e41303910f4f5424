"""The file systems of fsspec: made when first used, and told to give and take a file as a whole.

Left to themselves some read a large object in ranges, each of which may be of another version of
it, and some keep listings that go stale.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import SecretBytes, SecretStr

from upshot import _registry
from upshot.exceptions import MissingExtra
from upshot.filesystems._spool import fetched

_PART = 8 * 2**20
_TRIES = 10  # to read a file that others keep replacing


@dataclass(frozen=True)
class Kind:
    """What is particular to the file systems of some schemes.

    Attributes:
        extra: what to install for it: an extra of upshot; "" if nothing is needed.
        package: the package behind it.
        settings: of its file system, where the user says nothing.
        get: arguments with which `get_file` gives one version of a file.
        put: arguments with which `put_file` needs little memory.
        changed: the error by which `get_file` says that the file was replaced meanwhile.
        escaped: characters that its paths cannot have.
        has_folders: whether folders must be there before files are.
        tells: whether `put_file` says when it has sent a part, and aborts if that raises.
    """

    extra: str = ""
    package: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    get: Mapping[str, Any] = field(default_factory=dict)
    put: Mapping[str, Any] = field(default_factory=dict)
    changed: str = ""
    escaped: str = ""
    has_folders: bool = False
    tells: bool = False


# listings go stale, and so does a file system that was made when the environment was another
_FRESH = {"use_listings_cache": False, "skip_instance_cache": True}
_S3 = Kind(
    *("s3", "s3fs", _FRESH),
    get={"max_concurrency": 1},
    put={"chunksize": _PART, "max_concurrency": 4},
    tells=True,
)
_GCS = Kind("gcs", "gcsfs", _FRESH, get={"concurrency": 1}, put={"chunksize": _PART})
_AZURE = Kind(
    *("azure", "adlfs", _FRESH),
    get={"max_concurrency": 1},
    put={"max_concurrency": 1},
    changed="ResourceModifiedError",
    escaped="%?#",
)
_MEMORY = Kind()
_OTHER = Kind(has_folders=True)
_KINDS = {
    **dict.fromkeys(("s3", "s3a"), _S3),
    **dict.fromkeys(("gs", "gcs"), _GCS),
    **dict.fromkeys(("abfs", "abfss", "az"), _AZURE),
    "memory": _MEMORY,
}


def kind_of(scheme: str) -> Kind:
    """What is particular to a scheme."""
    return _KINDS.get(scheme, _OTHER)


def make(scheme: str, settings: Mapping[str, Any]) -> Any:
    """The file system that fsspec has for a scheme.

    Raises:
        MissingExtra: if the package that it needs is not installed.
    """
    kind = kind_of(scheme)
    options = {**kind.settings, **plain(settings)}
    try:
        if kind is _GCS and ("endpoint_url" in options or "STORAGE_EMULATOR_HOST" in os.environ):
            # the class that fsspec would take asks Google about each bucket first
            return _registry.import_path("gcsfs.core.GCSFileSystem")(**options)
        return _registry.import_path("fsspec.filesystem")(scheme, **options)
    except ImportError as error:
        raise MissingExtra(f"{scheme}://", kind.extra, kind.package or str(error)) from error


def get_file(filesystem: Any, scheme: str, path: str) -> Any:
    """A reader of one version of a file."""
    kind = kind_of(scheme)
    if kind is _MEMORY:
        # whose readers share one position
        content = filesystem.cat_file(path)
        return fetched(lambda name: _write(name, content))
    if kind is _OTHER:
        return fetched(lambda name: _copy_out(filesystem, path, name))
    for _ in range(_TRIES - 1):
        try:
            return fetched(lambda name: filesystem.get_file(path, name, **kind.get))
        except Exception as error:
            if type(error).__name__ != kind.changed:
                raise
    return fetched(lambda name: filesystem.get_file(path, name, **kind.get))


def put_file(filesystem: Any, scheme: str, source: str, path: str) -> None:
    """Put a local file there."""
    kind = kind_of(scheme)
    if kind is _MEMORY:
        with open(source, "rb") as file:
            filesystem.pipe_file(path, file.read())
    else:
        make_parents(filesystem, scheme, path)
        upload = _Upload()
        try:
            told = {"callback": upload} if kind.tells else {}
            filesystem.put_file(source, path, **kind.put, **told)
        except BaseException:
            upload.broken_off = True
            raise


class _Upload:
    """Is told by fsspec how an upload goes on in a thread of its own, and ends it there.

    Attributes:
        broken_off: whether who waited for it does not any longer, for an interrupt.
    """

    broken_off = False

    def set_size(self, size: int) -> None:
        """How many bytes there are."""

    def relative_update(self, inc: int = 1) -> None:
        """So many more were sent."""
        if self.broken_off:
            raise InterruptedError("the upload was broken off")


def put_bytes(filesystem: Any, scheme: str, content: bytes, path: str) -> None:
    """Put a few bytes there, in one request."""
    make_parents(filesystem, scheme, path)
    filesystem.pipe_file(path, content)


def make_parents(filesystem: Any, scheme: str, path: str) -> None:
    """Make the folders above a file, where there are such things."""
    if kind_of(scheme).has_folders:
        filesystem.makedirs(path.rpartition("/")[0], exist_ok=True)


def _write(name: str, content: bytes) -> None:
    with open(name, "wb") as file:
        file.write(content)


def _copy_out(filesystem: Any, path: str, name: str) -> None:
    with filesystem.open(path, "rb") as source, open(name, "wb") as target:
        shutil.copyfileobj(source, target)


def plain(value: Any) -> Any:
    """Settings, with what is in each secret of pydantic in its place."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    return value.get_secret_value() if isinstance(value, SecretBytes | SecretStr) else value
