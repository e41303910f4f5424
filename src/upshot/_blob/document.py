"""A blob as a document: the whole of it, its value still as text."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
from pydantic import ConfigDict, SerializeAsAny, ValidationError

from upshot._blob import format
from upshot._blob.read import framed_blob
from upshot._blob.source import Source
from upshot._models import Model
from upshot._version import __version__
from upshot.exceptions import UnknownPlugin, UnreadableResult
from upshot.filesystems import FileSystem
from upshot.serializers import Serializer


class PersistedResultBlob(Model):
    """What a storage holds of a result. Prefect's blobs are read, too.

    Attributes:
        serializer: what made the data, and makes a value of it again: `serializer.loads(data)`.
        data: the value as text; of a pickle, as base64; of frames, as base64 of each.
        upshot_version: which upshot wrote it.
        created: when; None for what Prefect wrote.
        digest: of all bytes up to the end of the data; likewise.
    """

    model_config = ConfigDict(extra="ignore")

    serializer: SerializeAsAny[Serializer]
    data: bytes
    upshot_version: str = __version__
    created: datetime | None = None
    digest: str | None = None

    def to_bytes(self) -> bytes:
        """This blob as a storage holds it, with its digest made anew."""
        text = orjson.dumps(self.data.decode())[1:-1]
        begin = format.head(self.serializer.description()) + text + b'"'
        digest = f"{format.DIGEST}:{format.new_hash(begin).hexdigest()}"
        return begin + format.tail(self.upshot_version, self.created or datetime.now(UTC), digest)


def read_whole(storage: FileSystem, key: str) -> PersistedResultBlob:
    """The blob under a key; nothing of its value is loaded, nor its digest verified.

    Raw frames are verified, and come as text, which is what their serializer's `loads` takes.

    Raises:
        BlobMissing: if there is nothing under the key.
        UnreadableResult: if what is there is no blob.
        InvalidStorageKey: if the key is none.
        StorageUnavailable: if the storage refuses.
    """
    with Source(storage, key) as source:
        try:
            if (framed := framed_blob(source)) is not None:
                return _of_frames(framed)
            text = source.between(0, source.size)
            return PersistedResultBlob.model_validate_json(text)
        except format.Damaged as error:
            raise UnreadableResult(key, str(storage), str(error)) from error
        except (ValidationError, UnknownPlugin) as error:
            raise UnreadableResult(key, str(storage), format.said(error)) from error


def _of_frames(framed: Any) -> PersistedResultBlob:
    fields = {**framed.fields, "serializer": format.parsed(framed.description)}
    return PersistedResultBlob.model_validate({**fields, "data": framed.text()})
