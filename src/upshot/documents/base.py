"""What all documents of results have in common."""

from __future__ import annotations

from typing import Any, ClassVar, Generic, Literal, Protocol, Self, TypeVar

from pydantic import ConfigDict

from upshot._bridge import Compatible, compatible, in_thread
from upshot._models import Dispatched
from upshot.exceptions import NotPersisted

R = TypeVar("R")
# what is wanted of raw frames: that they are mapped into memory, and that their digests are right
Mapped = bool | Literal["verified"]


class _Dropped:
    """In the place of a value that is not to be held in memory."""

    def __repr__(self) -> str:
        return "DROPPED"

    def __reduce__(self) -> str:
        return "DROPPED"


DROPPED: Any = _Dropped()


class Reader(Protocol):
    """Turns a reference back into the value that it stands for."""

    def __call__(self, reference: Any, *, trust: bool, mmap: Mapped) -> Any:
        """The value behind a reference."""


class BaseResult(Dispatched, Generic[R]):
    """A run's result. Parsing JSON through this class gives the right kind of result."""

    registry_kind: ClassVar[str] = "result"
    # what Prefect's documents say, too, and these can tell without it
    passed_over: ClassVar[frozenset[str]] = frozenset({"artifact_description", "artifact_type"})
    model_config = ConfigDict(frozen=True, extra="forbid", ignored_types=(Compatible,))
    __slots__ = ("_value", "_value_type")

    type: str

    @property
    def artifact_type(self) -> str:
        """What kind of thing a run leaves behind."""
        return "result"

    @property
    def artifact_description(self) -> str:
        """What this result is, for people."""
        return f"{self.type.capitalize()} result{self._of_type()}"

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

    def fetch(self, *, trust: bool = False, mmap: Mapped = False) -> R:
        """The value, read now if it is not in memory; blocks, whoever calls.

        Raises:
            MissingResult: a subclass of it that names the cause.
        """
        held: R = getattr(self, "_value", DROPPED)
        return self._read(trust, mmap) if held is DROPPED else held

    async def afetch(self, *, trust: bool = False, mmap: Mapped = False) -> R:
        """As `fetch`, without blocking the loop."""
        if self.has_cached_object():
            return self.fetch()
        return await in_thread(lambda: self.fetch(trust=trust, mmap=mmap))

    @compatible(aio=afetch)
    def get(self, *, trust: bool = False, mmap: Mapped = False) -> Any:
        """The value; an awaitable of it where the caller is async.

        Args:
            trust: read it also where its place is in no storage that is known here.
            mmap: map arrays of a `framed/pickle` result into memory if they are in a local file,
                and leave their digests unverified; `"verified"` to verify them. Other results are
                read.

        Raises:
            MissingResult: a subclass of it that names the cause.
        """
        return self.fetch(trust=trust, mmap=mmap)

    def remember(self, obj: R, *, keep: bool) -> Self:
        """This result, made of a value just now: it holds the value, or only its type's name."""
        object.__setattr__(self, "_value_type", type(obj).__name__)
        if keep:
            self.hold(obj)
        else:
            self.drop()
        return self

    def _of_type(self) -> str:
        name = getattr(self, "_value_type", None)
        if name is None and self.has_cached_object():
            name = type(self.fetch()).__name__
        return "" if name is None else f" of type `{name}`"

    def _read(self, trust: bool, mmap: Mapped) -> R:
        raise NotPersisted

    # that a value was let go is no value: copies are told

    def __copy__(self) -> Self:
        return self._told(super().__copy__())

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        return self._told(super().__deepcopy__(memo))

    def __getstate__(self) -> dict[Any, Any]:
        return super().__getstate__() | ({"dropped": True} if self.is_dropped() else {})

    def __setstate__(self, state: dict[Any, Any]) -> None:
        fields = dict(state)
        dropped = fields.pop("dropped", False)
        super().__setstate__(fields)
        if dropped:
            self.drop()

    def _told(self, copy: Self) -> Self:
        if self.is_dropped():
            copy.drop()
        return copy
