"""The future: what is handed out for a run that was submitted."""

from __future__ import annotations

import warnings
from collections.abc import Coroutine
from typing import Any, Generic, Literal, Self, TypeAlias, TypeVar, overload

import typing_extensions

from upshot._bridge import wants_awaitable
from upshot._concurrency.waiting import Completion
from upshot._elsewhere import SUBMITTED, Elsewhere, Submission
from upshot._engine.endings import Ended, state_of
from upshot._html import facts
from upshot.records import FINAL, TaskRun
from upshot.states import Pending, State

R = TypeVar("R")
T = TypeVar("T")
R_co = TypeVar("R_co", covariant=True)

# what `UpshotFuture.asynchronous` is, for type checkers
Sync: TypeAlias = Literal[False]
Async: TypeAlias = Literal[True]
A_co = typing_extensions.TypeVar("A_co", bound=bool, covariant=True, default=Sync)

Awaited: TypeAlias = Coroutine[Any, Any, T]


class UpshotFuture(Generic[R_co, A_co]):
    """A run that was submitted; made by `Task.submit`, or by hand for a run that goes on elsewhere.

    Args:
        name: the run's name.
        key: what the task runner knows the run by.
        task_runner: of a future made by hand, what has `wait(key, timeout)`, async or not, which
            gives the final state, or None if the run has not ended in time. It is asked once
            `_submitted` is set.
        asynchronous: whether async callers are to await `wait` and `result`.
        _final_state: the state that the run has ended in, if it has.

    Attributes:
        task_run: its record, which changes while it runs.
    """

    # without a dict: of a map's futures there may be very many
    __slots__ = (
        *("__weakref__", "_done", "_elsewhere", "_submitted"),
        *("asynchronous", "task_run", "task_runner"),
    )
    task_run: Any
    task_runner: Any
    asynchronous: A_co
    _submitted: Submission
    _elsewhere: Elsewhere | None

    @overload
    def __init__(
        self: UpshotFuture[Any, Async],
        name: str,
        key: str,
        task_runner: Any,
        asynchronous: Literal[True] = True,
        _final_state: State[Any] | None = None,
    ) -> None: ...
    @overload
    def __init__(
        self: UpshotFuture[Any, Sync],
        name: str,
        key: str,
        task_runner: Any,
        asynchronous: Literal[False],
        _final_state: State[Any] | None = None,
    ) -> None: ...
    def __init__(
        self,
        name: str,
        key: str,
        task_runner: Any,
        asynchronous: bool = True,
        _final_state: State[Any] | None = None,
    ) -> None:
        self._done: Completion
        self._done = self._elsewhere = Elsewhere(name, key, task_runner)
        self._submitted = self._elsewhere.submitted
        self.task_run = None
        self.task_runner = task_runner
        self.asynchronous = asynchronous  # type: ignore[assignment]
        if _final_state is not None:
            self._elsewhere.end(_final_state)

    @classmethod
    def of(
        cls, task_run: TaskRun, done: Completion, task_runner: Any, *, asynchronous: bool
    ) -> Self:
        """The future of a run that ends when `done` does."""
        future = cls.__new__(cls)
        future._done = done
        future._elsewhere = None
        future._submitted = SUBMITTED
        future.task_run = task_run
        future.task_runner = task_runner
        future.asynchronous = asynchronous  # type: ignore[assignment]
        return future

    @property
    def name(self) -> str:
        """The run's name."""
        return self._elsewhere.name if self._elsewhere else str(self.task_run.name)

    @property
    def key(self) -> str:
        """What the run is known by."""
        return self._elsewhere.key if self._elsewhere else str(self.task_run.id)

    @property
    def done(self) -> Completion:
        """What others wait for; once that was asked for, it ends by itself."""
        if self._elsewhere:
            self._elsewhere.follow()
        return self._done

    @property
    def _final_state(self) -> State[R_co] | None:
        return self.state() if self._done.done() else None

    @overload
    def wait(self: UpshotFuture[R, Async], timeout: None = None) -> Awaited[State[R]]: ...
    @overload
    def wait(self: UpshotFuture[R, Async], timeout: float) -> Awaited[State[R] | None]: ...
    @overload
    def wait(self: UpshotFuture[R, Sync], timeout: None = None) -> State[R]: ...
    @overload
    def wait(self: UpshotFuture[R, Sync], timeout: float) -> State[R] | None: ...
    def wait(self, timeout: float | None = None) -> Any:
        """Wait for the run to end.

        Args:
            timeout: seconds to wait at the most.

        Returns:
            The final state; None if the run has not ended in time. An awaitable of it for async
            callers of an async task.

        Raises:
            WouldBlockLoop: if the run needs the very loop that waiting would block.
        """
        if self.asynchronous and wants_awaitable():
            return self.await_state(timeout)
        return self._wait(timeout)

    def _wait(self, timeout: float | None) -> State[R_co] | None:
        end = self._done.end_in(timeout)
        return None if end is None else end.state()

    @overload
    def result(
        self: UpshotFuture[R, Async],
        timeout: float | None = None,
        raise_on_failure: Literal[True] = True,
    ) -> Awaited[R]: ...
    @overload
    def result(
        self: UpshotFuture[R, Async], timeout: float | None = None, raise_on_failure: bool = True
    ) -> Awaited[R | BaseException]: ...
    @overload
    def result(
        self: UpshotFuture[R, Sync],
        timeout: float | None = None,
        raise_on_failure: Literal[True] = True,
    ) -> R: ...
    @overload
    def result(
        self: UpshotFuture[R, Sync], timeout: float | None = None, raise_on_failure: bool = True
    ) -> R | BaseException: ...
    def result(self, timeout: float | None = None, raise_on_failure: bool = True) -> Any:
        """What the run returned, once it has ended.

        Args:
            timeout: seconds to wait at the most.
            raise_on_failure: raise what a failed run raised; False returns it instead.

        Returns:
            The value; an awaitable of it for async callers of an async task.

        Raises:
            TimeoutError: if the run has not ended in time.
            MissingResult: if the value cannot be had; a subclass names the cause.
            WouldBlockLoop: if the run needs the very loop that waiting would block.
        """
        if self.asynchronous and wants_awaitable():
            return self.aresult(timeout, raise_on_failure)
        end = self._done.end_in(timeout)
        if end is None:
            raise self._late(timeout)
        value, error = end.outcome(raise_on_failure)
        if error is not None:
            raise error
        return value

    @overload
    async def await_state(self, timeout: None = None) -> State[R_co]: ...
    @overload
    async def await_state(self, timeout: float | None) -> State[R_co] | None: ...
    async def await_state(self, timeout: float | None = None) -> Any:
        """As `wait` for sync callers, to be awaited: the same meaning wherever it is called."""
        end = await self._done.aend_in(timeout)
        return None if end is None else end.state()

    @overload
    async def aresult(
        self, timeout: float | None = None, raise_on_failure: Literal[True] = True
    ) -> R_co: ...
    @overload
    async def aresult(
        self, timeout: float | None = None, raise_on_failure: bool = True
    ) -> R_co | BaseException: ...
    async def aresult(self, timeout: float | None = None, raise_on_failure: bool = True) -> Any:
        """As `result` for sync callers, to be awaited: the same meaning wherever it is called."""
        end = await self._done.aend_in(timeout)
        if end is None:
            raise self._late(timeout)
        if end.is_at_hand():
            return end.outcome(raise_on_failure)[0]
        return await end.state().aresult(raise_on_failure)

    def _late(self, timeout: float | None) -> TimeoutError:
        return TimeoutError(f"{self.name!r} has not ended within {timeout} seconds")

    @overload
    def get_state(self: UpshotFuture[R, Async]) -> Awaited[State[R]]: ...
    @overload
    def get_state(self: UpshotFuture[R, Sync]) -> State[R]: ...
    def get_state(self) -> Any:
        """The state that the run is in now; for async callers of an async task, to be awaited."""
        return self._aget_state() if self.asynchronous and wants_awaitable() else self.state()

    async def _aget_state(self) -> State[R_co]:
        return self.state()

    def state(self) -> State[R_co]:
        """The state that the run is in now."""
        if self._done.done():
            end: Ended = self._done.result()
            return end.state()
        run = self.task_run
        # its first step is to be taken, or its end is not told yet
        if run is None or run.state_type is None or run.state_type in FINAL:
            return Pending()
        return state_of(run, None)

    def __bool__(self) -> bool:
        warnings.warn(
            "An 'UpshotFuture' from a task call was cast to a boolean; did you mean to look at its"
            " result? Say `.result()` or `.aresult()`.",
            stacklevel=2,
        )
        return True

    def _state_name(self) -> str | None:
        return self.state().name if self._elsewhere else self.task_run.state_name

    def _repr_html_(self) -> str:
        rows = {"state": self._state_name(), "run": self.key}
        return facts(f"Future of {self.name}", rows)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, {self._state_name()})"
