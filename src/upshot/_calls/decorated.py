"""What flows and tasks have in common: their options, and how a call is driven."""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine, Mapping
from functools import cached_property, update_wrapper
from inspect import getdoc
from operator import attrgetter
from types import FunctionType, MethodType
from typing import (
    TYPE_CHECKING,
    Any,
    Generic,
    Literal,
    NoReturn,
    ParamSpec,
    Self,
    TypeAlias,
    TypeVar,
    overload,
)

from upshot._arguments.signatures import bind, no_inputs, positional, signature_of
from upshot._calls.at_call import at_call
from upshot._calls.changes import Changeable
from upshot._options import checks
from upshot._options.hooks import Hook, checked_hooks
from upshot._options.retries import delays

if TYPE_CHECKING:
    from upshot._engine.effects import Steps
    from upshot._engine.endings import Ended
    from upshot._engine.hooks import Hooks
    from upshot.filesystems import FileSystem
    from upshot.serializers import Serializer
    from upshot.states import State

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

# what calling an async function gives
Awaited: TypeAlias = Coroutine[Any, Any, R]


class Decorated(Changeable, Generic[P, R_co]):
    """A function whose calls are runs."""

    terminable = False  # whether SIGTERM ends the outermost of its runs

    isasync: bool
    timeout_seconds: float | None
    persist_result: bool | None
    result_storage: FileSystem | str | None
    result_serializer: Serializer | str | None
    result_storage_key: str | None = None
    cache_result_in_memory: bool

    # what a call does, step by step; a flow and a task have their own
    _steps: Callable[[tuple[Any, ...], dict[str, Any], bool], Steps[Ended]]
    _drive: Callable[[Steps[Ended]], Ended] = at_call("drive")
    _adrive: Callable[[Steps[Ended], bool], Awaited[Any]] = at_call("drive async")
    _must_block: Callable[[], bool] = at_call("must block")
    _find_hooks: Callable[[], Hooks | None] = at_call("hooks")
    _retries_by_setting: Callable[[], int] = at_call("retries")

    def __init__(self, fn: Callable[P, R_co], options: Mapping[str, Any]) -> None:
        checks.check_function(self.kind, fn)
        checks.check_known(self.kind, options, self.options)
        given = options.get
        update_wrapper(self, fn, updated=())
        self.fn = fn
        called = checks.name_of(fn)  # Python's warnings and asyncio's tasks name coroutines
        self._coroutine_names = (called, getattr(self, "__qualname__", called))
        self._given = {name: value for name, value in options.items() if value is not None}
        name = given("name")
        self.name: str = _default_name(self) if name is None else name
        checks.check_name(self.kind, self.name)
        described = checks.checked_text("description", given("description"))
        self.description = described or getdoc(fn)
        self.version = checks.checked_text("version", given("version"))
        self.isasync = fn.isasync if isinstance(fn, Decorated) else checks.is_async(fn)
        self._learn_signature()
        self._retries = checks.checked_retries(given("retries"))
        self._default_retries = f"{self.kind}_default_retries"  # the setting
        self.retry_delays = delays(given("retry_delay_seconds"), self._planned_retries())
        self.retry_delay_seconds: Any = given("retry_delay_seconds") or 0
        if callable(self.retry_delay_seconds):
            self.retry_delay_seconds = list(self.retry_delays)
        self.timeout_seconds = checks.checked_timeout(given("timeout_seconds"))
        self.persist_result = checks.checked_flag("persist_result", given("persist_result"))
        self.result_storage = checks.checked_storage(given("result_storage"))
        self.result_serializer = checks.checked_serializer(given("result_serializer"))
        self.cache_result_in_memory = checks.checked_switch(
            "cache_result_in_memory", options.get("cache_result_in_memory", True)
        )
        self.log_prints = checks.checked_flag("log_prints", given("log_prints"))
        self.on_completion = self._hooks("on_completion")
        self.on_failure = self._hooks("on_failure")

    def _learn_signature(self) -> None:
        self._signature = signature_of(self.fn, self.name)
        self._positional = positional(self._signature)
        self._no_inputs = no_inputs(self._signature)

    def _parameters(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """The parameters of a call, as `bind` gives them; that nearly all need no `inspect`."""
        if not kwargs and self._positional is not None and len(args) == len(self._positional):
            return dict(zip(self._positional, args, strict=True))
        return bind(self._signature, self.fn, args, kwargs)

    def _hooks(self, option: str) -> list[Hook] | None:
        hooks = checked_hooks(self.kind, option, self._given.get(option))
        if hooks is not None:
            self._given[option] = hooks  # what was given can perhaps be gone through only once
        return hooks

    @cached_property
    def _called_on(self) -> Hooks | None:
        """What the runs call on their states."""
        return self._find_hooks()

    @property
    def retries(self) -> int:
        """How often the function is called again after it raised."""
        if self._retries is not None:
            return self._retries
        return self._retries_by_setting()

    @retries.setter
    def retries(self, value: int | None) -> None:
        self._retries = checks.checked_retries(value)

    @overload
    def __call__(
        self: Decorated[..., NoReturn], *args: Any, return_state: Literal[True], **kwargs: Any
    ) -> State[Any]: ...
    @overload
    def __call__(
        self: Decorated[..., Awaited[R]], *args: Any, return_state: Literal[True], **kwargs: Any
    ) -> Awaited[State[R]]: ...
    @overload
    def __call__(
        self: Decorated[..., R], *args: Any, return_state: Literal[True], **kwargs: Any
    ) -> State[R]: ...
    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the function; give what it returned, raise what it raised.

        With `return_state=True`, give the final state instead, whatever the function raised.
        """
        return_state = bool(kwargs.pop("return_state", False))
        steps = self._steps(args, kwargs, not return_state)
        if self.isasync and not self._must_block():
            coroutine: Any = self._adrive(steps, return_state)
            coroutine.__name__, coroutine.__qualname__ = self._coroutine_names
            return coroutine
        end = self._drive(steps)
        value, error = answer_of(end, return_state)
        try:
            if error is None:
                return value
            raise error
        finally:
            # a traceback holds this frame, which must hold neither it nor the arguments
            del value, error, end, args, kwargs

    def _run(self, *args: Any, **kwargs: Any) -> Any:
        """Call with `return_state=True`."""
        return self(*args, return_state=True, **kwargs)

    def _bound_to(self, instance: object) -> Self:
        """The same for a method of an instance; this one itself if it is made of no function."""
        if not isinstance(self.fn, FunctionType):
            return self
        bound: Self = object.__new__(type(self))
        method: Any = MethodType(self.fn, instance)
        vars(bound).update(vars(self), fn=method, __wrapped__=method)
        bound._learn_signature()
        vars(bound).pop("_called_on", None)
        return bound

    def __reduce__(self) -> Any:
        # by name where the name leads here, so that a worker process need not be sent the function
        module, path = self.__module__, getattr(self, "__qualname__", "")
        named = None if module == "__main__" else _at(sys.modules.get(module), path)
        if named is self:
            return path
        if isinstance(named, Decorated) and named.fn is self.fn:
            return _with_options_of, (named, type(self), self._given)
        return _remade, (type(self), self.fn, self._given)


def answer_of(end: Ended, return_state: bool) -> tuple[Any, BaseException | None]:
    """What a call gives its caller, or raises."""
    if return_state and not end.crashed:
        return end.state(), None
    error = end.error
    return (end.take_value(), None) if error is None else (None, error)


def _at(module: object, path: str) -> Any:
    """What a module has under a dotted name; None if it has nothing there."""
    try:
        return attrgetter(path)(module)
    except AttributeError:
        return None


def _with_options_of(named: Decorated[Any, Any], kind: type, options: dict[str, Any]) -> Any:
    return kind(named.fn, **options)


def _remade(kind: type, fn: Callable[..., Any], options: dict[str, Any]) -> Any:
    return kind(fn, **options)


def _default_name(decorated: Decorated[Any, Any]) -> str:
    name = checks.name_of(decorated.fn)
    return name.replace("_", "-") if decorated.kind == "flow" else name
