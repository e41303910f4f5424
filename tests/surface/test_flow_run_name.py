"""What a flow run is called."""

from __future__ import annotations

import asyncio
from datetime import date
from typing import Any

import pytest

from upshot import flow, get_run_context, task
from upshot.exceptions import InvalidOption


def own_name() -> str:
    return get_run_context().flow_run.name  # type: ignore[union-attr, return-value]


def test_a_template_is_filled_with_the_parameters_and_defaults() -> None:
    @flow(flow_run_name="{name}-on-{day:%A} {n}")
    def named(name: str, day: date = date(2026, 1, 2), n: int = 3) -> str:
        return own_name()

    assert named("chris") == "chris-on-Friday 3"
    assert named(name="x", n=4) == "x-on-Friday 4"


def test_a_template_sees_the_coerced_parameters() -> None:
    @flow(flow_run_name="{x!r}")
    def named(x: int) -> str:
        return own_name()

    given: Any = "7"
    assert named(given) == "7"


def test_async_flows_have_names_too() -> None:
    @flow(flow_run_name="hi {x}")
    async def named(x: int) -> str:
        return own_name()

    async def main() -> str:
        return await named(1)

    assert asyncio.run(main()) == "hi 1"


def test_a_function_may_read_the_context() -> None:
    def make_name() -> str:
        context: Any = get_run_context()
        return f"{context.flow.name} of {context.parameters['x']} and {context.parameters['y']}"

    @flow(flow_run_name=make_name)
    def my_flow(x: int, y: int = 2) -> str:
        return own_name()

    assert my_flow(1) == "my-flow of 1 and 2"


def test_a_subflow_is_named_by_its_own_parameters() -> None:
    @flow(flow_run_name="child of {x}")
    def child(x: int) -> str:
        return own_name()

    @flow(flow_run_name="parent of {x}")
    def parent(x: int) -> Any:
        return own_name(), child(x + 1)

    assert parent(1) == ("parent of 1", "child of 2")


def test_a_name_is_made_once_for_a_run_however_often_it_is_tried() -> None:
    made = []

    def make_name() -> str:
        made.append(1)
        return f"name {len(made)}"

    names = []

    @flow(flow_run_name=make_name, retries=2)
    def fails_twice() -> str:
        names.append(own_name())
        if len(names) < 3:
            raise ValueError
        return names[-1]

    assert fails_twice() == "name 1"
    assert names == ["name 1"] * 3
    assert fails_twice() == "name 2"


def test_a_function_that_gives_no_text_is_a_type_error() -> None:
    def make_name() -> Any:
        return None

    @flow(flow_run_name=make_name)
    def named() -> None: ...

    with pytest.raises(TypeError) as caught:
        named()
    assert str(caught.value) == (
        f"Callable {make_name} for 'flow_run_name' returned type NoneType but a string is required."
    )
    assert named(return_state=True).is_failed()


def test_an_async_function_makes_no_name() -> None:
    async def make_name() -> str:
        return ""

    with pytest.raises(TypeError, match="must be a plain function"):
        flow(flow_run_name=make_name)(lambda: None)  # type: ignore[call-overload]


def test_a_template_that_names_no_parameter_fails_the_run() -> None:
    @flow(flow_run_name="{nmae}")
    def named(name: str) -> None: ...

    with pytest.raises(InvalidOption, match="'nmae', which is no parameter: did you mean 'name'"):
        named("x")


def test_an_error_of_the_function_fails_the_run() -> None:
    def make_name() -> str:
        raise LookupError("no name")

    state = flow(flow_run_name=make_name)(lambda: None)(return_state=True)
    assert state.is_failed()
    with pytest.raises(LookupError, match="no name"):
        state.result()


def test_a_run_without_a_template_has_a_name() -> None:
    @flow
    def my_flow() -> str:
        return own_name()

    assert my_flow()
    assert my_flow() != my_flow()


def test_a_flow_that_is_named_by_another_may_call_tasks() -> None:
    @task
    def one() -> int:
        return 1

    @flow(flow_run_name="n {x}")
    def counted(x: int) -> int:
        return one() + x

    assert counted(1) == 2
