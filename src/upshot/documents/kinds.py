"""The kinds of results: in memory, in their own document, in a storage, unknown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal, Self, TypeVar
from uuid import UUID

from pydantic import Field, StrictBool, StrictStr

from upshot import _registry
from upshot._bridge import compatible
from upshot._html import facts
from upshot.documents.base import BaseResult, Mapped, Reader
from upshot.exceptions import DroppedFromMemory, NotPersisted

R = TypeVar("R")

LITERALS = (type(None), bool, UUID)


class UnpersistedResult(BaseResult[R]):
    """A result that is in memory only, or nowhere."""

    type: Literal["unpersisted"] = "unpersisted"

    @compatible(blocks=False, on_class=True)
    def create(cls: Any, obj: R, cache_object: bool = True) -> Any:
        """A result of a value that is written nowhere.

        Args:
            obj: the value.
            cache_object: keep it in memory; without, it cannot be had.
        """
        return cls().remember(obj, keep=cache_object)

    def __reduce__(self) -> Any:
        # the value is nowhere else, so here, and only here, a pickle takes it along
        held = (self._value,) if hasattr(self, "_value") else ()
        return _unpersisted, held

    def _read(self, trust: bool, mmap: Mapped) -> R:
        if self.is_dropped():
            raise DroppedFromMemory
        raise NotPersisted

    @classmethod
    def new(cls) -> Self:
        """A result of nothing yet; what calling the class gives, at a third of its price."""
        return cls.made_of(_FIELDS)


# of all that are made as `new`: there is nothing to check in them, nobody can change them, and
# each run has one
_FIELDS: dict[str, Any] = dict(UnpersistedResult())


def _unpersisted(*held: Any) -> UnpersistedResult[Any]:
    result: UnpersistedResult[Any] = UnpersistedResult.new()
    for value in held:
        result.hold(value)
    return result


class LiteralResult(BaseResult[R]):
    """A result that is its own document: None, a bool or a UUID."""

    type: Literal["literal"] = "literal"
    value: Annotated[StrictBool | UUID | StrictStr | None, Field(union_mode="left_to_right")]

    @property
    def artifact_description(self) -> str:
        """What this result is, for people."""
        return f"Result with value `{self.value}` persisted to upshot."

    @compatible(blocks=False, on_class=True)
    def create(cls: Any, obj: Any) -> Any:
        """A result of a value that is its own document.

        Raises:
            TypeError: if it is neither None nor a bool nor a UUID.
        """
        if type(obj) not in LITERALS:
            expected = "None, bool, UUID"
            problem = f"Unsupported type {type(obj).__name__!r} for result literal."
            raise TypeError(f"{problem} Expected one of: {expected}.")
        return cls(value=obj)

    def has_cached_object(self) -> bool:
        """True: the value is always at hand."""
        return True

    def fetch(self, *, trust: bool = False, mmap: Mapped = False) -> R:
        """The value."""
        return self.value  # type: ignore[return-value]


class PersistedResult(BaseResult[R]):
    """A reference: where the blob of a value is. It never holds a credential.

    Attributes:
        serializer_type: the type of the serializer; the blob has its full description.
        storage_block_id: the storage's identity in the run store.
        storage_key: the blob's key in that storage.
        uri: where the blob is, for readers that do not know the storage; None if nowhere.
        size: the blob's size in bytes.
        digest: the blob's digest, which is verified before anything is loaded.
        format: the version of this document.
    """

    type: Literal["reference"] = "reference"
    serializer_type: str
    storage_block_id: UUID
    storage_key: str
    uri: str | None = None
    size: int | None = None
    digest: str | None = None
    format: Literal[1] = 1

    @property
    def artifact_description(self) -> str:
        """What this result is, for people."""
        place = self.uri or f"{self.storage_key} in storage {self.storage_block_id}"
        return f"Result{self._of_type()} persisted to `{place}`."

    @compatible(on_class=True)
    def create(
        cls: Any,
        obj: R,
        *,
        storage_block_id: UUID,
        storage_block: Any,
        storage_key_fn: Callable[[], str],
        serializer: Any,
        cache_object: bool = True,
    ) -> Any:
        """A result of a value, which is in its storage by then.

        Args:
            obj: the value.
            storage_block_id: the storage's identity in the run store.
            storage_block: the storage.
            storage_key_fn: gives the key there.
            serializer: how the value becomes text.
            cache_object: keep it in memory, too, also when it is read again.

        Raises:
            TypeError: if the key is no text.
            UnserializableValue: if the serializer cannot take the value.
            StorageError: if the storage refuses it, or the key is none.
        """
        write = _registry.load("room", "writer")
        reference = write(obj, storage_block, serializer, storage_key_fn, id=storage_block_id)
        return reference.remember(obj, keep=cache_object)

    @compatible
    def _read_blob(self) -> Any:
        return _registry.load("room", "blob reader")(self)

    def _repr_html_(self) -> str:
        rows = {
            "serializer": self.serializer_type,
            "key": self.storage_key,
            "place": self.uri,
            "bytes": self.size,
            "digest": self.digest,
        }
        return facts("Reference", rows)

    def _read(self, trust: bool, mmap: Mapped) -> R:
        read: Reader = _registry.load("room", "reader")
        value: R = read(self, trust=trust, mmap=mmap)
        if not self.is_dropped():
            self.hold(value)
        return value


class UnknownResult(BaseResult[R]):
    """The result of a run that an earlier release recorded without one; its value is None."""

    type: Literal["unknown"] = "unknown"
    value: None = None

    @property
    def artifact_description(self) -> str:
        """What this result is, for people."""
        return "Unknown result persisted to upshot."

    @compatible(blocks=False, on_class=True)
    def create(cls: Any, obj: Any = None) -> Any:
        """The result of a run of which nothing is known.

        Raises:
            TypeError: if there is a value.
        """
        if obj is not None:
            problem = f"Unsupported type {type(obj).__name__!r} for unknown result."
            raise TypeError(f"{problem} Only None is supported.")
        return cls()

    def has_cached_object(self) -> bool:
        """True: the value is always at hand."""
        return True

    def fetch(self, *, trust: bool = False, mmap: Mapped = False) -> R:
        """None."""
        return None  # type: ignore[return-value]


ResultDocument = LiteralResult[R] | PersistedResult[R] | UnpersistedResult[R]
