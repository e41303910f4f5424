"""Timeouts of flows and tasks, as the surface's document says it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import anyio
import pytest
import trio

from upshot import flow, get_run_context, task
from upshot.exceptions import InvalidOption
from upshot.states import State

pytestmark = pytest.mark.usefixtures("upshot_home")


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What a late function waits for; it opens when the test is over."""
    event = threading.Event()
    yield event
    event.set()


def check_timed_out(state: State[Any], kind: str = "Flow", seconds: float = 0.1) -> None:
    assert state.is_failed()
    assert not state.is_crashed()
    assert state.name == "TimedOut"
    assert f"{kind} run exceeded timeout of {seconds} seconds" in str(state.message)
    assert isinstance(state.data, TimeoutError)
    assert f"exceeded timeout of {seconds} seconds" in str(state.data)


@pytest.mark.parametrize("decorate", [flow, task])
class TestTheOption:
    @pytest.mark.parametrize(("given", "kept"), [(10, 10.0), (0.5, 0.5), (0, None), (None, None)])
    def test_it_is_kept_as_a_float_or_none(
        self, decorate: Any, given: float | None, kept: float | None
    ) -> None:
        made = decorate(timeout_seconds=given)(lambda: 1)
        assert made.timeout_seconds == kept
        assert type(made.timeout_seconds) is type(kept)

    def test_there_is_none_by_default(self, decorate: Any) -> None:
        assert decorate(lambda: 1).timeout_seconds is None

    @pytest.mark.parametrize("wrong", [-1, -0.1, float("nan"), float("inf"), "1", True, [1]])
    def test_what_is_no_number_of_seconds_is_refused_at_once(
        self, decorate: Any, wrong: Any
    ) -> None:
        with pytest.raises(InvalidOption, match="timeout_seconds"):
            decorate(timeout_seconds=wrong)(lambda: 1)

    def test_with_options_replaces_keeps_and_unsets_it(self, decorate: Any) -> None:
        made = decorate(timeout_seconds=10)(lambda: 1)
        assert made.with_options(timeout_seconds=5).timeout_seconds == 5.0
        assert made.with_options(name="other").timeout_seconds == 10.0
        assert made.with_options(timeout_seconds=0).timeout_seconds is None

    def test_a_function_that_is_in_time_notices_nothing(self, decorate: Any) -> None:
        assert decorate(timeout_seconds=60)(lambda x: x + 1)(1) == 2


