"""Run stores on disks that are full, read-only or closed, in whole calls: errors, no hanging."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.faults.calls_disks import abortable_disk, fill, plain, remount, small_disk
from tests.faults.harness import Nursery
from upshot import flow, task
from upshot.exceptions import RunStoreUnavailable
from upshot.runstore import open_store
from upshot.testing import isolated


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk") as folder:
        yield folder


@task
def unkept(number: int) -> None:
    pass


@task(persist_result=True)
def kept(number: int) -> list[int]:
    return [number]


@flow
def many(call: Any, number: int) -> int:
    for index in range(number):
        call(index)
    return number


@flow
async def amany(call: Any, number: int) -> int:
    return many.fn(call, number)


@pytest.mark.parametrize("call", [unkept, kept])
@pytest.mark.parametrize("colour", ["sync", "async"])
def test_a_run_store_without_room_fails_the_flow_and_works_again_with_room(
    tmp_path: Path, disk: Path, call: Any, colour: str
) -> None:
    def calls(number: int) -> int:
        if colour == "sync":
            return many(call, number)
        return asyncio.run(amany(call, number))  # type: ignore[arg-type]

    with isolated(disk / "home", local_storage_path=tmp_path / "storage"):
        assert calls(3) == 3
        ballast = fill(disk, leave=100_000)

        with pytest.raises(RunStoreUnavailable, match=r"runs\.db.*disk is full.*make room"):
            calls(3_000)
        with pytest.raises(RunStoreUnavailable, match="full"):
            calls(3_000)

        ballast.unlink()
        open_store().flush()
        assert calls(3) == 3
        last = open_store().flow_runs()[0]
        assert last.state_name == "Completed"
        assert len(open_store().task_runs(last.id)) == 3


class Interrupt(BaseException):
    """Something that must reach whoever waits for it."""


@pytest.mark.parametrize("error", [ValueError("the user's"), Interrupt("the user's")])
@pytest.mark.parametrize("colour", ["sync", "async"])
def test_a_run_store_without_room_does_not_hide_what_the_user_raised(
    disk: Path, error: BaseException, colour: str
) -> None:
    @flow
    def failing() -> None:
        raise error

    @flow
    async def afailing() -> None:
        raise error

    with contextlib.suppress(RunStoreUnavailable), isolated(disk / "home"):
        fill(disk)
        with pytest.raises(type(error)) as caught:
            failing() if colour == "sync" else asyncio.run(afailing())  # type: ignore[arg-type]

    assert caught.value is error
    assert re.search(r"could not be recorded: the run store .*full", error.__notes__[0])


def test_a_run_store_that_turns_read_only_fails_the_flow_and_hangs_nothing(tmp_path: Path) -> None:
    @flow
    def turned(disk: Path) -> None:
        kept(1)
        remount(disk, "abort")
        kept(2)

    with abortable_disk(tmp_path / "disk") as disk:
        try:
            with isolated(disk / "home", local_storage_path=tmp_path / "storage"):
                with pytest.raises(RunStoreUnavailable, match=r"runs\.db could not be"):
                    turned(disk)
                with pytest.raises(RunStoreUnavailable, match=r"runs\.db could not be"):
                    plain()
        except RunStoreUnavailable:
            pass  # what is queued for it cannot be written at the end either


def test_places_without_permission_are_told_and_the_next_call_works() -> None:
    script = Path(__file__).with_name("calls_disks.py")
    with TemporaryDirectory() as name, Nursery(script, "refused") as nursery:
        folder = Path(name)
        for place, mode, owner in (("own", 0o700, 65534), ("foreign", 0o555, 0), ("closed", 0, 0)):
            (folder / place).mkdir()
            (folder / place).chmod(mode)
            if os.geteuid() == 0:
                os.chown(folder / place, owner, owner)
        folder.chmod(0o755)
        storage, home, closed, done = nursery.run(folder).told

    assert storage.startswith("StorageUnavailable: LocalFileSystem(")
    assert "foreign') could not write" in storage
    assert "Permission denied; make room or give permission there" in storage
    assert home.startswith(f"RunStoreUnavailable: the run store {folder}/foreign/runs.db could not")
    assert "Permission denied" in home
    assert "set UPSHOT_HOME elsewhere" in home
    assert "closed/home" in closed
    assert "Permission denied" in closed
    assert done == "done"
