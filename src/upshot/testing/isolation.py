"""A home of its own for a test."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from upshot.runstore.current import close_stores
from upshot.settings import PREFIX, Settings, forget_settings, get_current_settings


@contextmanager
def isolated(home: Path | None = None, **settings: object) -> Iterator[Settings]:
    """Give the block a home and a run store of its own, in this process and its children.

    Settings from the environment are put aside, the user's home is not touched, and what was
    there before is there again afterwards.

    Args:
        home: the home folder, which then stays; by default a temporary one.
        settings: other settings by their field names, such as `durability="full"`.

    Example:
        >>> from upshot.testing import isolated
        >>> with isolated(results_persist_by_default=True) as settings:
        ...     settings.local_storage_path.is_relative_to(settings.home)
        True
    """
    names = [PREFIX + name.upper() for name in Settings.model_fields]
    before = {name: os.environ.pop(name) for name in names if name in os.environ}
    with tempfile.TemporaryDirectory(prefix="upshot-", ignore_cleanup_errors=True) as folder:
        chosen = Path(folder) / "home" if home is None else home
        os.environ.update({PREFIX + name.upper(): str(value) for name, value in settings.items()})
        os.environ[f"{PREFIX}HOME"] = str(chosen)
        forget_settings()
        try:
            yield get_current_settings()
        finally:
            close_stores(chosen)
            for name in names:
                os.environ.pop(name, None)
            os.environ.update(before)
            forget_settings()
