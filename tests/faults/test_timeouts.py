"""Late functions: what they can no longer do, and what is left of them."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.e2e.processes import children, in_processes, linux
from upshot import flow, get_run_context, task
from upshot.context import FlowRunContext
from upshot.exceptions import WouldBlockLoop
from upshot.records import Run
from upshot.runstore import open_store
from upshot.states import State
from upshot.task_runners import ConcurrentTaskRunner

pytestmark = pytest.mark.usefixtures("upshot_home")
alarms = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="platform: has no SIGALRM")
PATIENCE = 20


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What a late function waits for; it opens when the test is over."""
    event = threading.Event()
    yield event
    event.set()


def off_main(work: Callable[[], Any]) -> Any:
    """What `work` gives in another thread."""
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(work()))
    thread.start()
    thread.join(PATIENCE)
    return found[0]


_others: list[threading.Thread] = []


@pytest.fixture(autouse=True)
def _know_others() -> None:
    _others.clear()
    _others.extend(timed_threads())


def timed_threads() -> list[threading.Thread]:
    """Those that were started in this test; tests of other files may have left some for good."""
    there = [thread for thread in threading.enumerate() if thread.name == "upshot-timed"]
    return [thread for thread in there if thread not in _others]


def check_no_thread_stays() -> None:
    while threads := timed_threads():  # one of those that end may just have started another
        threads[0].join(PATIENCE)
        assert not threads[0].is_alive()


def row(state: State[Any]) -> Run:
    store = open_store()
    store.flush()
    details = state.state_details
    if details.task_run_id is not None:
        run: Run | None = store.task_run(details.task_run_id)
    else:
        assert details.flow_run_id is not None
        run = store.flow_run(details.flow_run_id)
    assert run is not None
    return run


class TestLatePublishing:
    def test_an_abandoned_task_keeps_nothing_and_records_nothing(
        self, gate: threading.Event, upshot_home: Path
    ) -> None:
        @task(timeout_seconds=0.1, persist_result=True, cache_key_fn=lambda: "key")
        def late() -> str:
            gate.wait()
            return "too late"

        @flow
        def around() -> str:
            states.append(late.submit(return_state=True))
            return "went on"

        states: list[State[Any]] = []
        around()
        state = states[0]
        before = row(state)
        blobs = sorted(upshot_home.rglob("*"))
        gate.set()
        check_no_thread_stays()
        after = row(state)
        assert [step.name for step in after.history] == [step.name for step in before.history]
        assert after.result is None
        assert open_store().cached("key") is None
        names = {path.name for path in set(upshot_home.rglob("*")) - set(blobs)}
        assert not {name for name in names if "wal" not in name and "shm" not in name}

    def test_a_run_inside_of_an_abandoned_one_has_crashed_and_keeps_nothing(
        self, gate: threading.Event
    ) -> None:
        runs: list[Any] = []

        @task(persist_result=True)
        def inner() -> str:
            runs.append(get_run_context().task_run)  # type: ignore[union-attr]
            gate.wait()
            return "too late"

        @flow(timeout_seconds=0.1)
        def late() -> None:
            inner()

        state = off_main(lambda: late(return_state=True))
        assert state.name == "TimedOut"
        assert [step.name for step in runs[0].history] == ["Pending", "Running", "Crashed"]
        gate.set()
        check_no_thread_stays()
        assert [step.name for step in runs[0].history] == ["Pending", "Running", "Crashed"]
        assert runs[0].result is None
        assert "timeout of 0.1 seconds" in runs[0].message

    @pytest.mark.parametrize("how", ["call", "submit", "map", "flow"])
    def test_an_abandoned_function_starts_no_run(self, gate: threading.Event, how: str) -> None:
        ran: list[str] = []
        raised: list[BaseException] = []

        @task
        def later(x: int) -> None:
            ran.append("task")

        @flow
        def subflow() -> None:
            ran.append("flow")

        start: dict[str, Callable[[], Any]] = {
            "call": lambda: later(1),
            "submit": lambda: later.submit(1),
            "map": lambda: later.map([1, 2]),
            "flow": subflow,
        }

        @task(timeout_seconds=0.1)
        def late() -> None:
            gate.wait()
            try:
                start[how]()
            except Exception:
                raise AssertionError("it could go on") from None
            except BaseException as error:
                raised.append(error)

        @flow
        def around() -> str:
            return late.submit(return_state=True).name  # type: ignore[no-any-return]

        assert around() == "TimedOut"
        gate.set()
        check_no_thread_stays()
        assert ran == []
        assert len(raised) == 1
        assert "timeout of 0.1 seconds" in str(raised[0])

    def test_an_async_run_inside_of_an_abandoned_one_is_cancelled(self) -> None:
        cancelled = threading.Event()

        @task
        async def inner() -> None:
            try:
                await anyio.sleep_forever()
            finally:
                cancelled.set()

        @flow(timeout_seconds=0.1)
        def late() -> None:
            inner()  # type: ignore[unused-coroutine]

        assert off_main(lambda: late(return_state=True)).name == "TimedOut"
        assert cancelled.wait(PATIENCE)
        check_no_thread_stays()

    def test_a_value_that_came_in_time_is_kept_however_long_that_takes(self) -> None:
        class Slow:
            def __reduce__(self) -> Any:
                time.sleep(0.3)  # the keeping itself takes long
                return str, ("kept",)

        @task(timeout_seconds=0.2, persist_result=True, cache_result_in_memory=False)
        def quick() -> Any:
            return Slow()

        @flow
        def around() -> list[Any]:
            return [quick(), quick.submit().result()]

        assert around() == ["kept", "kept"]


