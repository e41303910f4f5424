"""What is current for as long as a block lasts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextvars import ContextVar, Token
from copy import copy
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import ConfigDict, PrivateAttr

from upshot import _registry
from upshot._ids import moment
from upshot._models import Model
from upshot._steps import StateType
from upshot.exceptions import ContextMisuse


class Current:
    """Something that a `with` block makes the current one of its class.

    Attributes:
        __var__: holds the current one.
    """

    __var__: ClassVar[ContextVar[Any]]

    if TYPE_CHECKING:
        _token: Any

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

    def __eq__(self, other: object) -> bool:
        # one that was entered is still equal to its copy
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def copy(  # type: ignore[override]
        self, *, update: Mapping[str, Any] | None = None, deep: bool = False
    ) -> Self:
        """A context with the same fields but for those in `update`, not entered yet."""
        twin = self.model_copy(update=update, deep=False)
        twin._token = None
        return twin.model_copy(deep=True) if deep else twin


class RunContext(Current):
    """What both kinds of runs have of a model, at the price of a plain object.

    Attributes:
        told: the fields that users know.
    """

    __dataclass_fields__: ClassVar[Mapping[str, Any]]
    told: ClassVar[tuple[str, ...]]

    _token: Any = None

    @property
    def start_time(self) -> datetime:
        """When the attempt that is going on began; before the first, when the run was made."""
        run = getattr(self, self.told[1])
        for step in reversed(getattr(run, "history", ())):
            if step.type is StateType.RUNNING:
                return moment(step.timestamp)
        return getattr(run, "created", None) or datetime.now(UTC)

    @classmethod
    def construct(cls, **fields: Any) -> Self:
        """A context of these fields alone; None stands in the place of others."""
        absent: dict[str, Any] = dict.fromkeys(cls.told)
        absent["parameters"] = {}
        return cls(**(absent | fields))

    def dict(self, *, exclude: Iterable[str] = ()) -> dict[str, Any]:
        """The fields by name, as they are."""
        return {name: getattr(self, name) for name in self.told if name not in exclude}

    def copy(self, *, update: Mapping[str, Any] | None = None) -> Self:
        """A context with the same fields but for those in `update`, not entered yet.

        Raises:
            TypeError: if there is no field of a name.
        """
        twin = copy(self)
        twin._token = None
        for name, value in (update or {}).items():
            if name not in self.__dataclass_fields__:
                raise TypeError(f"{type(self).__name__} has no field {name!r}")
            setattr(twin, name, value)
        return twin

    def __repr__(self) -> str:
        of, run = (getattr(self, name) for name in self.told[:2])
        name, of_what = getattr(run, "name", None), getattr(of, "name", None)
        return f"{type(self).__name__}({self.told[1]}={name!r}, {self.told[0]}={of_what!r})"


class ClientHere:
    """What stands for a client of the run store, which is made when something is asked of it."""

    # a class of its own, since few runs have any use for a client, and all have this attribute
    def __getattr__(self, name: str) -> Any:
        return getattr(_registry.load("room", "client")(), name)

    async def __aenter__(self) -> Any:
        return _registry.load("room", "client")()

    async def __aexit__(self, *exc_info: object) -> None:
        """Nothing is held, so there is nothing to let go of."""

    def __reduce__(self) -> str:
        return "CLIENT_HERE"


CLIENT_HERE = ClientHere()


class Runner:
    """A flow run's task runner, made when something is submitted to it or somebody asks for it."""

    def __get__(self, context: Any, owner: object = None) -> Any:
        if context is None:
            return None  # what a context is made with
        found = context.runner or _registry.load("room", "runner of")(context)
        # of one that the user wrote, that one, and not what upshot knows it by
        return getattr(found, "given_runner", found)

    def __set__(self, context: Any, runner: Any) -> None:
        context.runner = runner


class entered:
    """Give context variables these values for as long as the block lasts.

    Of a variable without a value None is taken for its value.
    """

    # each call of a task has such a block: as a generator it would cost three times as much, and
    # as much again if it set what is set already, as a flow's variables are in its own body
    __slots__ = ("_tokens", "_values")

    def __init__(self, values: Mapping[ContextVar[Any], Any]) -> None:
        self._values = values

    def __enter__(self) -> None:
        tokens: list[Token[Any]] = []
        self._tokens = tokens
        for variable, value in self._values.items():
            if variable.get(None) is not value:
                tokens.append(variable.set(value))

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        for token in self._tokens:
            try:  # noqa: SIM105
                token.var.reset(token)
            except ValueError:
                # a coroutine that is closed by the collector ends in a context of its own
                pass
