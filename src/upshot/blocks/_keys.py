"""The keys that secrets are encrypted with: from a setting, and a file beside the run store.

The first one encrypts, all of them decrypt. A key is 32 random bytes in URL-safe base64; the file
has one a line, and is read by nobody but its owner.
"""

from __future__ import annotations

import base64
import os
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from upshot._later import shlex
from upshot.exceptions import UnusableKey
from upshot.settings import Settings, is_key

FILE = "secret.key"


def key_file(settings: Settings) -> Path:
    """Where the file is, or would be."""
    return settings.home / FILE


def keys_of_setting(settings: Settings) -> tuple[bytes, ...]:
    """The keys in `UPSHOT_SECRET_KEY`."""
    given = settings.secret_key
    texts = [] if given is None else given.get_secret_value().split(",")
    return tuple(text.strip().encode() for text in texts)


def keys_in_force(settings: Settings, *, make: bool) -> tuple[bytes, ...]:
    """The keys of the setting and those of the file.

    Args:
        settings: those in force.
        make: make the file, with one key, if there is none yet.

    Raises:
        UnusableKey: if the file cannot be read or made, or is open to others.
    """
    given, path = keys_of_setting(settings), key_file(settings)
    found = _read(path)
    if not given and not found and make:
        _make(path)
        found = _read(path)
    return given + found


def add_key(settings: Settings) -> None:
    """Put a new key before those of the file; the caller holds `rotating`."""
    path = key_file(settings)
    _replace(path, (_new_key(), *_read(path)))


def drop_old_keys(settings: Settings) -> None:
    """Leave one key: of the setting, or else the first of the file; the caller holds `rotating`."""
    path = key_file(settings)
    found = _read(path)
    if keys_of_setting(settings):
        path.unlink(missing_ok=True)
    elif len(found) > 1:
        _replace(path, found[:1])


@contextmanager
def rotating(settings: Settings) -> Iterator[None]:
    """Keep all others from changing the file meanwhile.

    Raises:
        UnusableKey: if another process is changing it, or the folder cannot be written.
    """
    lock = settings.home / f".{FILE}.lock"
    try:
        _make_home(lock.parent)
        os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        problem = f"is being changed by another process; if none does, delete {lock}"
        raise UnusableKey(str(key_file(settings)), problem) from None
    except OSError as error:
        raise _refusal(lock, "cannot be written", error) from error
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)


def open_to_others(found: os.stat_result) -> bool:
    """Whether a file can be read or written by anyone but its owner."""
    return sys.platform != "win32" and bool(found.st_mode & 0o077)


def _new_key() -> bytes:
    return base64.urlsafe_b64encode(os.urandom(32))


def _read(path: Path) -> tuple[bytes, ...]:
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            if open_to_others(found):
                mode = f"{stat.S_IMODE(found.st_mode):04o}"
                problem = f"is open to others ({mode}): chmod 600 {shlex.quote(str(path))}"
                raise UnusableKey(str(path), f"{problem}, and `upshot blocks rotate`")
            lines = file.read().decode("ascii", "replace").split()
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise _refusal(path, "cannot be read", error) from error
    if not lines or not all(map(is_key, lines)):
        raise UnusableKey(str(path), "holds no keys: restore the file")
    return tuple(line.encode() for line in lines)


def _make(path: Path) -> None:
    """Make the file, unless it is there by now: of several processes one does."""
    try:
        _make_home(path.parent)
        with _draft(path, (_new_key(),)) as draft, suppress(FileExistsError):
            os.link(draft, path)
        _sync_folder(path.parent)
    except OSError as error:
        raise _refusal(path, "cannot be made (or set UPSHOT_SECRET_KEY)", error) from error


def _replace(path: Path, keys: Sequence[bytes]) -> None:
    try:
        with _draft(path, keys) as draft:
            os.replace(draft, path)
        _sync_folder(path.parent)
    except OSError as error:
        raise _refusal(path, "cannot be written", error) from error


@contextmanager
def _draft(path: Path, keys: Sequence[bytes]) -> Iterator[Path]:
    """A whole file beside the one that it is to become: nobody sees half of a key."""
    draft = path.with_name(f".{path.name}.{os.getpid()}-{os.urandom(4).hex()}")
    try:
        with open(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            file.write(b"".join(key + b"\n" for key in keys))
            file.flush()
            os.fsync(file.fileno())
        os.chmod(draft, 0o600)
        yield draft
    finally:
        draft.unlink(missing_ok=True)


def _make_home(home: Path) -> None:
    home.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        home.mkdir(mode=0o700)


def _sync_folder(folder: Path) -> None:
    if sys.platform != "win32":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _refusal(path: Path, what: str, error: OSError) -> UnusableKey:
    return UnusableKey(str(path), f"{what}: {error.strerror or error}")