@alarms
class TestTheOneTimer:
    @pytest.fixture
    def rung(self) -> Iterator[list[float]]:
        """Moments at which a handler of the host's is called."""
        moments: list[float] = []
        before = signal.signal(signal.SIGALRM, lambda *_: moments.append(time.monotonic()))
        yield moments
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

    def late(self, seconds: float, gate: threading.Event) -> State[Any]:
        @flow(timeout_seconds=seconds)
        def late() -> None:
            gate.wait()

        return late(return_state=True)

    def test_the_hosts_handler_is_there_again(
        self, rung: list[float], gate: threading.Event
    ) -> None:
        handler = signal.getsignal(signal.SIGALRM)
        assert self.late(0.05, gate).name == "TimedOut"
        assert signal.getsignal(signal.SIGALRM) is handler
        assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
        assert rung == []

    def test_the_hosts_timer_goes_on_with_what_is_left_of_it(
        self, rung: list[float], gate: threading.Event
    ) -> None:
        signal.setitimer(signal.ITIMER_REAL, 1_000, 7)
        self.late(0.05, gate)
        left, interval = signal.getitimer(signal.ITIMER_REAL)
        assert 900 < left < 1_000
        assert interval == 7

    def test_the_hosts_timer_rings_meanwhile(
        self, rung: list[float], gate: threading.Event
    ) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        assert self.late(0.1, gate).name == "TimedOut"
        assert len(rung) == 1
        assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)

    def test_what_the_hosts_handler_raises_is_no_timeout(self, rung: list[float]) -> None:
        class Ended(Exception):
            pass

        def end(*_: Any) -> None:
            raise Ended

        signal.signal(signal.SIGALRM, end)
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        state = self.late(1_000, threading.Event())
        assert state.name == "Failed"
        assert isinstance(state.result(raise_on_failure=False), Ended)

    def test_a_function_that_swallows_what_breaks_it_off_is_broken_off_again(
        self, gate: threading.Event
    ) -> None:
        swallowed = []

        @flow(timeout_seconds=0.05)
        def stubborn() -> None:
            while len(swallowed) < 2:
                try:
                    gate.wait()
                except BaseException:
                    swallowed.append(1)
            gate.wait()

        assert stubborn(return_state=True).name == "TimedOut"
        assert len(swallowed) == 2

    def test_a_function_may_clean_up_for_longer_than_its_timeout(
        self, gate: threading.Event
    ) -> None:
        steps = []

        @flow(timeout_seconds=0.05)
        def late() -> None:
            try:
                gate.wait()
            finally:
                threading.Event().wait(0.4)
                steps.append("cleaned up")

        assert late(return_state=True).name == "TimedOut"
        assert steps == ["cleaned up"]

    def test_a_function_that_takes_the_timer_away_is_late_all_the_same(self) -> None:
        @flow(timeout_seconds=0.05)
        def late() -> str:
            signal.setitimer(signal.ITIMER_REAL, 0)
            time.sleep(0.1)
            return "too late"

        assert late(return_state=True).name == "TimedOut"

    def test_no_thread_is_started_in_the_main_thread(self, gate: threading.Event) -> None:
        threads: list[threading.Thread] = []

        @task(timeout_seconds=0.05)
        def late() -> None:
            threads.extend([threading.current_thread(), *timed_threads()])
            gate.wait()

        late(return_state=True)
        assert threads == [threading.main_thread()]

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="platform: has no fork")
    @pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
    def test_a_forked_child_is_not_broken_off(self) -> None:
        @flow(timeout_seconds=1)
        def forks() -> int:
            pid = os.fork()
            if pid == 0:
                code = 1
                try:
                    time.sleep(1.2)
                    free = signal.getitimer(signal.ITIMER_REAL) == (0, 0)
                    code = 0 if free and signal.getsignal(signal.SIGALRM) is before else 2
                finally:
                    os._exit(code)
            pids.append(pid)
            threading.Event().wait()
            return 0

        pids: list[int] = []
        before = signal.getsignal(signal.SIGALRM)
        assert forks(return_state=True).name == "TimedOut"
        assert os.waitstatus_to_exitcode(os.waitpid(pids[0], 0)[1]) == 0


