from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from upshot.runstore import RunStore
from upshot.runstore.memory import MemoryRunStore
from upshot.runstore.sqlite import SQLiteRunStore
from upshot.testing import RunStoreContract


class TestMemoryRunStore(RunStoreContract):
    @pytest.fixture
    def store(self) -> MemoryRunStore:
        return MemoryRunStore()


class TestSQLiteRunStore(RunStoreContract):
    @pytest.fixture(params=["normal", "full"])
    def store(self, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[RunStore]:
        with SQLiteRunStore(tmp_path / "home" / "runs.db", request.param) as store:
            yield store
