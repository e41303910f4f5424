"""Contexts: models that can be entered, and what they say of the run that goes on."""

from __future__ import annotations

import asyncio
import json
import pickle
from contextvars import ContextVar
from datetime import datetime
from typing import Any

import anyio
import pytest

from upshot import context as public
from upshot import flow, get_run_context, get_run_logger, runtime, tags, task
from upshot.client import get_client
from upshot.client.schemas import FlowRun, TaskRun
from upshot.context import ContextModel, FlowRunContext, TaskRunContext
from upshot.exceptions import MissingContextError
from upshot.results import ResultFactory
from upshot.settings import UPSHOT_HOME, temporary_settings
from upshot.task_runners import ConcurrentTaskRunner, SequentialTaskRunner

pytestmark = pytest.mark.usefixtures("upshot_home")


class Example(ContextModel):
    __var__ = ContextVar("example")
    x: int


@flow
def some_flow(x: int = 1) -> Any:
    return get_run_context()


@task
def some_task(x: int = 1) -> Any:
    return get_run_context()


def test_a_context_checks_its_types_and_takes_no_other_fields() -> None:
    with pytest.raises(ValueError):
        Example(x="hello")
    with pytest.raises(ValueError):
        Example(x=1, y=2)
    with pytest.raises(ValueError):
        Example()


def test_the_current_context_is_that_of_the_innermost_block() -> None:
    assert Example.get() is None
    with Example(x=1) as one:
        assert Example.get() is one
        with Example(x=2), Example(x=3):
            assert Example.get().x == 3
        assert Example.get() is one
    assert Example.get() is None


def test_a_context_ends_with_an_error() -> None:
    with pytest.raises(ZeroDivisionError), Example(x=1):
        raise ZeroDivisionError
    assert Example.get() is None


def test_a_context_cannot_be_entered_twice() -> None:
    context = Example(x=1)
    with context:
        with pytest.raises(RuntimeError, match="Context already entered"), context:
            pass
        assert Example.get() is context
    with context:  # it was left
        assert Example.get() is context


def test_a_context_cannot_be_left_more_often_than_entered() -> None:
    context = Example(x=1)
    with pytest.raises(RuntimeError, match="Asymmetric use of context"), context:
        context.__exit__()
    with pytest.raises(RuntimeError, match="Asymmetric use of context"):
        Example(x=1).__exit__(None, None, None)
    assert Example.get() is None


def test_a_copy_of_a_context_can_be_entered_anew() -> None:
    context = Example(x=1)
    with context:
        with context.copy():
            assert Example.get() == context
            assert Example.get() is not context
        with context.copy(update={"x": 2}, deep=True):
            assert Example.get().x == 2
        assert Example.get() is context


def test_contexts_have_the_idioms_of_models() -> None:
    assert Example(x=1).dict() == {"x": 1}
    assert Example.parse_obj({"x": 1}) == Example.construct(x=1)
    assert Example.parse_raw(Example(x=1).json()).x == 1


def flow_run_of(*args: Any) -> Any:
    return some_flow(*args).flow_run


def task_run_of(*args: Any) -> Any:
    return some_task(*args).task_run


def test_a_flow_run_context_can_be_made_by_hand() -> None:
    run, runner = flow_run_of(), SequentialTaskRunner()
    factory = ResultFactory.from_flow(some_flow)

    async def main() -> None:
        async with anyio.create_task_group() as group:
            with FlowRunContext(
                flow=some_flow,
                flow_run=run,
                client="client",
                task_runner=runner,
                result_factory=factory,
                background_tasks=group,
                parameters={"x": "y"},
            ):
                here = FlowRunContext.get()
                assert here is not None
                assert here.flow is some_flow
                assert here.flow_run is run
                assert here.client == "client"
                assert here.task_runner is runner
                assert here.result_factory == factory
                assert here.background_tasks is group
                assert here.parameters == {"x": "y"}
                assert here.start_time.tzinfo is not None
                assert set(here.dict(exclude={"flow"})) == {
                    "flow_run", "client", "result_factory", "background_tasks", "parameters",
                }  # fmt: skip

    asyncio.run(main())
    assert FlowRunContext.get() is None


def test_a_task_run_context_can_be_made_by_hand() -> None:
    run, factory = task_run_of(), ResultFactory.from_task(some_task)
    with TaskRunContext(
        task=some_task,
        task_run=run,
        client="client",
        result_factory=factory,
        parameters={"foo": "bar"},
    ):
        here = TaskRunContext.get()
        assert here is not None
        assert (here.task, here.task_run, here.client) == (some_task, run, "client")
        assert here.result_factory == factory
        assert here.parameters == {"foo": "bar"}
        assert isinstance(here.start_time, datetime)
        assert here.start_time.tzinfo is not None


