"""The documents: what a run's result looks like from outside.

They are nouns: they hold facts and turn into JSON and back. The value that a result may carry in
memory belongs to none of that: not to its equality, hash, repr, copies or pickle.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Generic, Literal, Protocol, TypeVar
from uuid import UUID

from pydantic import BeforeValidator, ConfigDict, Field, StrictBool, StrictStr

from upshot import _registry
from upshot._bridge import in_thread, wants_awaitable
from upshot._html import facts
from upshot._models import Dispatched, Model
from upshot.exceptions import DroppedFromMemory, NotPersisted

R = TypeVar("R")

LITERALS = (type(None), bool, UUID)


class _Dropped:
    """In the place of a value that is not to be held in memory."""

    def __repr__(self) -> str:
        return "DROPPED"

    def __reduce__(self) -> str:
        return "DROPPED"


DROPPED: Any = _Dropped()


class Reader(Protocol):
    """Turns a reference back into the value that it stands for."""

    def __call__(self, reference: PersistedResult[Any], *, trust: bool) -> Any:
        """The value behind a reference."""


class BaseResult(Dispatched, Generic[R]):
    """A run's result. Parsing JSON through this class gives the right kind of result."""

    registry_kind: ClassVar[str] = "result"
    model_config = ConfigDict(frozen=True, extra="forbid")
    __slots__ = ("_value",)

    type: str

    def has_cached_object(self) -> bool:
        """Whether the value is in memory."""
        return getattr(self, "_value", DROPPED) is not DROPPED

    def hold(self, value: R) -> None:
        """Keep the value in memory with this result."""
        object.__setattr__(self, "_value", value)

    def drop(self) -> None:
        """Let the value go, and hold none that is read later."""
        object.__setattr__(self, "_value", DROPPED)

    def is_dropped(self) -> bool:
        """Whether the value was let go on purpose."""
        return getattr(self, "_value", None) is DROPPED

    def __getstate__(self) -> dict[Any, Any]:
        # without the value, but where it was let go, it is not to be held elsewhere either
        return {**super().__getstate__(), "dropped": self.is_dropped()}

    def __setstate__(self, state: dict[Any, Any]) -> None:
        super().__setstate__({name: part for name, part in state.items() if name != "dropped"})
        if state.get("dropped"):
            self.drop()

    def fetch(self, *, trust: bool = False) -> R:
        """The value, read now if it is not in memory; blocks, whoever calls.

        Raises:
            MissingResult: a subclass of it that names the cause.
        """
        held: R = getattr(self, "_value", DROPPED)
        return self._read(trust) if held is DROPPED else held

    async def afetch(self, *, trust: bool = False) -> R:
        """As `fetch`, without blocking the loop."""
        if self.has_cached_object():
            return self.fetch()
        return await in_thread(lambda: self.fetch(trust=trust))

    def get(self, *, trust: bool = False) -> Any:
        """The value; an awaitable of it where the caller is async.

        Args:
            trust: read it also where its place is in no storage that is known here.
        """
        return self.afetch(trust=trust) if wants_awaitable() else self.fetch(trust=trust)

    def _read(self, trust: bool) -> R:
        raise NotPersisted


class UnpersistedResult(BaseResult[R]):
    """A result that is in memory only, or nowhere."""

    type: Literal["unpersisted"] = "unpersisted"

    def __reduce__(self) -> Any:
        # the value is nowhere else, so here, and only here, a pickle takes it along
        held = (self._value,) if hasattr(self, "_value") else ()
        return _unpersisted, held

    def _read(self, trust: bool) -> R:
        if self.is_dropped():
            raise DroppedFromMemory
        raise NotPersisted


def _unpersisted(*held: Any) -> UnpersistedResult[Any]:
    result: UnpersistedResult[Any] = UnpersistedResult()
    for value in held:
        result.hold(value)
    return result


class LiteralResult(BaseResult[R]):
    """A result that is its own document: None, a bool or a UUID."""

    type: Literal["literal"] = "literal"
    value: Annotated[StrictBool | UUID | StrictStr | None, Field(union_mode="left_to_right")]

    def has_cached_object(self) -> bool:
        """True: the value is always at hand."""
        return True

    def fetch(self, *, trust: bool = False) -> R:
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

    def _repr_html_(self) -> str:
        rows = {
            "serializer": self.serializer_type,
            "key": self.storage_key,
            "place": self.uri,
            "bytes": self.size,
            "digest": self.digest,
        }
        return facts("Reference", rows)

    def _read(self, trust: bool) -> R:
        read: Reader = _registry.load("room", "reader")
        value: R = read(self, trust=trust)
        if not self.is_dropped():
            self.hold(value)
        return value


class UnknownResult(BaseResult[R]):
    """The result of a run that an earlier release recorded without one; its value is None."""

    type: Literal["unknown"] = "unknown"
    value: None = None

    def fetch(self, *, trust: bool = False) -> R:
        """None."""
        return None  # type: ignore[return-value]


def _writable(text: Any) -> Any:
    """Text that UTF-8 can hold: an exception's may have half of a surrogate pair in it."""
    return text.encode("utf-8", "backslashreplace").decode() if isinstance(text, str) else text


_Text = Annotated[str, BeforeValidator(_writable)]


class Failure(Model):
    """An exception as text: what is left of it where the object cannot go.

    Attributes:
        exception_type: its class, as `module.Class`.
        message: its text.
        traceback: the formatted traceback, without the values of any variable.
        notes: what was added with `add_note`.
        causes: the exceptions that it came from, nearest first.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    exception_type: _Text
    message: _Text
    traceback: _Text = ""
    notes: tuple[_Text, ...] = ()
    causes: tuple[Failure, ...] = ()


ResultDocument = LiteralResult[R] | PersistedResult[R] | UnpersistedResult[R]
