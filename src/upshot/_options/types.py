"""The options of `@flow` and `@task`, by name and type; what they mean stands with these two."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from inspect import Parameter, Signature
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict, TypeVar

from upshot._options.checks import NOT_GIVEN
from upshot._options.hooks import Hook
from upshot.task_runners.concurrent import ConcurrentTaskRunner

if TYPE_CHECKING:
    from upshot.context import TaskRunContext
    from upshot.filesystems import FileSystem
    from upshot.serializers import Serializer

CacheKeyFn: TypeAlias = "Callable[[TaskRunContext, dict[str, Any]], str | None]"
RetryDelay = float | list[float] | Callable[[int], list[float]]
F = TypeVar("F", bound=Callable[..., Any])


class CommonOptions(TypedDict, total=False):
    """What flows and tasks both take."""

    name: str | None
    description: str | None
    retries: int | None
    timeout_seconds: float | None
    persist_result: bool | None
    result_storage: FileSystem | str | None
    result_serializer: Serializer | str | None
    cache_result_in_memory: bool
    log_prints: bool | None
    on_completion: Iterable[Hook] | None
    on_failure: Iterable[Hook] | None


class TaskChanges(CommonOptions, total=False):
    """What `Task.with_options` takes."""

    tags: Iterable[str] | None
    cache_key_fn: CacheKeyFn | None
    cache_expiration: timedelta | None
    task_run_name: str | Callable[[], str] | None
    retry_delay_seconds: RetryDelay | None
    retry_jitter_factor: float | None
    retry_condition_fn: Callable[..., bool] | None
    refresh_cache: bool | None
    result_storage_key: str | None


class TaskOptions(TaskChanges, total=False):
    """What `@task` takes."""

    version: str | None


class FlowOptions(CommonOptions, total=False):
    """What `@flow` and `Flow.with_options` take."""

    version: str | None
    flow_run_name: str | Callable[[], str] | None
    retry_delay_seconds: float | list[float] | None
    task_runner: Any
    validate_parameters: bool
    on_cancellation: Iterable[Hook] | None
    on_crashed: Iterable[Hook] | None
    on_running: Iterable[Hook] | None


# what an option is that is not given
FLOW_DEFAULTS: dict[str, Any] = {
    "name": None,
    "version": None,
    "flow_run_name": None,
    "retries": None,
    "retry_delay_seconds": None,
    "task_runner": ConcurrentTaskRunner,
    "description": None,
    "timeout_seconds": None,
    "validate_parameters": True,
    "persist_result": None,
    "result_storage": None,
    "result_serializer": None,
    "cache_result_in_memory": True,
    "log_prints": None,
    "on_completion": None,
    "on_failure": None,
    "on_cancellation": None,
    "on_crashed": None,
    "on_running": None,
}
TASK_DEFAULTS: dict[str, Any] = {
    "name": None,
    "description": None,
    "tags": None,
    "version": None,
    "cache_key_fn": None,
    "cache_expiration": None,
    "task_run_name": None,
    "retries": None,
    "retry_delay_seconds": None,
    "retry_jitter_factor": None,
    "persist_result": None,
    "result_storage": None,
    "result_storage_key": None,
    "result_serializer": None,
    "cache_result_in_memory": True,
    "timeout_seconds": None,
    "log_prints": None,
    "refresh_cache": None,
    "on_completion": None,
    "on_failure": None,
    "retry_condition_fn": None,
}

# the options of which None is a value: `with_options(persist_result=None)` unsets it; of all
# others it says that nothing is to change
UNSET_BY_NONE = frozenset(
    {
        "cache_expiration",
        "cache_key_fn",
        "log_prints",
        "persist_result",
        "refresh_cache",
        "result_serializer",
        "result_storage",
        "result_storage_key",
        "retries",
        "retry_delay_seconds",
        "retry_jitter_factor",
    }
)

# what `with_options` takes, and what each is that is not given: the option stays as it was
FLOW_CHANGES = {name: NOT_GIVEN if name in UNSET_BY_NONE else None for name in FLOW_DEFAULTS}
TASK_CHANGES = {
    name: NOT_GIVEN if name in UNSET_BY_NONE else None
    for name in TASK_DEFAULTS
    if name != "version"
}


def shows(defaults: Mapping[str, Any], types: Any, *before: str) -> Callable[[F], F]:
    """Have a function that takes `**options` show each of them, as `help` and editors ask for it.

    Args:
        defaults: the options in their order, with what they are when they are not given.
        types: the TypedDict that says what they may be.
        before: the names of the other parameters; one that ends in `=` may be left out.
    """

    def show(function: F) -> F:
        parameters = [
            Parameter(
                name.removesuffix("="),
                Parameter.POSITIONAL_OR_KEYWORD,
                default=None if name.endswith("=") else Parameter.empty,
            )
            for name in before
        ]
        for name, default in defaults.items():
            said = types.__annotations__[name]
            kind = getattr(said, "__forward_arg__", said)
            parameters.append(
                Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=kind)
            )
        function.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
        return function

    return show
