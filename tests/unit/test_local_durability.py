"""What has reached the disk when a write is told to be done."""

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from upshot.filesystems import LocalFileSystem, _partial
from upshot.settings import temporary_settings


class Recorder:
    """The order in which files are synchronised, moved and made."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self._opened: dict[int, str] = {}
        for name in ("mkdir", "replace", "link"):
            patch.setattr(os, name, self._recording(name, getattr(os, name)))
        self._open, self._fsync = os.open, _partial._sync
        patch.setattr(os, "open", self._remember)
        patch.setattr(_partial, "_sync", self._sync)

    def _recording(self, name: str, call: Any) -> Any:
        def record(*args: Any, **options: Any) -> Any:
            given = call(*args, **options)
            self.calls.append((name, *map(short, args[: 1 if name == "mkdir" else 2])))
            return given

        return record

    def _remember(self, path: str, flags: int, *args: Any, **options: Any) -> int:
        descriptor = self._open(path, flags, *args, **options)
        nameless = _partial._NAMELESS and flags == _partial._NAMELESS
        self._opened[descriptor] = _partial._NUMBERS if nameless else path
        return descriptor

    def _sync(self, descriptor: int) -> None:
        self._fsync(descriptor)
        found = os.fstat(descriptor)
        size = () if stat.S_ISDIR(found.st_mode) else (found.st_size,)
        self.calls.append(("fsync", short(self._opened[descriptor]), *size))


def short(path: str) -> str:
    name = os.path.basename(path)
    return "partial" if name.startswith(".upshot-") or path.startswith(_partial._NUMBERS) else name


def put() -> str:
    """How a file comes to its place where there is none yet."""
    return "link" if _partial._NAMELESS else "replace"


def test_with_full_durability_bytes_are_on_disk_before_their_name(
    storage: LocalFileSystem, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root.mkdir(parents=True)
    recorder = Recorder(monkeypatch)
    with temporary_settings({"UPSHOT_DURABILITY": "full"}):
        storage.write("key", [b"by", b"tes"])
    assert recorder.calls == [
        ("fsync", "partial", 5),
        (put(), "partial", "key"),
        ("fsync", "root"),
    ]


def test_with_full_durability_what_is_replaced_has_its_old_bytes_until_then(
    storage: LocalFileSystem, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage.write_path("key", b"old")
    recorder = Recorder(monkeypatch)
    with temporary_settings({"UPSHOT_DURABILITY": "full"}):
        storage.write_path("key", b"bytes")
    assert [call for call in recorder.calls if call[0] != "link"] == [
        ("fsync", "partial", 5),
        ("replace", "partial", "key"),
        ("fsync", "root"),
    ]


def test_with_full_durability_new_folders_are_on_disk_as_well(
    storage: LocalFileSystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder(monkeypatch)
    with temporary_settings({"UPSHOT_DURABILITY": "full"}):
        storage.write_path("a/key", b"bytes")
    assert recorder.calls == [
        ("mkdir", "above"),
        ("fsync", tmp_path.name),
        ("mkdir", "root"),
        ("fsync", "above"),
        ("mkdir", "a"),
        ("fsync", "root"),
        ("fsync", "partial", 5),
        (put(), "partial", "key"),
        ("fsync", "a"),
    ]


def test_with_normal_durability_nothing_waits_for_the_disk(
    storage: LocalFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder(monkeypatch)
    storage.write_path("a/key", b"bytes")
    assert "fsync" not in {call[0] for call in recorder.calls}