class TestFlows:
    def test_a_late_sync_flow_is_failed_and_named_timed_out(self, gate: threading.Event) -> None:
        @flow(timeout_seconds=0.1)
        def late() -> None:
            gate.wait()

        state = late(return_state=True)
        check_timed_out(state)
        with pytest.raises(TimeoutError, match=r"exceeded timeout of 0\.1 seconds"):
            state.result()
        with pytest.raises(TimeoutError, match=r"exceeded timeout of 0\.1 seconds"):
            late()

    def test_a_late_async_flow_is_failed_and_named_timed_out(self) -> None:
        @flow(timeout_seconds=0.1)
        async def late() -> None:
            await anyio.sleep_forever()

        async def main() -> State[Any]:
            with pytest.raises(TimeoutError, match=r"exceeded timeout of 0\.1 seconds"):
                await late()
            state: State[Any] = await late(return_state=True)
            return state

        for state in (asyncio.run(main()), trio.run(main)):
            check_timed_out(state)
            with pytest.raises(TimeoutError):
                state.result()

    def test_an_async_flow_stops_at_the_next_await(self) -> None:
        steps = []

        @flow(timeout_seconds=0.1)
        async def late() -> None:
            threading.Event().wait(0.15)
            steps.append("not interrupted")
            await anyio.sleep(0.001)
            steps.append("went on")

        check_timed_out(asyncio.run(late(return_state=True)))
        assert steps == ["not interrupted"]

    def test_what_comes_after_the_late_call_does_not_run_nor_a_later_task(
        self, gate: threading.Event
    ) -> None:
        ran = []

        @task
        def later() -> None:
            ran.append("task")

        @flow(timeout_seconds=0.1)
        def late() -> None:
            try:
                gate.wait()
            except Exception:
                ran.append("swallowed")
            ran.append("code")
            later()

        check_timed_out(late(return_state=True))
        assert ran == []

    def test_not_even_if_the_function_catches_everything(self, gate: threading.Event) -> None:
        ran = []

        @task
        def later() -> None:
            ran.append("task")

        @flow(timeout_seconds=0.1)
        def late() -> str:
            try:
                gate.wait()
            except BaseException:
                later()
            return "too late"

        check_timed_out(late(return_state=True))
        assert ran == []

    def test_a_sync_flow_off_the_main_thread_returns_at_once(self, gate: threading.Event) -> None:
        ran = []

        @task
        def later() -> None:
            ran.append("task")

        left = threading.Event()

        @flow(timeout_seconds=0.1)
        def late() -> None:
            try:
                gate.wait()
                later()
                ran.append("code")
            finally:
                left.set()

        states: list[State[Any]] = []
        thread = threading.Thread(target=lambda: states.append(late(return_state=True)))
        thread.start()
        thread.join()
        check_timed_out(states[0])
        gate.set()
        assert left.wait(20)
        assert ran == []

    @pytest.mark.parametrize("isasync", [False, True])
    def test_a_timeout_error_of_the_users_own_is_a_plain_failure(self, isasync: bool) -> None:
        def sync() -> None:
            raise TimeoutError("mine")

        async def other() -> None:
            async with asyncio.timeout(0):
                await asyncio.sleep(60)

        made = flow(other if isasync else sync, timeout_seconds=60)
        state = made(return_state=True)
        state = asyncio.run(state) if isasync else state
        assert state.is_failed()
        assert state.name == "Failed"
        assert "exceeded timeout" not in str(state.message)
        with pytest.raises(TimeoutError):
            state.result()

    def test_a_sync_flow_stops_waiting_for_a_future(self, gate: threading.Event) -> None:
        @task
        def slow() -> None:
            gate.wait()

        @flow(timeout_seconds=0.1)
        def late() -> None:
            slow.submit().result()

        check_timed_out(late(return_state=True))

    def test_a_late_flow_does_not_wait_for_what_it_has_submitted(
        self, gate: threading.Event
    ) -> None:
        @task
        def slow() -> None:
            gate.wait()

        @flow(timeout_seconds=0.1)
        def late() -> None:
            slow.submit()
            gate.wait()

        check_timed_out(late(return_state=True))

    def test_each_attempt_has_a_clock_of_its_own(self, gate: threading.Event) -> None:
        @flow(timeout_seconds=0.1, retries=1)
        def late_once() -> int:
            count = get_run_context().flow_run.run_count  # type: ignore[union-attr]
            if count == 1:
                gate.wait()
            return count

        assert late_once() == 2

    def test_an_error_of_a_late_task_fails_the_flow_around_it_and_is_no_timeout_of_it(
        self, gate: threading.Event
    ) -> None:
        @task(timeout_seconds=0.1)
        def late() -> None:
            gate.wait()

        @flow(timeout_seconds=60)
        def around() -> None:
            late()

        state = around(return_state=True)
        assert state.name == "Failed"
        with pytest.raises(TimeoutError):
            state.result()

    def test_a_late_subflow_is_timed_out_and_the_flow_around_it_goes_on(
        self, gate: threading.Event
    ) -> None:
        @flow(timeout_seconds=0.1)
        def late() -> None:
            gate.wait()

        @flow
        def around() -> str:
            check_timed_out(late(return_state=True))
            return "went on"

        assert around() == "went on"


