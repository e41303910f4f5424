"""System calls that calls make, against limits.toml; `system_calls.py` says how to count anew."""

from __future__ import annotations

import pytest

from tests.guards.conftest import Limits, counted_on_this_python
from tests.guards.system_calls import KINDS, counted

pytestmark = [pytest.mark.apt, pytest.mark.slow, pytest.mark.timeout(120), counted_on_this_python]


@pytest.mark.parametrize("kind", KINDS)
def test_a_call_makes_no_more_system_calls_than_its_limit(kind: str, limits: Limits) -> None:
    made = counted(kind)
    assert sum(made.values()) <= limits["system_calls"][kind], made
