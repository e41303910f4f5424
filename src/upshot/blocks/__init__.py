"""Storages in the run store: found again by identity, saved and loaded by name.

A storage that nobody saved under a name has an identity that follows from what it is, so that
equal storages share one row, in every process.
"""

from upshot.blocks._documents import BlockDocument, of_document, read_document
from upshot.blocks._fields import shown_fields, title
from upshot.blocks._recorded import (
    find,
    find_by_uri,
    identify,
    kind_of,
    name_of,
    readable,
    register,
    storage_class,
)
from upshot.blocks._saved import (
    Rotation,
    default_storage,
    load,
    load_of,
    made,
    remove,
    rotate,
    save,
    saved,
)
from upshot.runstore import open_store

__all__ = [
    "BlockDocument",
    "Rotation",
    "default_storage",
    "find",
    "find_by_uri",
    "identify",
    "kind_of",
    "load",
    "load_of",
    "made",
    "name_of",
    "of_document",
    "open_store",
    "read_document",
    "readable",
    "register",
    "remove",
    "rotate",
    "save",
    "saved",
    "shown_fields",
    "storage_class",
    "title",
]