def _in_main(work: Callable[[], Any]) -> Any:
    return work()


@pytest.mark.parametrize("where", [_in_main, off_main])
class TestNested:
    def test_the_inner_one_is_late_and_the_outer_goes_on(
        self, where: Callable[..., Any], gate: threading.Event
    ) -> None:
        @task(timeout_seconds=0.05)
        def inner() -> None:
            gate.wait()

        @flow(timeout_seconds=60)
        def outer() -> str:
            return inner(return_state=True).name

        assert where(outer) == "TimedOut"

    def test_the_outer_one_is_late_and_the_inner_has_crashed(
        self, where: Callable[..., Any], gate: threading.Event
    ) -> None:
        went_on = []

        @task(timeout_seconds=60)
        def inner() -> None:
            gate.wait()

        @flow(timeout_seconds=0.1)
        def outer() -> None:
            inner(return_state=True)
            went_on.append(1)

        state = where(lambda: outer(return_state=True))
        assert state.name == "TimedOut"
        assert "0.1 seconds" in state.message
        gate.set()
        check_no_thread_stays()
        assert went_on == []
        store = open_store()
        store.flush()
        [run] = store.task_runs(state.state_details.flow_run_id)
        assert run.state_name == "Crashed"

    def test_both_are_late_one_after_the_other(
        self, where: Callable[..., Any], gate: threading.Event
    ) -> None:
        names = []

        @flow(timeout_seconds=0.05)
        def inner() -> None:
            gate.wait()

        @flow(timeout_seconds=0.2)
        def outer() -> None:
            names.append(inner(return_state=True).name)
            gate.wait()

        assert where(lambda: outer(return_state=True)).name == "TimedOut"
        assert names == ["TimedOut"]

    def test_a_late_async_flow_inside_of_a_sync_one(
        self, where: Callable[..., Any], gate: threading.Event
    ) -> None:
        @flow(timeout_seconds=0.05)
        async def inner() -> None:
            await anyio.sleep_forever()

        @flow(timeout_seconds=60)
        def outer() -> str:
            return inner(return_state=True).name  # type: ignore[union-attr]

        assert where(outer) == "TimedOut"


