"""Hooks: what is called when a run enters a state."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import Any

import pytest

from upshot import flow, task
from upshot.settings import temporary_settings
from upshot.states import Cancelled, Cancelling, Completed, Crashed, Failed, State, StateType

pytestmark = pytest.mark.usefixtures("upshot_home")


class Calls(list[Any]):
    """Hooks that remember what they were called with."""

    def hook(self, name: str = "hook") -> Any:
        def hook(**given: Any) -> None:
            self.append((name, given))

        hook.__name__ = name
        return hook

    def ahook(self, name: str = "ahook") -> Any:
        async def hook(**given: Any) -> None:
            await asyncio.sleep(0)
            self.append((name, given))

        hook.__name__ = name
        return hook

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self]


@pytest.fixture
def calls() -> Calls:
    return Calls()


def coloured(colour: str, decorate: Any, function: Any, **options: Any) -> Any:
    """What calls a flow or a task of `function` in this colour and gives its state."""

    def plain() -> Any:
        return function()

    async def awaited() -> Any:
        return function()

    made = decorate(name="it", **options)(plain if colour == "sync" else awaited)

    def call() -> State[Any]:
        state = made(return_state=True)
        return state if colour == "sync" else asyncio.run(state)  # type: ignore[no-any-return]

    call.it = made  # type: ignore[attr-defined]
    return call


def fail() -> Any:
    raise ValueError("no")


COLOURS = pytest.mark.parametrize("colour", ["sync", "async"])
KINDS = pytest.mark.parametrize("kind", [flow, task])


@COLOURS
@KINDS
def test_hooks_are_called_in_their_order_sync_and_async_ones_mixed(
    kind: Any, colour: str, calls: Calls
) -> None:
    hooks = [calls.hook("1"), calls.ahook("2"), calls.hook("3"), calls.ahook("4")]
    state = coloured(colour, kind, lambda: 5, on_completion=hooks)()
    assert calls.names == ["1", "2", "3", "4"]
    assert state.is_completed()


@COLOURS
def test_a_flow_hook_is_called_by_keyword_with_the_flow_its_run_and_its_state(
    colour: str, calls: Calls
) -> None:
    call = coloured(colour, flow, lambda: 5, on_completion=[calls.hook()])
    state = call()
    [(_, given)] = calls
    assert set(given) == {"flow", "flow_run", "state"}
    assert given["flow"] is call.it
    assert given["flow_run"].id == state.state_details.flow_run_id
    assert given["flow_run"].name.startswith("it-")
    assert given["flow_run"].state.is_completed()
    assert given["state"] == state
    assert given["state"].result() == 5


@COLOURS
def test_a_task_hook_is_called_by_keyword_with_the_task_its_run_and_its_state(
    colour: str, calls: Calls
) -> None:
    call = coloured(colour, task, lambda: 5, on_completion=[calls.hook()])
    state = call()
    [(_, given)] = calls
    assert set(given) == {"task", "task_run", "state"}
    assert given["task"] is call.it
    assert given["task_run"].id == state.state_details.task_run_id
    assert given["task_run"].state.name == given["task_run"].state_name == "Completed"
    assert given["state"] == state


@KINDS
def test_partials_and_extra_defaults_work(kind: Any) -> None:
    seen = []

    def hook(tag: str, extra: int = 7, **given: Any) -> None:
        seen.append((tag, extra, given["state"].name))

    async def ahook(tag: str, extra: int = 8, **given: Any) -> None:
        seen.append((tag, extra, given["state"].name))

    hooks = [partial(hook, "a"), partial(ahook, "b")]
    coloured("sync", kind, lambda: 1, on_completion=hooks)()
    assert seen == [("a", 7, "Completed"), ("b", 8, "Completed")]


@COLOURS
def test_a_sync_hook_gets_values_and_an_async_one_awaitables(colour: str) -> None:
    seen = []

    def hook(flow: Any, flow_run: Any, state: Any) -> None:
        seen.append(state.result())

    async def ahook(flow: Any, flow_run: Any, state: Any) -> None:
        seen.append(await state.result(fetch=True))

    coloured(colour, flow, lambda: 5, on_completion=[hook, ahook])()
    assert seen == [5, 5]


@COLOURS
@KINDS
def test_an_exception_in_a_hook_is_logged_with_its_traceback_and_the_next_one_runs(
    kind: Any, colour: str, calls: Calls, caplog: pytest.LogCaptureFixture
) -> None:
    def bad(**given: Any) -> None:
        raise RuntimeError("the hook is bad")

    async def abad(**given: Any) -> None:
        raise RuntimeError("the async hook is bad")

    hooks = [bad, abad, calls.hook("good")]
    with caplog.at_level(logging.ERROR, "upshot"):
        state = coloured(colour, kind, lambda: 5, on_completion=hooks)()
    assert calls.names == ["good"]
    assert state.is_completed()
    assert state.result() == 5
    assert caplog.text.count("Traceback") == 2
    assert "RuntimeError: the hook is bad" in caplog.text
    assert "RuntimeError: the async hook is bad" in caplog.text


ON = ["on_running", "on_completion", "on_failure", "on_cancellation", "on_crashed"]


@COLOURS
@pytest.mark.parametrize(
    ("function", "called"),
    [
        (lambda: 1, ["on_completion"]),
        (fail, ["on_failure"]),
        (lambda: Completed(), ["on_completion"]),
        (lambda: Failed(), ["on_failure"]),
        (lambda: Crashed(), ["on_crashed"]),
        (lambda: State(type=StateType.CANCELLING), ["on_cancellation"]),
        (lambda: Cancelled(), []),
    ],
)
def test_the_hooks_of_a_flow_are_those_of_the_states_that_it_enters(
    function: Any, called: list[str], colour: str, calls: Calls
) -> None:
    options = {option: [calls.hook(option)] for option in ON}
    coloured(colour, flow, function, **options)()
    assert calls.names == ["on_running", *called]


def test_the_running_hook_sees_the_run_running_before_the_function_is_called(calls: Calls) -> None:
    order = []

    def hook(flow: Any, flow_run: Any, state: Any) -> None:
        order.append((state.name, flow_run.state.name, flow_run.run_count))

    coloured("sync", flow, lambda: order.append("function"), on_running=[hook])()
    assert order == [("Running", "Running", 1), "function"]


def test_a_crashed_state_that_a_flow_returns_is_given_and_not_raised(calls: Calls) -> None:
    state = coloured("sync", flow, lambda: Crashed(message="gone"))()
    assert (state.name, state.message) == ("Crashed", "gone")


@COLOURS
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_crashed_hooks_run_when_an_interrupt_ends_a_flow(
    error: type[BaseException], colour: str, calls: Calls
) -> None:
    def interrupted() -> None:
        raise error

    options = {option: [calls.hook(option), calls.ahook(option)] for option in ON}
    with pytest.raises(error):
        coloured(colour, flow, interrupted, **options)()
    assert calls.names == ["on_running"] * 2 + ["on_crashed"] * 2


def test_crashed_hooks_run_when_an_async_flow_is_cancelled(calls: Calls) -> None:
    @flow(on_crashed=[calls.hook("sync"), calls.ahook("async")])
    async def sleeper() -> None:
        started.set()
        await asyncio.sleep(60)

    async def main() -> None:
        global started
        started = asyncio.Event()
        going = asyncio.ensure_future(sleeper())
        await started.wait()
        going.cancel()
        with pytest.raises(asyncio.CancelledError):
            await going

    asyncio.run(main())
    assert calls.names == ["sync", "async"]


started: asyncio.Event


@COLOURS
@KINDS
def test_no_hook_is_called_for_a_failure_that_is_retried(
    kind: Any, colour: str, calls: Calls
) -> None:
    left = [fail, fail, lambda: 5]
    options = {"on_failure": [calls.hook("failed")], "on_completion": [calls.hook("completed")]}
    state = coloured(colour, kind, lambda: left.pop(0)(), retries=2, **options)()
    assert state.result() == 5
    assert calls.names == ["completed"]


@COLOURS
@KINDS
def test_the_failure_hook_is_called_once_when_retries_run_out(
    kind: Any, colour: str, calls: Calls
) -> None:
    coloured(colour, kind, fail, retries=2, on_failure=[calls.hook("failed")])()
    assert calls.names == ["failed"]


def test_running_hooks_are_called_once_and_not_for_retries(calls: Calls) -> None:
    coloured("sync", flow, fail, retries=2, on_running=[calls.hook("running")])()
    assert calls.names == ["running"]


def test_hooks_of_submitted_tasks_are_called(calls: Calls) -> None:
    @task(on_completion=[calls.hook("sync"), calls.ahook("async")])
    def good() -> int:
        return 1

    @task(on_failure=[calls.hook("failed")])
    async def bad() -> int:
        raise ValueError

    @flow
    def run() -> str:
        good.submit().wait()
        bad.submit().wait()
        return "done"

    assert run() == "done"
    assert calls.names == ["sync", "async", "failed"]


def test_hooks_of_subflows_are_called_with_their_own_run(calls: Calls) -> None:
    @flow(on_completion=[calls.hook("child")])
    def child() -> int:
        return 1

    @flow(on_completion=[calls.hook("parent")])
    def parent() -> int:
        return child()

    parent()
    assert calls.names == ["child", "parent"]
    runs = [given["flow_run"] for _, given in calls]
    assert runs[0].parent_task_run_id is not None
    assert runs[1].parent_task_run_id is None


def test_a_hook_may_change_what_lies_outside_of_a_worker_process(calls: Calls) -> None:
    from upshot.task_runners import ProcessPoolTaskRunner

    @task(on_completion=[_remember])
    def work() -> int:
        return 1

    @flow(task_runner=ProcessPoolTaskRunner(max_workers=1))
    def run() -> Any:
        return work.submit().result()

    _remembered.clear()
    assert run() == 1
    assert _remembered == ["Completed"]


_remembered: list[str] = []


def _remember(task: Any, task_run: Any, state: Any) -> None:
    _remembered.append(state.name)


def test_hooks_of_a_cached_run_are_called_only_where_the_setting_says_so(
    calls: Calls, caplog: pytest.LogCaptureFixture
) -> None:
    def bad(**given: Any) -> None:
        raise RuntimeError("bad")

    @task(cache_key_fn=lambda: "key", on_completion=[calls.hook(), bad])
    def cached() -> int:
        return 1

    assert [cached(), cached()] == [1, 1]
    assert len(calls) == 1
    with temporary_settings({"UPSHOT_RUN_ON_COMPLETION_HOOKS_ON_CACHED": True}):
        state = cached(return_state=True)
    assert state.name == "Cached"
    assert len(calls) == 2
    assert calls[1][1]["state"].name == "Cached"
    assert caplog.text.count("RuntimeError: bad") == 2


def test_a_flow_run_record_has_what_hooks_look_at(calls: Calls) -> None:
    @flow(name="report", version="3", on_completion=[calls.hook()])
    def report(n: int, label: str = "x") -> None: ...

    report(3)
    run = calls[0][1]["flow_run"]
    assert run.parameters == {"n": 3, "label": "x"}
    assert (run.flow_version, run.run_count) == ("3", 1)
    assert run.flow_id is not None
    assert run.expected_start_time.tzinfo is not None
    assert run.state_name == "Completed"
    assert run.state_type == StateType.COMPLETED


def test_failure_hooks_see_the_exception(calls: Calls) -> None:
    coloured("sync", flow, fail, on_failure=[calls.hook()])()
    error = calls[0][1]["state"].result(raise_on_failure=False)
    assert isinstance(error, ValueError)
    assert calls[0][1]["flow_run"].state.is_failed()


def test_a_flow_that_returns_a_cancelling_state_is_not_final(calls: Calls) -> None:
    state = coloured("sync", flow, lambda: Cancelling(), on_cancellation=[calls.hook("c")])()
    assert state.is_cancelling()
    assert not state.is_final()
    assert calls.names == ["c"]


def test_what_a_hook_returns_is_nothing_to_the_run() -> None:
    state = coloured("sync", flow, lambda: 5, on_completion=[lambda **given: "x"])()
    assert state.result() == 5


def test_failure_hooks_are_called_for_parameters_that_do_not_fit(calls: Calls) -> None:
    @flow(on_failure=[calls.hook("failed")], on_running=[calls.hook("running")])
    def takes(x: int) -> None: ...

    state = takes("no number", return_state=True)  # type: ignore[call-overload]
    assert state.is_failed()
    assert calls.names == ["failed"]