def test_a_context_of_a_run_takes_no_other_fields() -> None:
    with pytest.raises(TypeError):
        FlowRunContext.construct(nothing=1)
    with pytest.raises(TypeError, match="no field 'nothing'"):
        TaskRunContext.construct().copy(update={"nothing": 1})


def test_a_context_of_a_run_is_entered_and_left_as_any() -> None:
    for context in (FlowRunContext.construct(), TaskRunContext.construct(task=some_task)):
        with context:
            with pytest.raises(RuntimeError, match="Context already entered"), context:
                pass
            with context.copy() as twin:
                assert type(context).get() is twin is not context
        with pytest.raises(RuntimeError, match="Asymmetric use of context"):
            context.__exit__(None, None, None)


def test_a_context_of_few_fields_will_do() -> None:
    run = flow_run_of()
    with FlowRunContext.construct(flow_run=run) as made:
        assert get_run_context() is made
        assert runtime.flow_run.id == str(run.id)
        assert runtime.flow_run.flow_name == "some-flow"
        assert runtime.flow_run.parameters == {}
        assert isinstance(made.task_runner, ConcurrentTaskRunner)
    run = task_run_of()
    with TaskRunContext.construct(task_run=run, task=some_task):
        assert (runtime.task_run.id, runtime.task_run.task_name) == (str(run.id), "some_task")
    with TaskRunContext.construct(parameters={"x": 1}):
        assert (runtime.task_run.id, runtime.task_run.parameters) == (None, {"x": 1})
    with FlowRunContext.construct(flow=some_flow):
        assert (runtime.flow_run.flow_name, runtime.flow_run.id) == ("some-flow", None)


def test_tasks_can_be_called_in_a_context_that_was_made_by_hand() -> None:
    run = flow_run_of()
    with FlowRunContext.construct(flow=some_flow, flow_run=run):
        inner = some_task()
    assert inner.task_run.flow_run_id == run.id
    with FlowRunContext.construct(flow=some_flow, flow_run=run, parameters={}):
        assert some_task.submit().result().task_run.flow_run is run


def test_the_context_of_a_run_is_that_of_the_task_before_that_of_the_flow() -> None:
    with FlowRunContext.construct() as around:
        assert get_run_context() is around
        with TaskRunContext.construct() as inside:
            assert get_run_context() is inside
        assert get_run_context() is around


def test_there_is_no_context_outside_of_runs() -> None:
    with pytest.raises(RuntimeError):
        get_run_context()
    with pytest.raises(MissingContextError):
        get_run_context()


def test_the_runner_of_a_flow_run_is_the_flows() -> None:
    @flow(task_runner=SequentialTaskRunner())
    def in_sequence() -> Any:
        runner = get_run_context().task_runner  # type: ignore[union-attr]
        some_task.submit()
        return runner, get_run_context().task_runner  # type: ignore[union-attr]

    first, second = in_sequence()
    assert isinstance(first, SequentialTaskRunner)
    assert first is second


def test_the_start_of_a_flow_run_is_that_of_its_attempt() -> None:
    starts = []

    @flow(retries=1)
    def twice() -> None:
        starts.append(get_run_context().start_time)
        if len(starts) < 2:
            raise ValueError

    twice()
    assert starts[0] < starts[1]
    assert starts[0].tzinfo is not None


def test_a_context_of_a_run_says_which_run_it_is() -> None:
    @flow(flow_run_name="the run")
    def named() -> str:
        return repr(get_run_context())

    assert named() == "FlowRunContext(flow_run='the run', flow='named')"
    assert repr(TaskRunContext.construct()) == "TaskRunContext(task_run=None, task=None)"


def test_contexts_are_to_be_had_of_upshot() -> None:
    assert public.FlowRunContext is FlowRunContext
    assert public.get_run_context is get_run_context


def test_a_new_home_is_made_where_temporary_settings_are_entered(tmp_path: Any) -> None:
    home = tmp_path / "home"
    assert not home.exists()
    with temporary_settings(updates={UPSHOT_HOME: home}):
        assert home.is_dir()


