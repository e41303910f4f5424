"""Options that change after a flow or task was made: with `with_options`, and set by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Self

from upshot._options import checks
from upshot._options.hooks import checked_hooks
from upshot._options.retries import delays
from upshot._options.types import UNSET_BY_NONE

_OPTION_OF = {"should_validate_parameters": "validate_parameters"}  # of other names
_TEXTS = {"description", "version"}
_FLAGS = {"log_prints", "persist_result", "refresh_cache"}
_SWITCHES = {"cache_result_in_memory", "validate_parameters"}
_CHECKED: dict[str, Callable[[Any], Any]] = {
    "cache_expiration": checks.checked_expiration,
    "cache_key_fn": checks.checked_key_function,
    "result_serializer": checks.checked_serializer,
    "result_storage": checks.checked_storage,
    "timeout_seconds": checks.checked_timeout,
}


class Changeable:
    """A function with options, as they were given."""

    kind = ""
    options: frozenset[str] = frozenset()
    changes: frozenset[str] = frozenset()  # those that `with_options` takes

    fn: Any
    retry_delay_seconds: Any
    _given: dict[str, Any]
    _is_made = False  # whether what is set now is set by hand

    if not TYPE_CHECKING:  # to which all attributes would be there

        def __setattr__(self, name: str, value: Any) -> None:
            option = _OPTION_OF.get(name, name)
            if not self._is_made or option not in self.options:
                object.__setattr__(self, name, value)
                return
            value = self._checked(option, value)
            object.__setattr__(self, name, value)
            self._given = {**self._given, option: value}
            self._follow(option)

    def _checked(self, option: str, value: Any) -> Any:
        """An option's value that was set by hand, as one that was given; names of runs wait."""
        if option == "name":
            checks.check_name(self.kind, value)
            if self.kind == "flow":
                checks.check_characters(value)
        elif option == "retry_delay_seconds":
            delays(value, self._planned_retries())
        elif option.startswith("on_"):  # an empty list takes the hooks away
            return checked_hooks(self.kind, option, value) if value != [] else None
        elif option in _TEXTS:
            return checks.checked_text(option, value)
        elif option in _FLAGS:
            return checks.checked_flag(option, value)
        elif option in _SWITCHES:
            return checks.checked_switch(option, value)
        elif option in _CHECKED:
            return _CHECKED[option](value)
        return value

    def _follow(self, option: str) -> None:
        """Have what is derived from an option that was set by hand follow it."""
        vars(self).pop("_called_on", None)
        if option == "retry_delay_seconds":
            self.retry_delays = delays(self.retry_delay_seconds, self._planned_retries())

    def _planned_retries(self) -> Callable[[], int] | None:
        """What a callable that gives delays is told; None if there can be none."""
        return None

    def _with(self, changes: Mapping[str, Any]) -> Self:
        checks.check_known(self.kind, changes, self.changes)
        said = {
            name: value
            for name, value in changes.items()
            if value is not None or name in UNSET_BY_NONE
        }
        made: Any = type(self)
        return made(self.fn, **{**self._given, **said})  # type: ignore[no-any-return]
