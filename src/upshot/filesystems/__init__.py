"""Storages: file systems that hold blobs."""

from typing import TYPE_CHECKING, Any

from upshot._registry import import_path as _import_path

if TYPE_CHECKING:
    from upshot.filesystems.base import FileSystem as FileSystem

_PLACES = {
    "Azure": "azure",
    "FileSystem": "base",
    "GCS": "gcs",
    "GitHub": "github",
    "LocalFileSystem": "local",
    "MemoryFileSystem": "memory",
    "RemoteFileSystem": "remote",
    "S3": "s3",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _import_path(f"{__name__}.{_PLACES[name]}.{name}")


__all__ = [*_PLACES]
