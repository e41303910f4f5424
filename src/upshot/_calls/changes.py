"""Options that change after a flow or task was made: with `with_options`, and set by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Self

from upshot._options import checks
from upshot._options.retries import delays
from upshot._options.types import UNSET_BY_NONE

_OPTION_OF = {"should_validate_parameters": "validate_parameters"}  # of other names


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
            object.__setattr__(self, name, value)
            if self._is_made and (option := _OPTION_OF.get(name, name)) in self.options:
                self._given = {**self._given, option: value}
                self._follow(option)

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
