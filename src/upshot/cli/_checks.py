"""What `upshot doctor` looks at. Nothing is made or changed by it."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from upshot.blocks._keys import keys_in_force
from upshot.cli._mounts import file_system_of, is_network
from upshot.cli._words import duration, size
from upshot.exceptions import UnusableKey
from upshot.runstore import RunStore
from upshot.runstore.current import FILE
from upshot.settings import PROFILE, Settings

MOUNTS = Path("/proc/self/mountinfo")
LITTLE, TOO_LITTLE = 10**9, 10**8  # bytes of a disk that are free
SKEW = 60.0  # seconds that clocks of machines may differ
STALE = 3600.0  # seconds after which no writer comes back to its temporary file

_TEMPORARY = re.compile(
    r"\.upshot-[0-9a-f]{16,32}|\.runs\.db\.\d+-[0-9a-f]{8}(-journal|-wal|-shm)?"
    r"|\.secret\.key\.(lock|\d+-[0-9a-f]{8})"
)


class Finding(NamedTuple):
    """What a check found.

    Attributes:
        check: what was looked at.
        status: `ok`, `warn` or `bad`.
        message: what is so.
        advice: what to do; None if nothing.
    """

    check: str
    status: str
    message: str
    advice: str | None = None


def examine(settings: Settings, store: RunStore) -> Iterator[Finding]:
    """All checks, one after the other."""
    home, storage = settings.home, settings.local_storage_path
    yield from _folder("home", home)
    yield from _folder("storage", storage)
    for name in (PROFILE, FILE):
        yield from _private_file(home / name)
    yield from _key_file(settings)
    for folder in _on_several_disks(home, storage):
        yield _room(folder)
    if settings.run_store == "sqlite":
        yield _file_system(home)
    yield from _run_store(store)
    yield from _left_behind(home, storage)


def _folder(check: str, path: Path) -> Iterator[Finding]:
    quoted = shlex.quote(str(path))
    try:
        found = path.stat()
    except FileNotFoundError:
        yield _to_be_made(check, path)
        return
    except OSError as error:
        yield Finding(check, "bad", f"{path}: {error.strerror}", "give permission to enter it")
        return
    if not stat.S_ISDIR(found.st_mode):
        yield Finding(check, "bad", f"{path} is no folder", "move it away, or set UPSHOT_HOME")
    elif not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        advice = f"give permission: chmod u+rwx {quoted}, or chown it to yourself"
        yield Finding(check, "bad", f"{path} cannot be read and written", advice)
    elif sys.platform != "win32" and found.st_mode & 0o077:
        mode = f"{stat.S_IMODE(found.st_mode):04o}"
        yield Finding(check, "warn", f"{path} is open to others ({mode})", f"chmod 700 {quoted}")
    else:
        yield Finding(check, "ok", str(path))


def _to_be_made(check: str, path: Path) -> Finding:
    above = _nearest(path)
    if not os.access(above, os.W_OK | os.X_OK):
        message = f"{path} is not there, and {above} cannot be written"
        return Finding(check, "bad", message, "make it, or set UPSHOT_HOME elsewhere")
    return Finding(check, "ok", f"{path} is not there yet, and made when it is needed")


def _private_file(path: Path) -> Iterator[Finding]:
    if sys.platform != "win32" and path.exists() and path.stat().st_mode & 0o077:
        mode = f"{stat.S_IMODE(path.stat().st_mode):04o}"
        advice = f"chmod 600 {shlex.quote(str(path))}"
        yield Finding("home", "warn", f"{path} is open to others ({mode})", advice)


def _key_file(settings: Settings) -> Iterator[Finding]:
    try:
        found = keys_in_force(settings, make=False)
    except UnusableKey as error:
        yield Finding("key of secrets", "bad", str(error), "until then no secret can be read")
        return
    if found:
        yield Finding("key of secrets", "ok", "there, and for its owner only")


def _on_several_disks(*paths: Path) -> list[Path]:
    """The nearest folders that are there, one for each disk."""
    there = [_nearest(path) for path in paths]
    return list({folder.stat().st_dev: folder for folder in reversed(there)}.values())[::-1]


def _nearest(path: Path) -> Path:
    path = Path(os.path.realpath(path))
    return next(folder for folder in (path, *path.parents) if folder.exists())


def _room(folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free
    message = f"{size(free)} free at {folder}"
    if free >= LITTLE:
        return Finding("disk", "ok", message)
    return Finding("disk", "bad" if free < TOO_LITTLE else "warn", message, "make room")


def _file_system(home: Path) -> Finding:
    check = "file system"
    try:
        kind = file_system_of(_nearest(home), MOUNTS.read_text("utf-8", "backslashreplace"))
    except OSError:
        kind = None
    if kind is None:
        return Finding(check, "ok", "of an unknown type: this system does not tell")
    if not is_network(kind):
        return Finding(check, "ok", kind)
    message = f"{home} is on a network file system ({kind}), where SQLite's locks may not work"
    advice = "set UPSHOT_HOME to a local disk; results may stay, with UPSHOT_LOCAL_STORAGE_PATH"
    return Finding(check, "warn", message, advice)


def _run_store(store: RunStore) -> Iterator[Finding]:
    check, health = "run store", store.health()
    if health.path is None:
        yield Finding(check, "ok", "in memory: what is recorded ends with its process")
        return
    if health.problem is not None:
        advice = "restore its file, or move it away: a new one is made then"
        yield Finding(check, "bad", f"{health.path}: {health.problem}", advice)
        return
    if health.version is None or health.supported is None:
        yield Finding(check, "ok", f"{health.path} is not there yet, and made when it is needed")
        return
    version = f"schema version {health.version}"
    if health.version > health.supported:
        message = f"{version}: a later upshot wrote it; this one knows {health.supported}"
        yield Finding(check, "bad", message, "upgrade upshot, or set UPSHOT_HOME elsewhere")
    elif health.version < health.supported:
        message = f"{version}: it is brought to {health.supported} when it is next opened"
        yield Finding(check, "warn", message, "make a copy of the file before that")
    else:
        yield Finding(check, "ok", f"{version}, {size(health.size)}, whole")
    yield _clock(health.newest, time.time())


def _clock(newest: float | None, now: float) -> Finding:
    if newest is None or newest <= now + SKEW:
        return Finding("clock", "ok", "no run was made in the future")
    message = f"the newest run was made {duration(newest - now)} in the future"
    return Finding("clock", "warn", message, "set the clock of this machine, or of the other one")


def _left_behind(home: Path, storage: Path) -> Iterator[Finding]:
    check, before = "temporary files", time.time() - STALE
    found = dict([*_temporary_files(home, deep=False), *_temporary_files(storage, deep=True)])
    old = {path: one for path, one in found.items() if one.st_mtime < before}
    if not old:
        yield Finding(check, "ok", "none was left behind")
        return
    total = size(sum(one.st_size for one in old.values()))
    one = "file was" if len(old) == 1 else "files were"
    first = min(old)
    message = f"{len(old)} {one} left behind by writers that were killed, {total}: {first}"
    yield Finding(check, "warn", message + (", …" if len(old) > 1 else ""), "delete them")


def _temporary_files(folder: Path, *, deep: bool) -> Iterator[tuple[Path, os.stat_result]]:
    for place, folders, names in os.walk(folder):
        if not deep:
            folders.clear()
        for name in names:
            if _TEMPORARY.fullmatch(name):
                path = Path(place, name)
                try:
                    yield path, path.lstat()
                except OSError:
                    continue  # its writer is done
