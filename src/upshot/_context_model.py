"""What is current for as long as a block lasts."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar, Token
from typing import Any, ClassVar, Self

from pydantic import ConfigDict, PrivateAttr

from upshot._models import Model
from upshot.exceptions import ContextMisuse


class Current:
    """Something that a `with` block makes the current one of its class.

    Attributes:
        __var__: holds the current one.
    """

    __var__: ClassVar[ContextVar[Any]]
    _token: Any = None

    @classmethod
    def get(cls) -> Self | None:
        """The innermost one here; None outside of all."""
        current: Self | None = cls.__var__.get(None)
        return current

    def __enter__(self) -> Self:
        if self._token is not None:
            raise ContextMisuse("Context already entered; enter a `.copy()` of it")
        self._token = self.__var__.set(self)
        return self

    def __exit__(self, *error: object) -> None:
        token, self._token = self._token, None
        if token is None:
            raise ContextMisuse("Asymmetric use of context: it is left more often than entered")
        self.__var__.reset(token)


class ContextModel(Current, Model):
    """A model whose instances can be entered; `Class.get()` gives the current one.

    Example:
        >>> from contextvars import ContextVar
        >>> class Region(ContextModel):
        ...     __var__ = ContextVar("region")
        ...     name: str
        >>> with Region(name="north"):
        ...     Region.get().name
        'north'
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    _token: Token[Any] | None = PrivateAttr(None)

    def copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A context with the same fields but for those in `update`, not entered yet."""
        twin = self.model_copy(update=update, deep=False)
        twin._token = None
        return twin.model_copy(deep=True) if deep else twin


class RunContext(Current):
    """What both kinds of runs have of a model, at the price of a plain object."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @classmethod
    def construct(cls, **fields: Any) -> Self:
        """A context of these fields alone; what needs others finds None there."""
        needed = ("flow", "flow_run", "task", "task_run", "parameters", "result_factory")
        absent = {name: None for name in needed if name in cls.__dataclass_fields__}
        if "parameters" in absent:
            absent["parameters"] = {}
        return cls(**(absent | fields))

    def dict(self, *, exclude: Any = ()) -> dict[str, Any]:
        """The fields by name."""
        names = [name for name in self.__dataclass_fields__ if name not in exclude]
        return {name: getattr(self, name) for name in names}

    def copy(self, *, update: Mapping[str, Any] | None = None) -> Self:
        """A context with the same fields but for those in `update`, not entered yet."""
        fields = {name: f for name, f in self.__dataclass_fields__.items() if f.init}
        return type(self)(**({name: getattr(self, name) for name in fields} | dict(update or {})))
