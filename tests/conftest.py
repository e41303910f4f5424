"""What all tests share: which of them may skip, and where the material beside the project lies."""

import os
import signal
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from tests import servers

# A shell that starts the tests in the background has them, and all their children, ignore Ctrl-C:
# what interrupts these must then be undone here.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

PROJECT = Path(__file__).resolve().parents[1]
IN_CI = os.environ.get("UPSHOT_CI") == "1"
HAS_APT = os.environ.get("UPSHOT_TEST_APT") == "1"
# a test that some systems cannot run, and not one whose component is missing
ALLOWED_IN_CI = "Skipped: platform:"

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not HAS_APT:
        skip = pytest.mark.skip(reason="needs a system package; UPSHOT_TEST_APT=1 says it is there")
        for item in items:
            if "apt" in item.keywords:
                item.add_marker(skip)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return _failed_if_skipped((yield), item.nodeid)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return _failed_if_skipped((yield), collector.nodeid)


def _failed_if_skipped(report: Report, name: str) -> Report:
    if not IN_CI or not report.skipped or hasattr(report, "wasxfail"):
        return report
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    if not reason.startswith(ALLOWED_IN_CI):
        report.outcome = "failed"
        report.longrepr = f"{name} skips in CI, where nothing may be missing. {reason}"
    return report


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder `shared` beside the project."""
    folder = PROJECT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("../shared is not there")
    return folder


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The URL of a server that speaks S3."""
    with servers.s3() as url:
        yield url


@pytest.fixture(scope="session")
def gcs_server() -> Iterator[str]:
    """The URL of a server that speaks as Google Cloud Storage."""
    with servers.gcs() as url:
        yield url


@pytest.fixture(scope="session")
def azure_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The connection string of a server that speaks as Azure Blob Storage."""
    with servers.azure(tmp_path_factory.mktemp("azurite")) as connection:
        yield connection
