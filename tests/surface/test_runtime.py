"""`upshot.runtime`: the run that goes on, as attributes of two modules."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any
from uuid import UUID

import pytest

from upshot import flow, get_run_context, runtime, tags, task
from upshot.context import FlowRunContext, TaskRunContext
from upshot.runtime import flow_run, task_run
from upshot.settings import get_current_settings
from upshot.task_runners import ProcessPoolTaskRunner

pytestmark = pytest.mark.usefixtures("upshot_home")

FLOW_FIELDS = {
    "id", "tags", "run_count", "scheduled_start_time", "name", "flow_name", "flow_version",
    "parameters", "parent_flow_run_id",
}  # fmt: skip
TASK_FIELDS = {"id", "tags", "run_count", "parameters", "name", "task_name"}
MODULES = pytest.mark.parametrize("module", [flow_run, task_run], ids=["flow_run", "task_run"])


@dataclass
class Point:
    x: int
    y: int = 2


def all_of(module: ModuleType) -> dict[str, Any]:
    return {name: getattr(module, name) for name in dir(module)}


def variable(module: ModuleType, name: str) -> str:
    return f"UPSHOT__RUNTIME__{module.__name__.rpartition('.')[2]}__{name}".upper()


def test_the_attributes_are_listed() -> None:
    assert set(dir(flow_run)) == set(flow_run.FIELDS) == FLOW_FIELDS
    assert set(dir(task_run)) == set(task_run.FIELDS) == TASK_FIELDS
    assert runtime.flow_run is flow_run


@MODULES
def test_an_unknown_attribute_is_named(module: Any) -> None:
    with pytest.raises(AttributeError, match="beep"):
        module.beep  # noqa: B018
    with pytest.raises(ImportError, match="boop"):
        from upshot.runtime.flow_run import boop
    with pytest.raises(ImportError, match="boop"):
        from upshot.runtime.task_run import boop  # noqa: F401


@MODULES
def test_each_attribute_is_a_function_as_well(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, function in module.FIELDS.items():
        assert getattr(module, f"get_{name}") is function
    monkeypatch.setitem(module.FIELDS, "name", lambda: "another")
    assert module.name == "another"


def test_outside_of_runs_there_is_nothing() -> None:
    before = datetime.now(UTC)
    told = all_of(flow_run)
    assert before <= told.pop("scheduled_start_time") <= datetime.now(UTC)
    assert told == {
        "id": None, "tags": [], "run_count": 0, "name": None, "flow_name": None,
        "flow_version": None, "parameters": {}, "parent_flow_run_id": None,
    }  # fmt: skip
    assert all_of(task_run) == {
        "id": None, "tags": [], "run_count": 0, "parameters": {}, "name": None, "task_name": None,
    }  # fmt: skip


def test_in_a_flow_it_is_that_flows_run() -> None:
    point = Point(1)

    @flow(name="the flow", version="v1", flow_run_name="the run", retries=1)
    def around(point: Point, more: int = 5) -> Any:
        if flow_run.run_count == 1:
            raise ValueError
        return all_of(flow_run), get_run_context().flow_run

    with tags("b", "a"):
        told, record = around(point)
    assert told["id"] == str(record.id)
    assert told["tags"] == ["a", "b"]
    assert told["run_count"] == 2
    assert abs(told["scheduled_start_time"] - datetime.now(UTC)) < timedelta(minutes=1)
    assert (told["name"], told["flow_name"], told["flow_version"]) == ("the run", "the flow", "v1")
    assert told["parameters"] == {"point": point, "more": 5}
    assert told["parameters"]["point"] is point
    assert told["parent_flow_run_id"] is None
    assert flow_run.id is None


def test_in_a_task_it_is_both_runs() -> None:
    @task(tags=["own"], task_run_name="run of {x}", retries=1)
    def inner(x: int, y: int = 2) -> Any:
        if task_run.run_count == 1:
            raise ValueError
        return all_of(task_run), flow_run.id, get_run_context().task_run

    @flow
    def around() -> Any:
        return flow_run.id, inner(1)

    id, (told, seen, record) = around()
    assert id == seen
    assert told == {
        "id": str(record.id), "tags": ["own"], "run_count": 2, "parameters": {"x": 1, "y": 2},
        "name": "run of 1", "task_name": "inner",
    }  # fmt: skip


def test_async_functions_see_it_too() -> None:
    @task
    async def inner() -> Any:
        return task_run.name, flow_run.flow_name

    @flow
    async def around() -> Any:
        future = await inner.submit()
        return [await inner(), await future.result()]

    assert sorted(asyncio.run(around())) == [("inner-0", "around"), ("inner-1", "around")]


def test_a_subflow_knows_the_flow_around_it() -> None:
    @flow
    def inner() -> Any:
        return flow_run.parent_flow_run_id, flow_run.id

    @task
    def between() -> Any:
        return inner()

    @flow
    def around() -> Any:
        return flow_run.id, inner(), between()

    id, direct, through_a_task = around()
    assert direct[0] == through_a_task[0] == id
    assert direct[1] != through_a_task[1]


@task
def seen_elsewhere(x: int) -> Any:
    return all_of(flow_run), all_of(task_run)


def test_worker_processes_know_it() -> None:
    @flow(task_runner=ProcessPoolTaskRunner(max_workers=1))
    def around(point: Point) -> Any:
        return seen_elsewhere.submit(3).result(), all_of(flow_run)

    (told, of_task), here = around(Point(1))
    assert told.pop("parameters") == {"point": {"x": 1, "y": 2}}
    assert here.pop("parameters") == {"point": Point(1)}
    assert told == here
    assert of_task["parameters"] == {"x": 3}


def test_names_of_runs_may_read_the_parameters() -> None:
    @task(task_run_name=lambda: f"task of {task_run.parameters['x']}")
    def inner(x: int) -> Any:
        return task_run.name

    @flow(flow_run_name=lambda: f"flow of {flow_run.parameters['x']}")
    def around(x: int = 4) -> Any:
        return flow_run.name, inner(x + 1)

    assert around() == ("flow of 4", "task of 5")


@flow(version="v2")
def recorded(point: Point, more: Any = 5) -> Any:
    return None


def test_the_environment_may_name_a_run_of_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    with tags("night"):
        state = recorded(Point(1), more=object(), return_state=True)
    id = str(state.state_details.flow_run_id)
    monkeypatch.setenv("UPSHOT__FLOW_RUN_ID", id)
    told = all_of(flow_run)
    assert (told["id"], told["flow_name"], told["flow_version"]) == (id, "recorded", "v2")
    assert (told["tags"], told["run_count"]) == (["night"], 1)
    assert told["parameters"] == {"point": {"x": 1, "y": 2}, "more": "<object>"}
    assert flow_run.name.startswith("recorded-")
    assert told["parent_flow_run_id"] is None


def test_the_environment_may_name_a_subflow(monkeypatch: pytest.MonkeyPatch) -> None:
    @flow
    def around() -> Any:
        return flow_run.id, recorded(Point(1), return_state=True).state_details.flow_run_id

    parent, child = around()
    monkeypatch.setenv("UPSHOT__FLOW_RUN_ID", str(child))
    assert flow_run.parent_flow_run_id == parent


@pytest.mark.parametrize("id", [str(UUID(int=1)), "nonsense"])
def test_the_environment_may_not_name_what_is_no_run(
    id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UPSHOT__FLOW_RUN_ID", id)
    assert flow_run.id == id
    with pytest.raises(ValueError, match=id):
        flow_run.name  # noqa: B018


def test_a_flows_context_comes_before_a_tasks_and_that_before_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("UPSHOT__FLOW_RUN_ID", "of-the-environment")

    @task
    def inner() -> Any:
        return get_run_context(), flow_run.id

    @flow
    def around() -> Any:
        return inner(), get_run_context()

    (of_task, seen), of_flow = around()
    id = str(of_flow.flow_run.id)
    assert seen == id
    with TaskRunContext.construct(task_run=of_task.task_run):
        assert flow_run.id == id
        assert flow_run.flow_name == "around"
        with FlowRunContext.construct(flow_run=recorded_run()) as other:
            assert flow_run.id == str(other.flow_run.id) != id
    assert inner()[1] == flow_run.id == "of-the-environment"


def recorded_run() -> Any:
    @flow
    def other() -> Any:
        return get_run_context().flow_run

    return other()


@MODULES
@pytest.mark.parametrize(
    ("real", "text", "value"),
    [
        (True, "false", False),
        (False, "true", True),
        (False, "True", True),
        (10, "20", 20),
        (10.5, "20.5", 20.5),
        ("foo", "bar", "bar"),
        (None, "bar", "bar"),
        (datetime(2022, 1, 1, tzinfo=UTC), "2023-05-13T20:00:00",
         datetime(2023, 5, 13, 20, tzinfo=UTC)),
        (datetime(2022, 1, 1, tzinfo=UTC), "2023-05-13T20:00:00+02:00",
         datetime(2023, 5, 13, 18, tzinfo=UTC)),
    ],
)  # fmt: skip
def test_a_variable_overrides_an_attribute_in_its_type(
    module: Any, real: Any, text: str, value: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(module.FIELDS, "made_up", lambda: real)
    monkeypatch.setenv(variable(module, "made_up"), text)
    assert module.made_up == value
    assert type(module.made_up) is type(value)


@MODULES
@pytest.mark.parametrize("real", [["a"], {"a": 1}, ("a",)])
def test_collections_cannot_be_mocked(
    module: Any, real: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(module.FIELDS, "made_up", lambda: real)
    monkeypatch.setenv(variable(module, "made_up"), "a")
    with pytest.raises(ValueError, match="cannot be mocked"):
        module.made_up  # noqa: B018


@MODULES
def test_a_variable_may_add_an_attribute(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable(module, "new_key"), "foobar")
    assert module.new_key == "foobar"


def test_a_variable_that_does_not_fit_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPSHOT__RUNTIME__TASK_RUN__RUN_COUNT", "many")
    with pytest.raises(ValueError, match="UPSHOT__RUNTIME__TASK_RUN__RUN_COUNT: 'many' is no int"):
        task_run.run_count  # noqa: B018


def test_variables_of_the_runtime_hold_in_runs_and_are_no_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("UPSHOT__RUNTIME__FLOW_RUN__NAME", "mocked")
    monkeypatch.setenv("UPSHOT__FLOW_RUN_ID", "whatever")
    monkeypatch.setenv("UPSHOT__RUNTIME__TASK_RUN__DURABILTY", "x")

    @flow
    def around() -> Any:
        return flow_run.name, flow_run.run_count

    assert around() == ("mocked", 1)
    assert get_current_settings().durability == "normal"


CASES: list[tuple[str, Callable[[], Any]]] = [
    (f"{module.__name__}.{name}", function)
    for module in (flow_run, task_run)
    for name, function in module.FIELDS.items()
]


@pytest.mark.parametrize(("name", "function"), CASES, ids=[name for name, _ in CASES])
def test_attributes_are_evaluated_when_they_are_used(
    name: str, function: Callable[[], Any]
) -> None:
    @flow
    def around(x: int = 1) -> Any:
        return inner(x)

    @task(tags=["a"])
    def inner(x: int) -> Any:
        return function()

    before, inside = function(), around()
    assert name.endswith(("parent_flow_run_id", "flow_run.tags")) or inside != before
