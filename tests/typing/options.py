"""What type checkers know of options; see `calls.py`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, assert_type

from upshot import flow, task
from upshot.context import TaskRunContext
from upshot.filesystems import FileSystem
from upshot.task_runners import SequentialTaskRunner


def key(context: TaskRunContext, parameters: dict[str, Any]) -> str | None:
    return str(parameters)


@task(
    name="all",
    cache_key_fn=key,
    cache_expiration=timedelta(days=1),
    retries=3,
    retry_delay_seconds=[1, 10],
    retry_jitter_factor=0.5,
    task_run_name="run {x}",
    tags=["a"],
    timeout_seconds=10,
    persist_result=True,
    result_storage_key="{parameters[x]}.json",
    result_serializer="json",
    cache_result_in_memory=False,
)
def with_options(x: int) -> int:
    return x


assert_type(with_options(1), int)


@flow(task_runner=SequentialTaskRunner(), version="1", persist_result=None)
def in_order() -> None: ...


def stored_in(storage: FileSystem) -> None:
    with_options.with_options(result_storage=storage)
    in_order.with_options(result_storage=storage, task_runner=SequentialTaskRunner)


def wrong_options() -> None:
    task(retries="3")  # type: ignore[call-overload]
    task(no_such_option=3)  # type: ignore[call-overload]
    flow(retries="3")  # type: ignore[call-overload]
    with_options.with_options(retries="3")  # type: ignore[arg-type]
    in_order.with_options(cache_key_fn=key)  # type: ignore[call-arg]
