"""Instructions that calls take, against limits.toml; `instructions.py` says how to count anew."""

from __future__ import annotations

import pytest

from tests.guards.conftest import Limits, counted_on_this_python
from tests.guards.instructions import KINDS, counted

pytestmark = [pytest.mark.apt, pytest.mark.slow, pytest.mark.timeout(240), counted_on_this_python]


@pytest.fixture(scope="session")
def beside_those_of_the_limits(limits: Limits) -> float:
    """How many instructions this build of Python takes for one of the build of the limits."""
    return counted("yardstick") / float(limits["instructions"]["yardstick"])


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "yardstick"])
def test_a_call_takes_no_more_instructions_than_its_limit(
    kind: str, limits: Limits, beside_those_of_the_limits: float
) -> None:
    taken = counted(kind)
    assert taken <= limits["instructions"][kind] * max(1, beside_those_of_the_limits)
