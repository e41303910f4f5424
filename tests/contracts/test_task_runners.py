from __future__ import annotations

import pytest

from upshot.task_runners import (
    ConcurrentTaskRunner,
    ProcessPoolTaskRunner,
    SequentialTaskRunner,
    TaskRunner,
)
from upshot.testing import TaskRunnerContract


class TestSequentialTaskRunner(TaskRunnerContract):
    @pytest.fixture
    def runner(self) -> TaskRunner:
        return SequentialTaskRunner()


class TestConcurrentTaskRunner(TaskRunnerContract):
    @pytest.fixture(params=[1, 32])
    def runner(self, request: pytest.FixtureRequest) -> TaskRunner:
        return ConcurrentTaskRunner(max_workers=request.param)


class TestProcessPoolTaskRunner(TaskRunnerContract):
    @pytest.fixture(params=[1, 2])
    def runner(self, request: pytest.FixtureRequest) -> TaskRunner:
        return ProcessPoolTaskRunner(max_workers=request.param)
