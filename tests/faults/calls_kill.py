"""What the children do that are killed in the middle of whole calls; see `harness`."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.faults.harness import Tell
from upshot import flow, get_run_context, task
from upshot.filesystems import LocalFileSystem
from upshot.testing import isolated

FIXED = "latest/value.json"


def sealed(size: int = 10) -> dict[str, Any]:
    """A value that says whose it is; half of it, or a mixture of two, is none."""
    context: Any = get_run_context()
    run = context.task_run if hasattr(context, "task_run") else context.flow_run
    return {"run": run.uid.hex(), "data": run.uid.hex() * size}


@task(persist_result=True)
def kept() -> dict[str, Any]:
    return sealed()


@task(persist_result=True, result_serializer="json", result_storage_key=FIXED)
def overwriting() -> dict[str, Any]:
    return sealed()


@task(persist_result=True, result_serializer="compressed/pickle", cache_result_in_memory=False)
def large() -> dict[str, Any]:
    return sealed(5_000)


@task(cache_key_fn=lambda context, parameters: parameters["key"])
def cached(key: str) -> dict[str, Any]:
    return sealed()


@task(persist_result=True)
async def akept() -> dict[str, Any]:
    return sealed()


@task(persist_result=True, result_serializer="json", result_storage_key=FIXED)
async def aoverwriting() -> dict[str, Any]:
    return sealed()


@flow(persist_result=True)
def within() -> dict[str, Any]:
    return sealed()


@contextmanager
def at_home(folder: Path) -> Iterator[None]:
    with isolated(folder / "home"):
        yield


def sync_calls(folder: Path, tell: Tell) -> None:
    """Each kind of persisted call, once."""

    elsewhere = LocalFileSystem(basepath=folder / "elsewhere" / str(os.getpid()))

    @flow(persist_result=True)
    def outer() -> dict[str, Any]:
        tell(kept()["run"])
        tell(overwriting()["run"])
        storing = large.with_options(result_storage=elsewhere)  # one that nobody knows yet
        tell(storing(return_state=True).state_details.task_run_id.hex)
        own = sealed()
        for _ in range(2):  # the second one is a hit
            found = cached(own["run"])
            tell(found["run"])
        tell(f"{found['run']} {own['run']}")
        return own

    with at_home(folder):
        tell(outer()["run"])


def async_calls(folder: Path, tell: Tell) -> None:
    """In a loop: alone, together, and from a sync flow."""

    async def told(call: Awaitable[dict[str, Any]]) -> None:
        tell((await call)["run"])

    @flow(persist_result=True)
    async def outer() -> dict[str, Any]:
        await told(akept())
        await asyncio.gather(told(akept()), told(aoverwriting()))
        tell(within()["run"])
        return sealed()

    with at_home(folder):
        tell(asyncio.run(outer())["run"])


def first_call(folder: Path, tell: Tell) -> None:
    """One call where there is neither a run store nor a storage yet."""
    with at_home(folder):
        tell(kept()["run"])


def calls_without_end(folder: Path, tell: Tell) -> None:
    """Calls in threads and in a loop, until the process is killed."""

    @flow
    def busy() -> None:
        while True:
            for one in (kept, overwriting, kept):
                tell(one()["run"])
            tell(large(return_state=True).state_details.task_run_id.hex)

    async def go_on(call: Any) -> None:
        while True:
            tell((await call())["run"])

    @flow
    async def together() -> None:
        await asyncio.gather(go_on(akept), go_on(akept), go_on(aoverwriting))

    with at_home(folder):
        for _ in range(2):
            threading.Thread(target=busy, daemon=True).start()
        asyncio.run(together())


if __name__ == "scenario":
    # import and compile here what calls need, once for all children; no thread is left
    with TemporaryDirectory() as somewhere:
        for scenario in (sync_calls, async_calls):
            scenario(Path(somewhere), lambda text: None)
    gc.collect()
    gc.freeze()
