"""Marks what runs the real Prefect 2 as slow: the first of these tests makes its environment."""

import pytest

from tests.interop.prefect_venv import prefect_python, run_prefect

__all__ = ["prefect_python", "run_prefect"]


@pytest.hookimpl(tryfirst=True)  # before `-m` looks at the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "prefect_python" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.timeout(600))