def test_contexts_take_what_a_client_reads_or_makes() -> None:
    async def main() -> None:
        async with get_client() as client:
            made = await client.create_flow_run(some_flow, name="by hand", tags=["a"])
            inner = await client.create_task_run(some_task, made.id, dynamic_key="0")
        with FlowRunContext(
            flow=some_flow,
            flow_run=made,
            client=client,
            task_runner=SequentialTaskRunner(),
            result_factory=await ResultFactory.from_flow(some_flow),
            parameters={"x": 3},
        ) as context:
            assert context.flow_run == made
            assert context.start_time.tzinfo is not None
            assert runtime.flow_run.name == "by hand"
            assert runtime.flow_run.tags == ["a"]
            assert runtime.flow_run.parameters == {"x": 3}
            called = some_task()
            assert called.task_run.flow_run_id == made.id
            assert called.task_run.tags == ("a",)
            assert (await asyncio.to_thread(some_task.submit)).result() is not None
            with TaskRunContext.construct(task=some_task, task_run=inner) as within:
                assert within.start_time.tzinfo is not None
                assert runtime.task_run.id == str(inner.id)
                assert runtime.flow_run.id == str(made.id)
                get_run_logger().info("said in a context that was made by hand")
        with TaskRunContext.construct(task_run=inner):
            assert runtime.flow_run.id == str(made.id)
            assert runtime.flow_run.flow_name == "some-flow"

    asyncio.run(main())


def test_what_a_flow_with_retries_makes_persists_in_a_context_made_by_hand_too() -> None:
    async def main() -> None:
        again = some_flow.with_options(retries=2)
        factory = await ResultFactory.from_flow(again)
        assert not factory.persist_result
        with FlowRunContext.construct(flow=again, result_factory=factory):
            assert (await ResultFactory.from_task(some_task)).persist_result
            assert (await ResultFactory.from_flow(some_flow)).persist_result
        with FlowRunContext.construct(flow=some_flow, result_factory=factory):
            assert not (await ResultFactory.from_task(some_task)).persist_result

    asyncio.run(main())


def test_tasks_get_the_tags_of_a_flow_run_that_was_made_by_hand() -> None:
    @task(tags=["own"])
    def tagged() -> Any:
        return sorted(get_run_context().task_run.tags)  # type: ignore[union-attr]

    @flow
    def inner() -> Any:
        return sorted(get_run_context().flow_run.tags)  # type: ignore[union-attr]

    with FlowRunContext.construct(flow=some_flow, flow_run=FlowRun.construct(tags=["a"])):
        with tags("here"):
            assert tagged() == tagged.submit().result() == ["a", "here", "own"]
            assert inner() == ["a", "here"]
        assert some_task().task_run.tags == ("a",)
    with FlowRunContext.construct(flow_run=flow_run_of()):
        assert some_task().task_run.tags == ()
    with FlowRunContext.construct(flow_run=flow_run_of().copy(update={"tags": ["b"]})):
        assert some_task().task_run.tags == ("b",)
    with FlowRunContext.construct(flow=some_flow):
        assert some_task().task_run.tags == ()


def test_the_context_of_a_run_has_a_client() -> None:
    async def read() -> Any:
        context = get_run_context()
        id = context.flow_run.id if isinstance(context, FlowRunContext) else context.task_run.id
        read = "read_flow_run" if isinstance(context, FlowRunContext) else "read_task_run"
        async with context.client as client:
            assert (await getattr(client, read)(id)).id == id
        return (await getattr(context.client, read)(id)).state_name

    @task
    async def inner() -> Any:
        return await read()

    @flow
    async def around() -> Any:
        return await read(), await inner()

    assert asyncio.run(around()) == ("Running", "Running")

    @flow
    def in_sync() -> Any:
        return type(pickle.loads(pickle.dumps(get_run_context().client)))

    assert in_sync() is not type(None)
    assert FlowRunContext.construct().client is None


def test_contexts_take_records_of_few_fields() -> None:
    with FlowRunContext.construct(flow_run=FlowRun.construct(id="foo", name="bar")):
        assert (runtime.flow_run.id, runtime.flow_run.name) == ("foo", "bar")
        assert runtime.flow_run.run_count == 0
        with TaskRunContext.construct(task_run=TaskRun.construct(id="baz", tags=["b", "a"])):
            assert (runtime.task_run.id, runtime.task_run.tags) == ("baz", ["a", "b"])
            assert runtime.flow_run.id == "foo"
    with TaskRunContext.construct(task_run=TaskRun.construct(flow_run_id="foo")):
        assert runtime.flow_run.id == "foo"


def test_the_runs_of_contexts_answer_to_the_idioms_of_pydantic() -> None:
    @task
    def load() -> Any:
        return get_run_context().task_run

    @flow
    def around(x: int) -> Any:
        return get_run_context().flow_run, load()

    runs = around(1)
    for run in runs:
        assert run.dict()["id"] == run.id
        assert "state" not in run.dict(exclude={"state"})
        assert json.loads(run.json())["name"] == run.name
        assert run.copy(update={"name": "other"}).name == "other"
        assert type(run.copy()).parse_raw(run.json()).id == run.id
    assert runs[0].dict()["parameters"] == {"x": 1}
    assert runs[1].dict()["flow_run_id"] == runs[0].id
