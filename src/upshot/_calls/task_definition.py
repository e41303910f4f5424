"""What a task is made of: its options, checked where they are given."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ParamSpec, TypeVar, Unpack

from upshot._calls.decorated import Decorated
from upshot._options import checks
from upshot._options.run_names import checked_run_name
from upshot._options.types import TASK_CHANGES, TASK_DEFAULTS, CacheKeyFn, TaskOptions, shows
from upshot.exceptions import InvalidOption, InvalidOptionValue

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)


class TaskDefinition(Decorated[P, R_co]):
    """A function and the options of its calls."""

    kind = "task"

    options = frozenset(TASK_DEFAULTS)
    changes = frozenset(TASK_CHANGES)

    @shows(TASK_DEFAULTS, TaskOptions, "self", "fn")
    def __init__(self, fn: Callable[P, R_co], **options: Unpack[TaskOptions]) -> None:
        super().__init__(fn, options)
        given = options.get
        self.task_key = checks.key_of(fn)
        self.tags = self._given["tags"] = checked_tags(given("tags"))
        self.task_run_name = checked_run_name("task_run_name", given("task_run_name"))
        self.retry_jitter_factor = checked_jitter(given("retry_jitter_factor"))
        self.retry_condition_fn = checked_condition(given("retry_condition_fn"))
        self.cache_key_fn: CacheKeyFn | None = checks.checked_key_function(given("cache_key_fn"))
        self._key_fn = self.cache_key_fn and checks.taking_both(self.cache_key_fn)
        self.cache_expiration = checks.checked_expiration(given("cache_expiration"))
        self.refresh_cache = checks.checked_flag("refresh_cache", given("refresh_cache"))
        self.result_storage_key = checks.checked_storage_key(
            given("result_storage_key"), self._signature.parameters
        )
        self._is_made = True

    def _checked(self, option: str, value: Any) -> Any:
        if option == "result_storage_key":
            return checks.checked_storage_key(value, self._signature.parameters)
        check = _CHECKED.get(option)
        return super()._checked(option, value) if check is None else check(value)

    def _follow(self, option: str) -> None:
        super()._follow(option)
        if option == "cache_key_fn":
            self._key_fn = self.cache_key_fn and checks.taking_both(self.cache_key_fn)

    def _planned_retries(self) -> Callable[[], int]:
        return lambda: self.retries


def checked_tags(value: Any) -> set[str]:
    """Tags, from a collection of text; none where nothing was said."""
    if value is None:
        return set()
    if isinstance(value, Iterable) and not isinstance(value, str):
        tags = set(value)
        if all(isinstance(tag, str) for tag in tags):
            return tags
    raise InvalidOption("tags", f"must be a list or a set of text; got {value!r}")


def checked_jitter(value: Any) -> float | None:
    """By how much of itself a delay may grow, or None."""
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise InvalidOption("retry_jitter_factor", f"must be a number; got {value!r}")
    if not value >= 0:
        raise InvalidOptionValue("retry_jitter_factor", "`retry_jitter_factor` must be >= 0.")
    return value


def checked_condition(value: Any) -> Callable[..., bool] | None:
    """A function that says whether to try again, or None."""
    if value is not None and not callable(value):
        got = type(value).__name__
        raise InvalidOption("retry_condition_fn", f"must be callable; got {got}")
    condition: Callable[..., bool] | None = value
    return condition


_CHECKED: dict[str, Callable[[Any], Any]] = {
    "retry_condition_fn": checked_condition,
    "retry_jitter_factor": checked_jitter,
    "tags": checked_tags,
}
