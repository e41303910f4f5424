"""What the unit tests share."""

from collections.abc import Iterator

import pytest
from hypothesis import settings

from upshot.testing import isolated

# how long an example takes says nothing on a machine that does other things as well
settings.register_profile("upshot", deadline=None)
settings.load_profile("upshot")


@pytest.fixture(scope="session", autouse=True)
def never_the_users_home() -> Iterator[None]:
    """A home for what a test leaves to the settings, in processes that outlive it too."""
    with isolated():
        yield
