"""The options of `@flow` and `@task`, by name and type; what they mean stands with these two."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypedDict

from upshot.context import TaskRunContext
from upshot.filesystems import FileSystem
from upshot.serializers import Serializer

CacheKeyFn = Callable[[TaskRunContext, dict[str, Any]], str | None]


class CommonOptions(TypedDict, total=False):
    """What flows and tasks both take."""

    name: str | None
    description: str | None
    retries: int | None
    retry_delay_seconds: float | list[float] | None
    persist_result: bool | None
    result_storage: FileSystem | str | None
    result_serializer: Serializer | str | None
    cache_result_in_memory: bool


class TaskChanges(CommonOptions, total=False):
    """What `Task.with_options` takes."""

    cache_key_fn: CacheKeyFn | None
    cache_expiration: timedelta | None
    refresh_cache: bool | None
    result_storage_key: str | None


class TaskOptions(TaskChanges, total=False):
    """What `@task` takes."""

    version: str | None


class FlowOptions(CommonOptions, total=False):
    """What `@flow` and `Flow.with_options` take."""

    version: str | None
    task_runner: Any
