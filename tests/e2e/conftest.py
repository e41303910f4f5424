"""What the tests of whole programs share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from upshot import Flow
from upshot.task_runners import ConcurrentTaskRunner, SequentialTaskRunner


@pytest.fixture(params=[ConcurrentTaskRunner, SequentialTaskRunner])
def in_flow(request: pytest.FixtureRequest) -> Callable[[Callable[[], Any]], Any]:
    """What a function gives as a flow, whose submitted tasks stay in this process."""

    def call(function: Callable[[], Any]) -> Any:
        found: list[Any] = []
        Flow(lambda: found.append(function()) or 0, name="f", task_runner=request.param)()
        return found[0]

    return call
