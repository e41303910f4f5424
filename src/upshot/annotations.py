"""Marks on arguments, which say how a call is to take them."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

T = TypeVar("T")


class BaseAnnotation(Generic[T]):
    """An argument with a mark on it; equal to another with the same mark and an equal value."""

    __slots__ = ("value",)

    def __init__(self, value: T) -> None:
        self.value = value

    def unwrap(self) -> T:
        """The argument."""
        return self.value

    def rewrap(self, value: Any) -> Any:
        """Another argument with the same mark."""
        return type(self)(value)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and bool(self.value == other.value)

    def __hash__(self) -> int:
        return hash((type(self), self.value))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.value!r})"


class unmapped(BaseAnnotation[T]):
    """For `map`: the argument is the same for each call, though it could be iterated."""

    __slots__ = ()

    def __getitem__(self, index: object) -> T:
        return self.value


class allow_failure(BaseAnnotation[T]):
    """For futures and states: if their run failed, the call gets the exception as the argument."""

    __slots__ = ()


class quote(BaseAnnotation[T]):
    """The argument as it is: futures and states inside of it are neither looked for nor replaced.

    What is large and holds none is not searched for them then.
    """

    __slots__ = ()

    def unquote(self) -> T:
        """The argument."""
        return self.value
