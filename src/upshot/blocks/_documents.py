"""What a client of the run store is given of a storage."""

from __future__ import annotations

from typing import Any, TypeVar
from uuid import UUID

from pydantic import Field, Secret

from upshot._models import Model
from upshot.blocks._fields import fields_of, shown_fields
from upshot.exceptions import UnreadableBlock
from upshot.filesystems import FileSystem
from upshot.filesystems._names import slug_of
from upshot.filesystems._secrets import HIDDEN, SECRETS
from upshot.records import Block
from upshot.runstore import RunStore

S = TypeVar("S", bound=FileSystem)


class BlockDocument(Model):
    """A storage as the run store has it.

    Attributes:
        id: its identity, which references name.
        name: what it was saved under; None if it was not.
        block_type_slug: what stands before the `/` of `type/name`.
        data: its fields by name; a secret one is a `pydantic.Secret`, whose text hides it, or just
            `**********`.
        is_anonymous: whether it was registered because a result needed it.
    """

    id: UUID
    name: str | None = None
    block_type_slug: str
    data: dict[str, Any] = Field(default_factory=dict)
    is_anonymous: bool = False


def read_document(
    id: UUID, store: RunStore, *, include_secrets: bool = True
) -> BlockDocument | None:
    """The document of the storage with this identity; None if the store has none.

    Args:
        id: the identity.
        store: the run store.
        include_secrets: decrypt the secrets, which a storage can then be made with.

    Raises:
        UnreadableBlock: if they are to be included, and no key here decrypts them.
        UnusableKey: if they are, and the key cannot be read.
    """
    block = store.block(id)
    return None if block is None else _document(block, include_secrets)


def of_document(cls: type[S], document: BlockDocument) -> S:
    """The storage of this class that a document describes.

    Raises:
        UnreadableBlock: if the document was read without its secrets.
    """
    if HIDDEN in document.data.values():
        problem = "its document was read without secrets; read it with include_secrets=True"
        raise UnreadableBlock(document.name or str(document.id), problem)
    fields = {
        name: value.get_secret_value() if isinstance(value, SECRETS) else value
        for name, value in document.data.items()
    }
    storage = cls.model_validate(fields)
    storage.identified(document.id, name=None if document.is_anonymous else document.name)
    return storage


def _document(block: Block, include_secrets: bool) -> BlockDocument:
    if include_secrets:
        public, secret = fields_of(block)
        data = public | {name: Secret[Any](value) for name, value in secret.items()}
    else:
        data = shown_fields(block)
    return BlockDocument(
        id=block.id,
        name=block.name,
        block_type_slug=slug_of(block.type),
        data=data,
        is_anonymous=block.is_anonymous,
    )
