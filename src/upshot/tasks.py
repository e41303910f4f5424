"""Tasks: functions whose calls are runs, with results, a cache and retries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, Self, TypeVar, Unpack, overload

from upshot._arguments.input_hash import task_input_hash
from upshot._calls.at_call import at_call
from upshot._calls.submitting import Submitting
from upshot._options import checks
from upshot._options.retries import exponential_backoff
from upshot._options.types import TASK_CHANGES, TASK_DEFAULTS, TaskChanges, TaskOptions, shows

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class Task(Submitting[P, R_co]):
    """A function whose calls are runs; made with `@task`.

    Calling it runs the function and gives what it returned, or raises what it raised; with
    `return_state=True` the call gives the final `State` instead. An async function's task is
    awaited; called in a sync flow it blocks.

    Raises:
        InvalidOption: if an option cannot be what was given.
        UnknownPlugin: if a storage or serializer is named that does not exist.
        ReservedArgumentError: if the function has a parameter that upshot keeps for itself.
    """

    _steps = at_call("task steps")
    _factory = at_call("task factory")

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(
        self: Task[Concatenate[Any, Q], R], instance: object, owner: type | None = None
    ) -> Task[Q, R]: ...
    def __get__(self, instance: object, owner: type | None = None) -> Any:
        """Of a method, the task for one instance."""
        return self if instance is None else self._bound_to(instance)

    @shows(TASK_CHANGES, TaskChanges, "self")
    def with_options(self, **changes: Unpack[TaskChanges]) -> Task[P, R_co]:
        """A task of the same function with other options; what is not given stays as it is."""
        return self._with(changes)


@overload
def task(__fn: Callable[P, R]) -> Task[P, R]: ...
@overload
def task(
    __fn: None = None, **options: Unpack[TaskOptions]
) -> Callable[[Callable[P, R]], Task[P, R]]: ...
@shows(TASK_DEFAULTS, TaskOptions, "__fn=")
def task(__fn: Any = None, **options: Any) -> Any:
    """Make a function a task.

    Args:
        name: what it is called; by default the function's name.
        description: by default the function's docstring.
        tags: words that its runs are found by, beside those of `upshot.tags` and of the flow.
        version: the task's version, for people.
        task_run_name: what its runs are called: a template such as `"load {day}"`, filled with the
            parameters, or a callable without parameters; by default the name and a number.
        cache_key_fn: called with the run's context and the parameters; what it returns is the
            key under which the result is kept and looked for, None for neither.
        cache_expiration: for how long others may take the result; by default for ever.
        refresh_cache: run although there is a result under the key, and replace it.
        retries: how often the function is called again after it raised.
        retry_delay_seconds: seconds before each retry, or a list of these, whose last one holds
            for all later retries, or a callable that gives it, such as `exponential_backoff(10)`.
        retry_jitter_factor: make each delay longer or shorter by chance, by so large a part of it.
        retry_condition_fn: called with the task, the run and the failed state; unless it says True,
            the run is not tried again.
        timeout_seconds: how long each call of the function may take. A late one is broken off or,
            outside of the main thread, abandoned, and the run ends `Failed`, named "TimedOut".
        persist_result: write the result to the storage. By default where a feature in use needs
            it: a cache key, results that are not kept in memory, retries of the flow around it.
        result_storage: where to, as a storage or the name of one; by default the flow's.
        result_storage_key: the key there, as a template; by default a new one for each run.
        result_serializer: how, as a serializer or the type of one; by default the flow's.
        cache_result_in_memory: also keep the value in memory with the state.
        log_prints: log what the function prints; by default as its flow does.
        on_completion: called as `hook(task=…, task_run=…, state=…)`, sync or async, in the order
            of the list, when the run has completed; where the cache had its result, only with
            `UPSHOT_RUN_ON_COMPLETION_HOOKS_ON_CACHED`. What a hook raises is logged, and changes
            nothing.
        on_failure: called likewise when it has failed and is not retried any more.

    Example:
        >>> @task(retries=2)
        ... def double(x: int) -> int:
        ...     return 2 * x
        >>> double(21)
        42
    """
    checks.check_known("task", options, Task.options)
    return Task(__fn, **options) if __fn is not None else lambda fn: Task(fn, **options)


__all__ = ["Task", "exponential_backoff", "task", "task_input_hash"]
