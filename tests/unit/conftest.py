"""What the unit tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from upshot.filesystems import LocalFileSystem, _partial
from upshot.testing import isolated

# how long an example takes says nothing on a machine that does other things as well
settings.register_profile("upshot", deadline=None)
settings.load_profile("upshot")


@pytest.fixture(scope="session", autouse=True)
def never_the_users_home() -> Iterator[None]:
    """A home for what a test leaves to the settings, in processes that outlive it too."""
    with isolated():
        yield


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The folder of `storage`, which is not there yet."""
    return tmp_path / "above" / "root"


@pytest.fixture(params=["nameless", "hidden"])
def storage(
    root: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> LocalFileSystem:
    """A local storage, by either way in which it writes a file."""
    if request.param == "hidden":
        monkeypatch.setattr(_partial, "_NAMELESS", 0)
    elif not _partial._NAMELESS:
        pytest.skip("platform: no files without a name")
    return LocalFileSystem(basepath=root)
