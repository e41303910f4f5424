"""A pytest plugin: the fixture `upshot_home` gives a test a home and a run store of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def upshot_home() -> Iterator[Path]:
    """A home of its own for one test; see `upshot.testing.isolated`."""
    # imported here, for pytest loads this file in every project that has upshot installed
    from upshot.testing.isolation import isolated  # noqa: PLC0415

    with isolated() as settings:
        yield settings.home
