"""A call takes as many steps of Python for large arguments as for small ones. Nothing is timed."""

from __future__ import annotations

import gc
import sys
from collections import OrderedDict, deque, namedtuple
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from types import FrameType
from typing import Any

import numpy
import pandas
import pytest

from upshot import flow, task

FEW, MANY = 300, 30_000
SLACK = 1_000  # steps; what is written in between differs from call to call

Point = namedtuple("Point", "x y")

LARGE: dict[str, Callable[[int], Any]] = {
    "list of numbers": lambda n: [*range(n)],
    "tuple of texts": lambda n: tuple(map(str, range(n))),
    "list of all sorts": lambda n: [1, 2.0, "x", None, Decimal(3), datetime.now(UTC)] * n,
    "dict": lambda n: {str(i): i for i in range(n)},
    "set": lambda n: set(range(n)),
    "list of lists": lambda n: [[i, i] for i in range(n)],
    "list of dicts": lambda n: [{"a": i, "b": [i]} for i in range(n)],
    "list of named tuples": lambda n: [Point(i, i) for i in range(n)],
    "ordered dict": lambda n: OrderedDict.fromkeys(range(n)),
    "objects": lambda n: [object() for _ in range(n)],
    "deque": lambda n: deque(range(n)),
    "array": numpy.zeros,
    "frame": lambda n: pandas.DataFrame({"a": range(n)}),
    "bytes": bytes,
    "range": range,
    "text": lambda n: "x" * n,
}


@task
def plain(x: Any) -> bool:
    return True


@flow
def around(value: Any) -> int:
    plain(value)  # what is done once for a type is not what a call costs
    steps_of(lambda: None)  # the first time, Python 3.12 tells nothing
    return min(steps_of(lambda: plain(value)) for _ in range(3))


def steps_of(call: Callable[[], Any]) -> int:
    """How many instructions of Python a call executes in this thread."""
    steps, before = 0, sys.gettrace()

    def step(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal steps
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        steps += event == "opcode"
        return step

    gc.disable()  # what a collection calls is not the call's
    sys.settrace(step)
    try:
        call()
    finally:
        sys.settrace(before)
        gc.enable()
    return steps


@pytest.mark.parametrize("kind", LARGE)
def test_a_call_takes_no_step_for_an_item_of_an_argument(kind: str) -> None:
    few, many = (around(LARGE[kind](n)) for n in (FEW, MANY))
    assert many - few <= SLACK


def test_an_array_costs_no_more_steps_than_a_number(limits: dict[str, Any]) -> None:
    assert around(numpy.zeros(MANY)) - around(1) <= limits["arguments"]["steps_of_an_array"]
