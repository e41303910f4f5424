"""A home of its own for a test."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from upshot.exceptions import InvalidSettings, RunStoreError, did_you_mean
from upshot.runstore.current import close_stores
from upshot.settings import (
    PREFIX,
    Settings,
    forget_settings,
    get_current_settings,
    settings_of_process,
)


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
    with tempfile.TemporaryDirectory(prefix="upshot-", ignore_cleanup_errors=True) as folder:
        chosen = Path(folder) / "home" if home is None else home
        with settings_of_process(), _environment({"home": chosen, **settings}):
            inside = get_current_settings()
            try:
                yield inside
            except BaseException:
                with suppress(RunStoreError):  # what the block met comes first
                    close_stores(inside.home)
                raise
            close_stores(inside.home)


@contextmanager
def _environment(settings: Mapping[str, object]) -> Iterator[None]:
    """These settings in the environment, and no others."""
    for name in settings.keys() - Settings.model_fields.keys():
        hint = did_you_mean(name, Settings.model_fields)
        raise InvalidSettings("isolated()", f"{name!r} is no setting: {hint}")
    before = _set_aside()
    os.environ.update({PREFIX + name.upper(): str(value) for name, value in settings.items()})
    forget_settings()
    try:
        yield
    finally:
        _set_aside()
        os.environ.update(before)
        forget_settings()


def _set_aside() -> dict[str, str]:
    ours = [variable for variable in os.environ if variable.startswith(PREFIX)]
    return {
        variable: os.environ.pop(variable)
        for variable in ours
        if variable.removeprefix(PREFIX).lower() in Settings.model_fields
    }
