"""One setting as an object: `upshot.settings.UPSHOT_HOME` and its like."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic.fields import FieldInfo


class Setting:
    """A setting by name; what it is worth is looked up when it is asked for.

    It is true as its value is, and equal to what its value is equal to; two of these objects are
    equal if they mean the same setting. As a key of a dict it stands for its name.

    Attributes:
        name: of the variable, such as `UPSHOT_HOME`.
        field: what is known of it; `field.default` is its default.
    """

    __module__ = "upshot.settings"  # where it is to be had by its name
    __slots__ = ("_current", "_key", "field", "name")

    def __init__(self, name: str, key: str, field: FieldInfo, current: Callable[[], Any]) -> None:
        self.name = name
        self.field = field
        self._key, self._current = key, current

    def value(self) -> Any:
        """Its value here and now."""
        return self.value_from(self._current())

    def value_from(self, settings: Any) -> Any:
        """Its value in these settings."""
        return getattr(settings, self._key)

    def __bool__(self) -> bool:
        return bool(self.value())

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Setting):
            return self.name == other.name
        return bool(self.value() == other)

    def __hash__(self) -> int:
        return hash((Setting, self.name))

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"<{self.name}: {self.value()!r}>"

    def __reduce__(self) -> str:
        return self.name
