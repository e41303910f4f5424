"""What `upshot` itself offers."""

from __future__ import annotations

from importlib.metadata import version

import pytest

import upshot


@pytest.mark.parametrize(
    "name",
    [
        "flow",
        "task",
        "Flow",
        "Task",
        "State",
        "states",
        "tags",
        "get_run_logger",
        "unmapped",
        "allow_failure",
        "runtime",
        "context",
        "exceptions",
        "settings",
    ],
)
def test_the_package_offers_it(name: str) -> None:
    assert name in upshot.__all__
    assert getattr(upshot, name) is not None


def test_modules_are_the_same_however_they_are_had() -> None:
    from upshot import context, exceptions, runtime, settings, states
    from upshot.context import FlowRunContext
    from upshot.exceptions import MissingResult
    from upshot.runtime import flow_run
    from upshot.settings import Settings
    from upshot.states import Completed

    assert context.FlowRunContext is FlowRunContext
    assert exceptions.MissingResult is MissingResult
    assert runtime.flow_run is flow_run
    assert settings.Settings is Settings
    assert states.Completed is Completed


def test_the_package_says_its_version() -> None:
    assert upshot.__version__ == version("upshot")