class TestTasks:
    def test_a_late_sync_task_is_failed_and_named_timed_out(self, gate: threading.Event) -> None:
        @task(timeout_seconds=0.1)
        def late() -> None:
            gate.wait()

        @flow
        def around() -> str:
            with pytest.raises(TimeoutError, match=r"exceeded timeout of 0\.1 seconds"):
                late()
            check_timed_out(late(return_state=True), "Task")
            return "went on"

        assert around() == "went on"

    def test_a_late_async_task_is_failed_and_named_timed_out(self) -> None:
        @task(timeout_seconds=0.1)
        async def late() -> None:
            await anyio.sleep_forever()

        @flow
        def sync() -> str:
            check_timed_out(late(return_state=True), "Task")  # type: ignore[arg-type]
            check_timed_out(late.submit(return_state=True), "Task")
            return "done"

        @flow
        async def other() -> str:
            check_timed_out(await late(return_state=True), "Task")  # type: ignore[misc]
            check_timed_out(await late.submit(return_state=True), "Task")
            return "done"

        assert sync() == "done"
        assert asyncio.run(other()) == "done"
        assert trio.run(other) == "done"

    def test_gathered_tasks_time_out_one_by_one(self) -> None:
        @task
        async def wait(seconds: float) -> float:
            await anyio.sleep(seconds)
            return seconds

        @flow
        async def around() -> list[str]:
            short = wait.with_options(timeout_seconds=0.1)
            found = await asyncio.gather(
                short(1_000, return_state=True), wait(0), short(0, return_state=True)
            )
            check_timed_out(found[0], "Task")
            return [str(found[1]), found[2].name]

        assert asyncio.run(around()) == ["0", "Completed"]

    def test_a_late_submitted_task_is_abandoned(self, gate: threading.Event) -> None:
        @task(timeout_seconds=0.1)
        def late() -> None:
            gate.wait()

        @flow
        def around() -> str:
            check_timed_out(late.submit(return_state=True), "Task")
            return "went on"

        assert around() == "went on"

    def test_what_depends_on_it_is_not_ready(self, gate: threading.Event) -> None:
        @task(timeout_seconds=0.1)
        def late() -> None:
            gate.wait()

        @task
        def dependent(x: Any) -> None:
            raise AssertionError("never called")

        @flow
        def around() -> str:
            state = dependent.submit(late.submit(), return_state=True)
            assert (state.is_pending(), state.name) == (True, "NotReady")
            return "done"

        assert around() == "done"

    @pytest.mark.parametrize("how", ["called", "submitted"])
    def test_it_is_retried_and_each_attempt_has_a_clock_of_its_own(
        self, gate: threading.Event, how: str
    ) -> None:
        @task(timeout_seconds=0.1, retries=2)
        def late_twice() -> int:
            count = get_run_context().task_run.run_count  # type: ignore[union-attr]
            if count < 3:
                gate.wait()
            return count

        @flow
        def around() -> int:
            if how == "called":
                return late_twice()
            result: int = late_twice.submit().result()
            return result

        assert around() == 3

    def test_retries_that_run_out_end_timed_out(self, gate: threading.Event) -> None:
        calls = []

        @task(timeout_seconds=0.1, retries=1)
        def late() -> None:
            calls.append(1)
            gate.wait()

        check_timed_out(late(return_state=True), "Task")
        assert len(calls) == 2


class TestTheClockOfASubflow:
    @pytest.mark.parametrize("passed_as", ["wait_for", "argument"])
    def test_it_starts_when_what_the_subflow_waits_for_is_ready(
        self, passed_as: str, gate: threading.Event
    ) -> None:
        @task
        def upstream() -> None:
            gate.wait()

        @flow(timeout_seconds=0.2)
        def child(x: Any = None) -> str:
            return "in time"

        @flow
        def parent() -> State[str]:
            future = upstream.submit()
            threading.Timer(0.4, gate.set).start()
            given: dict[str, Any] = {"wait_for": [future]}
            if passed_as == "argument":
                given = {"x": future}
            return child(**given, return_state=True)

        assert parent(return_state=True).is_completed()

    def test_it_does_so_in_an_async_flow(self, gate: threading.Event) -> None:
        @task
        def upstream() -> None:
            gate.wait()

        @flow(timeout_seconds=0.2)
        async def child() -> str:
            return "in time"

        @flow
        async def parent() -> str:
            future = upstream.submit()
            threading.Timer(0.4, gate.set).start()
            return await child(wait_for=[future])

        assert asyncio.run(parent()) == "in time"  # type: ignore[arg-type]
