"""How a flow is defined: its options, what it is called, and what cannot be."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest

import upshot.flows
from upshot import Flow, State, flow, task
from upshot.context import get_run_context
from upshot.exceptions import InvalidNameError, ReservedArgumentError
from upshot.filesystems import LocalFileSystem
from upshot.runstore import open_store
from upshot.settings import temporary_settings
from upshot.task_runners import ConcurrentTaskRunner, SequentialTaskRunner, TaskRunner
from upshot.utilities.hashing import file_hash

OPTIONS = [
    "name",
    "version",
    "flow_run_name",
    "retries",
    "retry_delay_seconds",
    "task_runner",
    "description",
    "timeout_seconds",
    "validate_parameters",
    "persist_result",
    "result_storage",
    "result_serializer",
    "cache_result_in_memory",
    "log_prints",
    "on_completion",
    "on_failure",
    "on_cancellation",
    "on_crashed",
    "on_running",
]
HOOKS = ["on_completion", "on_failure", "on_cancellation", "on_crashed", "on_running"]


def function(x: int = 1) -> int:
    """Give it back.

    Really.
    """
    return x


def hook(flow: Any, flow_run: Any, state: Any) -> None: ...


def other_hook(flow: Any, flow_run: Any, state: Any) -> None: ...


def everything(tmp_path: Path) -> dict[str, Any]:
    return {
        "name": "a name",
        "version": "A",
        "flow_run_name": "run of {x}",
        "retries": 3,
        "retry_delay_seconds": 20,
        "task_runner": SequentialTaskRunner(),
        "description": "what it is",
        "timeout_seconds": 10,
        "validate_parameters": False,
        "persist_result": True,
        "result_storage": LocalFileSystem(basepath=str(tmp_path)),
        "result_serializer": "json",
        "cache_result_in_memory": False,
        "log_prints": True,
        **{name: [hook] for name in HOOKS},
    }


def attributes(made: Flow[..., Any]) -> dict[str, Any]:
    values = {name: getattr(made, name) for name in OPTIONS if name != "validate_parameters"}
    return values | {"validate_parameters": made.should_validate_parameters}


def test_the_signature_of_flow_shows_its_options_by_name() -> None:
    first, *options = inspect.signature(flow).parameters.values()
    assert (first.name, first.default, first.kind) == ("__fn", None, first.POSITIONAL_OR_KEYWORD)
    assert [option.name for option in options] == OPTIONS
    assert {option.kind for option in options} == {inspect.Parameter.KEYWORD_ONLY}
    defaults = {option.name: option.default for option in options if option.default is not None}
    assert defaults == {
        "task_runner": ConcurrentTaskRunner,
        "validate_parameters": True,
        "cache_result_in_memory": True,
    }


def test_with_options_takes_what_flow_takes_but_the_function() -> None:
    of_flow, of_changes = inspect.signature(flow), inspect.signature(Flow.with_options)
    assert [*of_flow.parameters][1:] == [*of_changes.parameters][1:]
    assert next(iter(of_flow.parameters)) == "__fn"
    assert next(iter(of_changes.parameters)) == "self"
    assert [*inspect.signature(flow(function).with_options).parameters] == OPTIONS


def test_the_class_takes_the_same(tmp_path: Path) -> None:
    assert [*inspect.signature(Flow).parameters] == ["fn", *OPTIONS]
    made = Flow(fn=function, **everything(tmp_path))
    assert made.fn is function
    assert attributes(made) == attributes(flow(**everything(tmp_path))(function))
    assert made(x=2) == 2


def test_options_are_attributes_under_their_own_names(tmp_path: Path) -> None:
    given = everything(tmp_path)
    assert attributes(flow(**given)(function)) == given


def test_the_first_parameter_can_be_named() -> None:
    assert flow(__fn=function).fn is function  # type: ignore[call-overload]


def test_the_name_is_the_functions_with_dashes() -> None:
    @flow
    def my_flow_function() -> None: ...

    assert my_flow_function.name == "my-flow-function"
    assert flow(name="my_flow")(function).name == "my_flow"


def test_the_version_is_the_hash_of_the_source_file() -> None:
    assert flow(function).version == file_hash(__file__)
    assert file_hash(__file__) == hashlib.md5(Path(__file__).read_bytes()).hexdigest()
    assert flow(version="mine")(function).version == "mine"


@pytest.mark.parametrize("source", [None, "<stdin>", "<ipython-input-1-d31e8a6792d4>"])
def test_there_is_no_version_where_there_is_no_source_file(
    monkeypatch: pytest.MonkeyPatch, source: str | None
) -> None:
    monkeypatch.setattr("upshot.flows.inspect.getsourcefile", MagicMock(return_value=source))
    assert Flow(name="test", fn=lambda **kwargs: 42).version is None


def test_flows_has_inspect_as_a_module() -> None:
    assert upshot.flows.inspect is inspect  # type: ignore[attr-defined]


def test_the_description_is_the_clean_docstring() -> None:
    assert flow(function).description == "Give it back.\n\nReally."
    assert flow(description="other")(function).description == "other"
    assert flow(lambda: None).description is None


def test_the_function_its_run_name_and_its_colour_are_kept() -> None:
    @flow(flow_run_name="hi")
    async def waits() -> None: ...

    assert waits.isasync
    assert waits.flow_run_name == "hi"
    assert inspect.iscoroutinefunction(waits.fn)
    made = flow(function)
    assert (made.fn, made.isasync, made.flow_run_name) == (function, False, None)


def test_the_task_runner_is_an_instance() -> None:
    assert isinstance(flow(function).task_runner, ConcurrentTaskRunner)
    assert isinstance(flow(task_runner=SequentialTaskRunner)(function).task_runner,
                      SequentialTaskRunner)  # fmt: skip
    runner = SequentialTaskRunner()
    assert flow(task_runner=runner)(function).task_runner is runner


@pytest.mark.parametrize(("given", "kept"), [(None, None), (0, None), (0.0, None), (10, 10.0)])
def test_a_timeout_is_a_float_or_none(given: float | None, kept: float | None) -> None:
    made = flow(timeout_seconds=given)(function)
    assert made.timeout_seconds == kept
    assert kept is None or isinstance(made.timeout_seconds, float)


def test_the_setting_says_how_many_retries_there_are() -> None:
    assert flow(function).retries == 0
    with temporary_settings({"UPSHOT_FLOW_DEFAULT_RETRIES": 4}):
        assert flow(function).retries == 4
        assert flow(retries=2)(function).retries == 2
        assert flow(retries=0)(function).retries == 0


def test_parameters_are_validated_unless_told_otherwise() -> None:
    assert flow(function).should_validate_parameters
    assert not flow(validate_parameters=False)(function).should_validate_parameters


@pytest.mark.parametrize("thing", [1, "text", [], None])
def test_what_cannot_be_called_is_no_flow(thing: Any) -> None:
    with pytest.raises(TypeError):
        Flow(name="test", fn=thing)


def test_a_name_must_be_text() -> None:
    with pytest.raises(TypeError) as caught:
        flow(name=1)(function)  # type: ignore[call-overload]
    assert str(caught.value) == ("Expected string for flow parameter 'name'; got int instead.")
    with pytest.raises(TypeError) as caught:
        flow(name=function)(function)  # type: ignore[call-overload]
    assert str(caught.value) == (
        "Expected string for flow parameter 'name'; got function instead."
        " Perhaps you meant to call it?"
    )


@pytest.mark.parametrize("name", ["my/flow", r"my%flow", "my<flow", "my>flow", "my&flow"])
def test_a_name_must_not_have_characters_of_addresses(name: str) -> None:
    with pytest.raises(InvalidNameError, match="contains an invalid character"):
        Flow(fn=lambda: 1, name=name)
    with pytest.raises(ValueError, match="contains an invalid character"):
        flow(function).with_options(name=name)


def test_a_run_name_must_be_text_or_callable() -> None:
    flow(flow_run_name=lambda: "a name")(function)
    with pytest.raises(TypeError) as caught:
        flow(flow_run_name=1)(function)  # type: ignore[call-overload]
    assert str(caught.value) == (
        "Expected string or callable for 'flow_run_name'; got int instead."
    )


def test_the_type_of_a_run_name_is_checked_again_at_run_time() -> None:
    class WrongName: ...

    made = flow(flow_run_name="fine")(function)
    made.flow_run_name = WrongName()  # type: ignore[assignment]
    with pytest.raises(TypeError) as caught:
        made()
    assert str(caught.value) == (
        "Expected string or callable for 'flow_run_name'; got WrongName instead."
    )


def test_a_parameter_that_clashes_with_validation_is_refused() -> None:
    message = "Flow function is not compatible with `validate_parameters`"
    with pytest.raises(ValueError, match=message):

        @flow
        def refused(v__args: int) -> None: ...

    @flow(validate_parameters=False)
    def taken(v__args: int) -> int:
        return v__args

    assert taken(1) == 1


@pytest.mark.parametrize("name", ["wait_for", "return_state"])
@pytest.mark.parametrize("decorate", [flow, task])
def test_reserved_names_are_refused(name: str, decorate: Any) -> None:
    with pytest.raises(ReservedArgumentError, match=f"'{name}' is a reserved argument name"):
        decorate(eval(f"lambda {name}: None"))


TAIL = (
    " Please provide a list of hooks to '{0}':\n\n@flow({0}=[hook1, hook2])\ndef my_flow():\n\tpass"
)


@pytest.mark.parametrize("name", HOOKS)
def test_hooks_must_be_iterable(name: str) -> None:
    options: dict[str, Any] = {name: hook}
    with pytest.raises(TypeError) as caught:
        flow(**options)(function)
    said = f"Expected iterable for '{name}'; got function instead."
    assert str(caught.value) == said + TAIL.format(name)


@pytest.mark.parametrize("name", HOOKS)
@pytest.mark.parametrize("way", [flow, lambda **options: flow(function).with_options(**options)])
def test_an_empty_list_of_hooks_is_refused(name: str, way: Callable[..., Any]) -> None:
    with pytest.raises(ValueError) as caught:
        way(**{name: []})(function)
    assert str(caught.value) == f"Empty list passed for '{name}'"


@pytest.mark.parametrize("name", HOOKS)
def test_hooks_must_be_callable(name: str) -> None:
    options: dict[str, Any] = {name: [hook, "test"]}
    with pytest.raises(TypeError) as caught:
        flow(**options)(function)
    said = f"Expected callables in '{name}'; got str instead."
    assert str(caught.value) == said + TAIL.format(name)


def test_hooks_are_lists_and_none_where_none_were_given() -> None:
    made = flow(on_completion=iter([hook, other_hook]), on_running=(hook,))(function)
    assert (made.on_completion, made.on_running) == ([hook, other_hook], [hook])
    assert (made.on_failure, made.on_crashed, made.on_cancellation) == (None, None, None)
    assert made.with_options().on_completion == [hook, other_hook]


def test_with_options_makes_a_new_flow(tmp_path: Path) -> None:
    first = flow(**everything(tmp_path))(function)
    other = first.with_options(
        name="other", version="B", flow_run_name="other {x}", retries=1, retry_delay_seconds=2,
        task_runner=ConcurrentTaskRunner, description="other", timeout_seconds=5,
        validate_parameters=True, persist_result=False, result_storage="memory",
        result_serializer="pickle", cache_result_in_memory=True, log_prints=False,
        on_completion=[other_hook], on_failure=[other_hook], on_cancellation=[other_hook],
        on_crashed=[other_hook], on_running=[other_hook],
    )  # fmt: skip
    assert isinstance(other, Flow)
    assert other is not first
    assert other.fn is first.fn
    before, after = attributes(first), attributes(other)
    assert [name for name in OPTIONS if before[name] == after[name]] == []
    assert after["on_failure"] == [other_hook]
    assert attributes(first) == before


def test_with_options_keeps_what_is_not_specified(tmp_path: Path) -> None:
    first = flow(**everything(tmp_path))(function)
    assert attributes(first.with_options()) == attributes(first)
    assert first.with_options(name="x").flow_run_name == "run of {x}"
    assert attributes(first.with_options(name=None, version=None, flow_run_name=None)) == (
        attributes(first)
    )


def test_none_unsets_what_is_said_of_results() -> None:
    first = flow(persist_result=True, result_serializer="json", result_storage="memory")(function)
    other = first.with_options(persist_result=None, result_serializer=None, result_storage=None)
    assert other.persist_result is other.result_serializer is other.result_storage is None


def test_zero_is_a_value() -> None:
    first = flow(timeout_seconds=1, retries=3, retry_delay_seconds=4)(function)
    other = first.with_options(timeout_seconds=0, retries=0, retry_delay_seconds=0)
    assert other.timeout_seconds is None
    assert (other.retries, other.retry_delay_seconds) == (0, 0)


def test_log_prints_can_be_none_again() -> None:
    first = flow(log_prints=True)(function)
    assert first.log_prints is True
    assert first.with_options(log_prints=None).log_prints is None
    assert first.with_options().log_prints is True


def test_run_gives_a_state() -> None:
    made = flow(function)
    state = made._run(x=3)
    assert isinstance(state, State)
    assert state.result() == 3
    failed = flow(lambda: 1 / 0)._run()
    assert failed.is_failed()


async def _awaited(made: Any) -> Any:
    return await made._run(2)


@pytest.mark.parametrize("decorate", [flow, task])
def test_run_of_an_async_function_is_awaited(decorate: Any) -> None:
    import asyncio

    @decorate
    async def doubled(x: int) -> int:
        return 2 * x

    assert asyncio.run(_awaited(doubled)).result() == 4


def test_run_takes_what_to_wait_for() -> None:
    @task
    def one() -> int:
        return 1

    @flow
    def waits() -> int:
        first: int = one._run(wait_for=[one.submit()]).result()
        return first

    assert waits() == 1


class Shared(SequentialTaskRunner):
    def duplicate(self) -> Any:
        return NotImplemented


def test_a_runner_that_cannot_be_duplicated_is_used_as_it_is(
    caplog: pytest.LogCaptureFixture,
) -> None:
    from upshot.context import FlowRunContext

    runner = Shared()

    @flow(task_runner=runner)
    def child() -> bool:
        context = FlowRunContext.get()
        assert context is not None
        return context.runner is runner

    @flow
    def parent() -> bool:
        return child()

    assert parent()
    assert caplog.text.count(
        "Task runner 'Shared' does not implement the `duplicate` method and will fail if used for"
        " concurrent execution of the same flow."
    ) == 1  # fmt: skip


def test_other_runners_are_duplicated_without_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    runners: list[TaskRunner] = [ConcurrentTaskRunner(), SequentialTaskRunner()]
    for runner in runners:
        assert flow(task_runner=runner)(function)() == 1
    assert "duplicate" not in caplog.text


class Counter:
    def __init__(self) -> None:
        self.count = 0

    @flow
    def add(self, by: int) -> int:
        self.count += by
        return self.count

    @task
    def double(self, x: int) -> int:
        return x * 2

    @staticmethod
    @flow
    def static(x: int) -> int:
        return x

    @classmethod
    @flow
    def of_class(cls, x: int) -> str:
        return f"{cls.__name__} {x}"


def test_a_method_may_be_a_flow_or_a_task() -> None:
    counter = Counter()
    assert counter.add(2) == 2
    assert counter.add("3") == 5  # type: ignore[call-overload]
    assert counter.add(by=1, return_state=True).result() == 6
    assert counter.double(4) == 8
    assert counter.add.name == "add"
    assert isinstance(counter.add, Flow)
    assert isinstance(Counter.add, Flow)
    assert Counter.add(counter, 1) == 7
    assert counter.static(1) == Counter.static(1) == 1
    assert counter.of_class(1) == Counter.of_class(1) == "Counter 1"
    assert counter.add.with_options(name="x")(1) == 8


def test_what_is_set_by_hand_on_a_flow_is_kept_by_with_options(upshot_home: Any) -> None:
    calls = []

    @flow
    def fails(x: int = 1) -> Any:
        calls.append(x)
        raise ValueError

    fails.retries = 1
    fails.flow_run_name = "run of {x}"
    fails.task_runner = SequentialTaskRunner()
    fails.should_validate_parameters = False
    fails.name = "other"
    changed = fails.with_options(timeout_seconds=10)
    for each in (fails, changed):
        state = each("a", return_state=True)  # type: ignore[call-overload]
        run = open_store().flow_run(state.state_details.flow_run_id)
        assert run is not None
        assert (run.name, run.flow_name, run.run_count) == ("run of a", "other", 2)
        assert isinstance(each.task_runner, SequentialTaskRunner)
    assert calls == ["a"] * 4
    assert changed.timeout_seconds == 10
    assert changed.with_options(retries=0).retries == 0


def test_a_class_method_says_where_its_decorator_belongs() -> None:
    def method(cls: type) -> None: ...

    for decorator in (flow, task):
        with pytest.raises(TypeError, match="put @classmethod above @"):
            decorator(classmethod(method))


def test_options_that_are_set_by_hand_are_checked_and_taken_as_given_ones() -> None:
    @flow(timeout_seconds=1)
    def runner() -> str:
        return type(get_run_context().task_runner).__name__

    settable: Any = runner
    settable.task_runner, settable.timeout_seconds = SequentialTaskRunner, 0
    assert isinstance(runner.task_runner, SequentialTaskRunner)
    assert runner.timeout_seconds is None
    assert runner() == "SequentialTaskRunner"
    with pytest.raises(TypeError, match="'task_runner': must be a task runner"):
        settable.task_runner = 3
    with pytest.raises(InvalidNameError):
        settable.name = "a/b"
    with pytest.raises(TypeError, match="'validate_parameters': must be True or False"):
        settable.should_validate_parameters = None
    with pytest.raises(TypeError, match="Expected iterable for 'on_running'"):
        settable.on_running = print
