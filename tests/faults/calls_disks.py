"""Disks of their own for tests, and what is called on them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.harness import Tell
from upshot import flow, task
from upshot.exceptions import UpshotError
from upshot.filesystems import LocalFileSystem
from upshot.testing import isolated


@contextmanager
def mounted(folder: Path, *command: str) -> Iterator[Path]:
    """A file system on `folder`; skips the test where the platform does not let us."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("platform: mounting a file system needs root")
    folder.mkdir()
    tried = subprocess.run(["mount", *command, str(folder)], capture_output=True, text=True)
    if tried.returncode:
        pytest.skip(f"platform: mounting is refused ({tried.stderr.strip()})")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A real file system of four megabytes: the store and its log hold some thousand runs."""
    with mounted(folder, "-t", "tmpfs", "-o", "size=4m", "tmpfs"):
        yield folder


@contextmanager
def abortable_disk(folder: Path) -> Iterator[Path]:
    """A real file system that can be made read-only while files on it are open."""
    if shutil.which("mkfs.ext4") is None:
        pytest.skip("platform: mkfs.ext4 is not there")
    image = folder.with_suffix(".image")
    with image.open("wb") as file:
        file.truncate(8 << 20)
    subprocess.run(["mkfs.ext4", "-q", str(image)], check=True)
    with mounted(folder, "-o", "loop", str(image)):
        yield folder


def remount(disk: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(disk)], check=True)


def fill(disk: Path, leave: int = 0) -> Path:
    """Use up the room on a disk but for about `leave` bytes."""
    room = os.statvfs(disk)
    ballast = disk / "ballast"
    ballast.write_bytes(bytes(max(0, room.f_bavail * room.f_bsize - leave)))
    return ballast


@task(persist_result=True)
def kept() -> list[int]:
    return [3]


@flow
def plain() -> int:
    return 3


def refused(folder: Path, tell: Tell) -> None:
    """As a user without rights, on a storage and in a home that belong to another."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)

    def told(call: object, home: str) -> None:
        try:
            with isolated(folder / home):
                call()  # type: ignore[operator]
        except UpshotError as error:
            tell(f"{type(error).__name__}: {error}")

    elsewhere = LocalFileSystem(basepath=folder / "foreign")
    told(kept.with_options(result_storage=elsewhere), "own")
    told(plain, "foreign")
    told(plain, "closed/home")
    told(kept, "own")
    tell("done")


if __name__ == "scenario":
    with isolated():  # import what calls need while that is allowed
        kept()
        plain()
