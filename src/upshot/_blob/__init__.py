"""The blob: one JSON document that holds a value, and how to write and read it.

::

    {"serializer":{…},"data":"…","upshot_version":"…","created":"…","digest":"xxh3-128:…"}

What follows `data` follows it on purpose: a writer goes from front to back in one pass. The digest
is of every byte from the start up to and including the closing quote of `data`.
"""

from upshot._blob.document import PersistedResultBlob, read_whole
from upshot._blob.read import BlobDescription, describe_blob, read_blob
from upshot._blob.write import Written, write_blob

__all__ = [
    "BlobDescription",
    "PersistedResultBlob",
    "Written",
    "describe_blob",
    "read_blob",
    "read_whole",
    "write_blob",
]
