"""What notebooks show: a bounded, escaped table; and how they run flows."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from upshot import flow, task
from upshot._html import LONGEST, facts
from upshot.runstore import open_store

pytestmark = pytest.mark.usefixtures("upshot_home")

HOSTILE = "<script>alert('x')</script>" + "y" * 5_000


def shown(thing: Any) -> str:
    html: str = thing._repr_html_()
    assert "<script" not in html
    assert len(html) < 3_000
    assert html.startswith("<table>")
    assert html.endswith("</table>")
    return html


def test_facts_are_escaped_and_bounded() -> None:
    html = facts("<b>", {"<i>": HOSTILE, "none": None})
    assert "<b>" not in html
    assert "<i>" not in html
    assert "&lt;script&gt;" in html
    assert "none" not in html
    assert html.count("y") < LONGEST


def test_states_futures_references_and_runs_show_themselves() -> None:
    @task(persist_result=True, name=HOSTILE)
    def kept() -> str:
        return HOSTILE

    @task
    def fail() -> None:
        raise ValueError(HOSTILE)

    @flow
    def around() -> Any:
        future = kept.submit()
        assert "Completed" in shown(future.wait())
        assert "Completed" in shown(future)
        assert "ValueError" in shown(fail(return_state=True))
        return [future.wait().data]

    state = around(return_state=True)
    assert "pickle" in shown(state.result()[0])
    (run,) = open_store().flow_runs()
    assert "around" in shown(run)
    for inner in open_store().task_runs(run.id):
        assert "s</td>" in shown(inner)


def test_what_is_shown_of_a_result_is_never_its_value() -> None:
    @task(persist_result=True)
    def secret() -> str:
        return "hunter2"

    state = secret(return_state=True)
    assert "hunter2" not in shown(state)
    assert "hunter2" not in shown(state.data)


def test_a_flow_runs_where_a_loop_runs_as_in_a_notebook() -> None:
    @task
    def double(x: int) -> int:
        return 2 * x

    @flow
    def total() -> int:
        return sum(future.result() for future in double.map([1, 2, 3]))

    @flow
    async def atotal() -> int:
        return sum(future.result() for future in double.map([1, 2, 3]))

    async def cell() -> tuple[int, int]:
        return total(), await atotal()

    assert asyncio.run(cell()) == (12, 12)
