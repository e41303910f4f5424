"""What a task can do beside being called: `submit` and `map`.

Type checkers know a task's colour, and not its caller's: what these say of an async task holds in
async functions. A sync function is given the same without having to await it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Literal, NoReturn, ParamSpec, TypeVar, overload

from upshot._calls.at_call import at_call
from upshot._calls.decorated import Awaited
from upshot._calls.task_definition import TaskDefinition

if TYPE_CHECKING:
    from upshot._future import Async, Sync, UpshotFuture
    from upshot.states import State

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

WaitFor = Iterable[Any] | None


class Submitting(TaskDefinition[P, R_co]):
    """A function whose runs can be submitted."""

    _prepare = at_call("task run")
    _submit = at_call("submit")
    _map = at_call("map")

    @overload
    def submit(
        self: Submitting[..., NoReturn],
        *args: Any,
        return_state: Literal[False] = False,
        wait_for: WaitFor = None,
        **kwargs: Any,
    ) -> UpshotFuture[Any, Sync]: ...
    @overload
    def submit(
        self: Submitting[..., Awaited[R]],
        *args: Any,
        return_state: Literal[False] = False,
        wait_for: WaitFor = None,
        **kwargs: Any,
    ) -> Awaited[UpshotFuture[R, Async]]: ...
    @overload
    def submit(
        self: Submitting[..., R],
        *args: Any,
        return_state: Literal[False] = False,
        wait_for: WaitFor = None,
        **kwargs: Any,
    ) -> UpshotFuture[R, Sync]: ...
    @overload
    def submit(
        self: Submitting[..., Awaited[R]],
        *args: Any,
        return_state: Literal[True],
        wait_for: WaitFor = None,
        **kwargs: Any,
    ) -> Awaited[State[R]]: ...
    @overload
    def submit(
        self: Submitting[..., R],
        *args: Any,
        return_state: Literal[True],
        wait_for: WaitFor = None,
        **kwargs: Any,
    ) -> State[R]: ...
    def submit(
        self,
        *args: Any,
        return_state: bool = False,
        wait_for: Iterable[Any] | None = None,
        **kwargs: Any,
    ) -> Any:
        """Start a run and give its future, without waiting for it.

        Args:
            args: the function's; futures and states in them stand for their values.
            return_state: wait for the run, and give its final state instead.
            wait_for: futures and states of runs that must have completed before.
            kwargs: the function's.

        Returns:
            An `UpshotFuture`. For an async task and an async caller, an awaitable of it.

        Raises:
            ParameterBindError: if the arguments do not fit the function.
        """
        run = self._prepare(args, kwargs, wants_value=False, wait_for=wait_for)
        return self._submit(run, return_state=return_state)

    @overload
    def map(
        self: Submitting[..., Awaited[R]],
        *args: Any,
        return_state: Literal[False] = False,
        wait_for: WaitFor = None,
        window: None = None,
        **kwargs: Any,
    ) -> Awaited[list[UpshotFuture[R, Async]]]: ...
    @overload
    def map(
        self: Submitting[..., R],
        *args: Any,
        return_state: Literal[False] = False,
        wait_for: WaitFor = None,
        window: None = None,
        **kwargs: Any,
    ) -> list[UpshotFuture[R, Sync]]: ...
    @overload
    def map(
        self: Submitting[..., Awaited[R]],
        *args: Any,
        return_state: Literal[True],
        wait_for: WaitFor = None,
        window: None = None,
        **kwargs: Any,
    ) -> Awaited[list[State[R]]]: ...
    @overload
    def map(
        self: Submitting[..., R],
        *args: Any,
        return_state: Literal[True],
        wait_for: WaitFor = None,
        window: None = None,
        **kwargs: Any,
    ) -> list[State[R]]: ...
    @overload
    def map(
        self: Submitting[..., Awaited[R]],
        *args: Any,
        return_state: Literal[False] = False,
        wait_for: WaitFor = None,
        window: int,
        **kwargs: Any,
    ) -> AsyncIterator[R]: ...
    @overload
    def map(
        self: Submitting[..., R],
        *args: Any,
        return_state: Literal[False] = False,
        wait_for: WaitFor = None,
        window: int,
        **kwargs: Any,
    ) -> Iterator[R]: ...
    @overload
    def map(
        self: Submitting[..., Awaited[R]],
        *args: Any,
        return_state: Literal[True],
        wait_for: WaitFor = None,
        window: int,
        **kwargs: Any,
    ) -> AsyncIterator[State[R]]: ...
    @overload
    def map(
        self: Submitting[..., R],
        *args: Any,
        return_state: Literal[True],
        wait_for: WaitFor = None,
        window: int,
        **kwargs: Any,
    ) -> Iterator[State[R]]: ...
    def map(
        self,
        *args: Any,
        return_state: bool = False,
        wait_for: Iterable[Any] | None = None,
        window: int | None = None,
        **kwargs: Any,
    ) -> Any:
        """Submit a run for each element of the arguments that can be iterated over.

        All others are the same for each run; so are text, bytes, and what is wrapped in
        `unmapped`. Defaults are never iterated over.

        Args:
            args: the function's.
            return_state: wait for the runs, and give their final states.
            wait_for: futures and states of runs that must have completed before.
            window: keep no more than so many runs ahead, and give an iterator of results (with
                `return_state`, of states) in the order of the elements, in constant memory.
            kwargs: the function's.

        Returns:
            A list of futures, or an iterator; awaitable, or async, where caller and task are.

        Raises:
            MappingMissingIterable: if no argument can be iterated over.
            MappingLengthMismatch: if there are several, of different lengths.
        """
        return self._map(args, kwargs, return_state=return_state, wait_for=wait_for, window=window)
