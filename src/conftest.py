"""Docstring examples run in a home of their own (`pytest --doctest-modules src`)."""

from collections.abc import Iterator

import pytest

from upshot.testing import isolated

# Alembic's scripts run only inside of Alembic
collect_ignore_glob = ["upshot/runstore/migrations/*"]


@pytest.fixture(autouse=True)
def own_home() -> Iterator[None]:
    with isolated():
        yield