class TestSubmitted:
    def test_abandoned_threads_hold_no_slots(self, gate: threading.Event) -> None:
        @task(timeout_seconds=0.05)
        def late(x: int) -> None:
            gate.wait()

        @task
        def quick() -> str:
            return "quick"

        @flow(task_runner=ConcurrentTaskRunner(max_workers=1))
        def around() -> list[str]:
            names = [state.name for state in late.map(range(3), return_state=True)]
            return [*names, quick.submit().result()]

        assert around() == ["TimedOut"] * 3 + ["quick"]

    def test_one_that_waits_lends_its_slot_and_gives_it_back_when_it_is_late(
        self, gate: threading.Event
    ) -> None:
        runner = ConcurrentTaskRunner(max_workers=1)
        used: list[ConcurrentTaskRunner] = []

        @task
        def slow() -> None:
            gate.wait()

        @task(timeout_seconds=0.2)
        def late() -> None:
            slow.submit().result()

        @flow(task_runner=runner)
        def around() -> str:
            name: str = late.submit(return_state=True).name
            flow_run = FlowRunContext.get()
            assert flow_run is not None
            used.append(flow_run.runner)
            gate.set()
            return name

        assert around() == "TimedOut"
        check_no_thread_stays()
        pool = used[0]._pool
        deadline = time.monotonic() + PATIENCE
        while pool._busy and time.monotonic() < deadline:
            time.sleep(0.01)
        assert pool._busy == 0

    def test_a_late_flow_gives_up_what_it_has_submitted(self, gate: threading.Event) -> None:
        ran = []
        started = threading.Event()

        @task
        def slow() -> None:
            started.set()
            gate.wait()

        @task
        def after(x: Any) -> None:
            ran.append("after")

        @task
        async def awaits() -> None:
            try:
                await anyio.sleep_forever()
            finally:
                ran.append("cancelled")

        futures: list[Any] = []

        @flow(timeout_seconds=0.3)
        def late() -> None:
            first = slow.submit()
            futures.extend([after.submit(first), awaits.submit(), first])
            assert started.wait(PATIENCE)
            gate.wait()

        assert late(return_state=True).name == "TimedOut"
        for future in futures[:2]:
            with pytest.raises(BaseException):  # noqa: B017
                future.result(PATIENCE)
        assert futures[0].state().is_crashed()
        assert futures[1].state().is_crashed()
        assert ran == ["cancelled"]

    def test_a_wait_that_could_not_end_is_refused_inside_of_a_timed_call_too(self) -> None:
        box: list[Any] = []

        @task
        async def other(begun: anyio.Event) -> None:
            begun.set()
            await anyio.sleep(0.001)

        @task(timeout_seconds=60)
        def waits() -> str:
            try:
                box[-1].wait()
            except WouldBlockLoop:
                return "refused"
            return "waited"

        @flow
        async def around() -> str:
            begun = anyio.Event()
            box.append(await other.submit(begun))
            await begun.wait()
            return waits()

        assert asyncio.run(around()) == "refused"
        assert off_main(lambda: asyncio.run(around())) == "refused"


@task(timeout_seconds=0.2)
def late_in_process(path: str) -> None:
    Path(path).write_text(str(os.getpid()))
    threading.Event().wait()


@task(timeout_seconds=30)
def in_time_in_process() -> int:
    return os.getpid()


@task(timeout_seconds=30)
def fail_in_process() -> None:
    raise LookupError("no")


