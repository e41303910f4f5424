"""What the surface's tests share."""

from collections.abc import Iterator

import pytest

from upshot.testing import isolated


@pytest.fixture(scope="session", autouse=True)
def never_the_users_home() -> Iterator[None]:
    """A home for what a test leaves to the settings, in processes that outlive it too."""
    with isolated():
        yield


@pytest.fixture
def anyio_backend() -> str:
    """On which loop tests that are async functions run, if they are marked `anyio`."""
    return "asyncio"
