"""What a task can do beside being called: `submit` and `map`.

Type checkers know a task's colour, and not its caller's: what these say of an async task holds in
async functions. A sync function is given the same without having to await it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from functools import partial
from typing import Any, Literal, NoReturn, ParamSpec, TypeVar, overload

from upshot._arguments import mapping
from upshot._arguments.dependencies import Inputs, checked_wait_for
from upshot._calls import submission
from upshot._calls.decorated import Awaited
from upshot._calls.submission import Prepared
from upshot._calls.task_definition import TaskDefinition
from upshot._future import Async, Sync, UpshotFuture
from upshot.context import FlowRunContext
from upshot.states import State

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

WaitFor = Iterable[Any] | None


class Submitting(TaskDefinition[P, R_co]):
    """A function whose runs can be submitted."""

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
        return submission.submit(run, isasync=self.isasync, return_state=return_state)

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
        flow, wait_for = FlowRunContext.get(), checked_wait_for(wait_for)
        more = mapping.inputs(self._signature, args, kwargs, flow.lineage if flow else None)
        return submission.submit_all(
            partial(self._start, wait_for=wait_for, counted=window is None, more=more),
            partial(mapping.calls, self._signature, self.name, args, kwargs),
            mapping.futures(args, kwargs),
            isasync=self.isasync,
            return_state=return_state,
            window=window,
        )

    def _start(self, call: mapping.Arguments, **how: Any) -> Any:
        run = self._prepare(*call, wants_value=False, **how)
        return submission.submit(run, isasync=self.isasync)

    def _prepare(
        self,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        *,
        wants_value: bool,
        wait_for: Iterable[Any] | None = None,
        counted: bool = True,
        more: Inputs | None = None,
    ) -> Prepared:
        """A run of the function that could start."""
        raise TypeError(f"{type(self).__name__} is no task")