class TestProcesses:
    def test_the_process_of_a_late_function_is_killed_and_replaced(self, tmp_path: Path) -> None:
        file = tmp_path / "pid"

        def body() -> list[Any]:
            state = late_in_process.submit(str(file), return_state=True)
            return [state.name, state.message, in_time_in_process.submit().result()]

        name, message, pid = in_processes(body, workers=1)
        assert (name, message) == ("TimedOut", "Task run exceeded timeout of 0.2 seconds")
        late = int(file.read_text())
        assert pid != late
        with pytest.raises(ProcessLookupError):
            os.kill(late, 0)

    @linux
    def test_no_process_is_left(self, tmp_path: Path) -> None:
        before = children()
        in_processes(
            lambda: late_in_process.submit(str(tmp_path / "pid"), return_state=True).name, workers=1
        )
        assert children() == before

    def test_an_error_in_time_is_the_functions_own(self) -> None:
        def body() -> str:
            state = fail_in_process.submit(return_state=True)
            return f"{state.name} {state.result(raise_on_failure=False)}"

        assert in_processes(body, workers=1) == "Failed no"


PROGRAM = """
import threading
from upshot import flow, task

@task(timeout_seconds=0.1)
def late():
    threading.Event().wait()

@flow
def around():
    return late.submit(return_state=True).name

print(around())
"""


def test_an_abandoned_thread_does_not_keep_the_interpreter(upshot_home: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
        env={**os.environ, "UPSHOT_HOME": str(upshot_home)},
    )
    assert (done.stdout, done.returncode) == ("TimedOut\n", 0)
    logged = "Task run 'late-0' has ended as TimedOut: TimeoutError: "
    assert [line.startswith(logged) for line in done.stderr.splitlines()] == [True]


class TestAsync:
    def test_a_cancellation_from_outside_is_no_timeout(self) -> None:
        @flow(timeout_seconds=60)
        async def waits() -> None:
            await anyio.sleep_forever()

        async def main() -> str:
            running = asyncio.ensure_future(waits(return_state=True))
            await asyncio.sleep(0.05)
            running.cancel()
            try:
                await running
            except asyncio.CancelledError:
                return "cancelled"
            return "ended"

        assert asyncio.run(main()) == "cancelled"

    def test_a_scope_of_the_users_own_is_no_timeout(self) -> None:
        @flow(timeout_seconds=60)
        async def moves_on() -> str:
            with anyio.move_on_after(0):
                await anyio.sleep_forever()
            return "moved on"

        assert asyncio.run(moves_on()) == "moved on"

    def test_a_scope_around_the_flow_is_no_timeout_of_it(self) -> None:
        @flow(timeout_seconds=60)
        async def waits() -> None:
            await anyio.sleep_forever()

        async def main() -> bool:
            with anyio.move_on_after(0.05) as scope:
                await waits()
            return scope.cancelled_caught

        assert asyncio.run(main())
        assert anyio.run(main, backend="trio")

    def test_a_late_flow_cancels_what_it_awaits(self) -> None:
        left = []

        @task
        async def inner() -> None:
            try:
                await anyio.sleep_forever()
            finally:
                left.append("inner")

        @flow(timeout_seconds=0.1)
        async def late() -> None:
            await inner()

        @flow(timeout_seconds=0.1)
        async def gathers() -> None:
            await asyncio.gather(inner(), inner())

        async def submits() -> None:
            await inner.submit()
            await anyio.sleep_forever()

        for which in (late, gathers, flow(submits, timeout_seconds=0.1)):
            state: State[Any] = asyncio.run(which(return_state=True))
            assert state.name == "TimedOut"
        assert left == ["inner"] * 4
        assert anyio.run(lambda: late(return_state=True), backend="trio").name == "TimedOut"

    def test_what_swallows_the_cancellation_is_late_all_the_same(self) -> None:
        @flow(timeout_seconds=0.05)
        async def stubborn() -> str:
            try:
                await asyncio.sleep(1_000)
            except asyncio.CancelledError:
                return "too late"
            return "in time"

        assert asyncio.run(stubborn(return_state=True)).name == "TimedOut"

    def test_the_loop_goes_on_after_a_late_flow(self) -> None:
        @flow(timeout_seconds=0.05)
        async def late() -> None:
            await anyio.sleep_forever()

        async def main() -> str:
            await late(return_state=True)
            task = asyncio.current_task()
            assert task is not None
            assert task.cancelling() == 0
            await asyncio.sleep(0.01)
            return "went on"

        assert asyncio.run(main()) == "went on"
