"""What flows, tasks and settings say about results, and what is meant by it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol, Self, cast

from upshot import _registry, blocks
from upshot.exceptions import InvalidSettings, UnknownPlugin
from upshot.filesystems import FileSystem
from upshot.serializers import Serializer
from upshot.settings import Settings


class ResultOptions(Protocol):
    """What a flow or a task says about its results; None where it says nothing."""

    persist_result: bool | None
    result_storage: FileSystem | str | None
    result_serializer: Serializer | str | None
    result_storage_key: str | None
    cache_result_in_memory: bool


@dataclass
class Said:
    """What is said about results where there is neither a flow nor a task."""

    persist_result: bool | None = None
    result_storage: FileSystem | str | None = None
    result_serializer: Serializer | str | None = None
    result_storage_key: str | None = None
    cache_result_in_memory: bool = True


class Copied:
    """What a factory has of a model."""

    def dict(self, *, exclude: Iterable[str] = ()) -> dict[str, Any]:
        """The fields by name, as they are."""
        names = (one.name for one in fields(cast(Any, self)) if one.repr)
        return {name: getattr(self, name) for name in names if name not in exclude}

    def copy(self, *, update: Mapping[str, Any] | None = None) -> Self:
        """A factory with the same fields but for those in `update`.

        Raises:
            TypeError: if there is no field of a name.
        """
        changes = dict(update or {})
        if "storage_block" in changes:  # what is known of the storage is of the other one
            changes = {"storage_block_id": None, "_here": None, "_block": None} | changes
        copied: Self = replace(cast(Any, self), **changes)
        return copied


def first_given(*choices: Any) -> Any:
    """The first that is not None."""
    return next((choice for choice in choices if choice is not None), None)


def storage_of(choice: FileSystem | str | None, settings: Settings) -> FileSystem:
    """The storage that is meant; by default the one that the settings name."""
    if isinstance(choice, FileSystem):
        return choice
    if choice is not None:
        return blocks.made(choice)
    return blocks.default_storage(settings)


def serializer_of(choice: Serializer | str | None, settings: Settings) -> Serializer:
    """The serializer that is meant; by default the one that the settings name."""
    if isinstance(choice, Serializer):
        return choice
    try:
        name = choice or settings.results_default_serializer
        made: Serializer = _registry.load("serializer", name)()
    except UnknownPlugin as error:
        if choice is not None:
            raise
        raise InvalidSettings("UPSHOT_RESULTS_DEFAULT_SERIALIZER", str(error)) from None
    return made
