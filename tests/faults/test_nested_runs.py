"""Runs that are made in a worker process, and the death of that process."""

from __future__ import annotations

import os
import pickle
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.processes import in_processes
from upshot import flow, task
from upshot.exceptions import RunStoreUnavailable, WorkerDied
from upshot.records import FlowRun, Run, TaskRun
from upshot.runstore import RunStore, open_store
from upshot.runstore._received import Received
from upshot.runstore._relay import Sent, relay
from upshot.runstore.memory import MemoryRunStore
from upshot.settings import UPSHOT_RUN_STORE, temporary_settings
from upshot.task_runners import ProcessPoolTaskRunner
from upshot.task_runners._link import replied
from upshot.testing import RunStoreContract

pytestmark = pytest.mark.usefixtures("upshot_home")

ENDS = ["exit", "SIGKILL", "SIGSEGV", "timeout"]


def end(how: str) -> None:
    """End this process, or wait until it is ended."""
    if how == "exit":
        os._exit(7)
    if how != "timeout":
        os.kill(os.getpid(), signal.Signals[how])
    while True:
        signal.pause()


@task
def done() -> int:
    return 1


@task
def dies(how: str) -> None:
    done()
    end(how)


@task
async def async_dies(how: str) -> None:
    done()
    end(how)


@task
def calls(how: str) -> None:
    dies(how)


@task
def submits(how: str) -> None:
    done.submit().result()
    dies.submit(how).result()


@flow
def flow_dies(how: str) -> None:
    dies(how)


@flow
def flow_calls(how: str) -> None:
    done()
    flow_dies(how)


@task
def in_flow(how: str) -> None:
    flow_calls(how)


@flow(task_runner=ProcessPoolTaskRunner(max_workers=1))
def flow_with_workers(how: str) -> None:
    calls.submit(how).result()


def runs_of(flow_run: Any) -> list[Run]:
    """All runs below a flow run, in the order in which they began, without what was submitted."""
    store = open_store()
    found: list[Run] = []
    for run in store.task_runs(flow_run):
        found.append(run)
        if run.child_uid is not None:
            child = store.flow_run(type(run.id)(bytes=run.child_uid))
            assert child is not None
            found += [child, *runs_of(child.id)]
    return found


def ended(what: Any, how: str) -> tuple[Any, dict[str, list[Run]]]:
    """How a submitted task ended that calls `what` in a worker; the runs below it, by name."""
    outer = task(lambda: what(how), name="outer", timeout_seconds=1.5 if how == "timeout" else None)
    states: list[Any] = []
    state = in_processes(
        lambda: states.append(outer.submit(return_state=True)) or 0, return_state=True
    )
    by_name: dict[str, list[Run]] = {}
    for run in runs_of(state.state_details.flow_run_id):
        name = run.task_name if isinstance(run, TaskRun) else f"flow {run.flow_name}"
        by_name.setdefault(name, []).append(run)
    by_name.pop("outer")
    return states[0], by_name


@pytest.mark.parametrize("how", ENDS)
@pytest.mark.parametrize(
    ("what", "names"),
    [
        (dies, {"dies"}),
        (async_dies, {"async_dies"}),
        (calls, {"calls", "dies"}),
        (submits, {"submits", "dies"}),
        (
            in_flow,
            {
                "in_flow",
                *("flow-calls", "flow flow-calls", "flow-dies", "flow flow-dies"),
                "dies",
            },
        ),
    ],
)
def test_runs_that_go_on_in_a_worker_crash_when_it_dies(
    what: Any, names: set[str], how: str
) -> None:
    state, runs = ended(what, how)

    assert state.name == ("TimedOut" if how == "timeout" else "Crashed")
    said = {"exit": "exit code 7", "timeout": "the run that called it exceeded timeout"}
    assert {name for name, found in runs.items() if found[0].state_name == "Crashed"} == names
    for name in names:
        (run,) = runs[name]
        assert "the worker process died under the run" in str(run.message)
        assert said.get(how, how) in str(run.message)
        assert run.end_time is not None
        error = run.state.result(raise_on_failure=False)
        assert isinstance(error, WorkerDied)
    assert {run.state_name for run in runs["done"]} == {"Completed"}


@pytest.mark.parametrize("how", ENDS[:2])
def test_workers_of_workers_have_their_runs_recorded_and_crashed(how: str) -> None:
    state, runs = ended(flow_with_workers, how)
    # the worker's worker dies: the flow in the worker fails, as it would anywhere
    assert "WorkerDied" in str(state.message)
    assert [run.state_name for run in runs["dies"]] == ["Crashed"]
    assert [run.state_name for run in runs["calls"]] == ["Crashed"]
    assert [run.state_name for run in runs["done"]] == ["Completed"]


def test_an_interrupted_flow_ends_the_runs_in_its_workers(tmp_path: Path) -> None:
    fifo, made = tmp_path / "fifo", []
    os.mkfifo(fifo)

    @task
    def waits() -> None:
        fifo.write_text("begun")
        end("timeout")

    outer = task(lambda: waits(), name="outer")

    def use() -> None:
        made.append(outer.submit())
        fifo.read_text()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        in_processes(use)
    states = [run.state_name for run in runs_of(open_store().flow_runs()[0].id)]
    assert states == ["Crashed", "Crashed"]


@pytest.mark.parametrize("number", range(3))
def test_a_worker_that_is_killed_at_any_moment_leaves_whole_rows(number: int) -> None:
    @task
    def kill_soon() -> None:
        if os.fork() == 0:  # a process that is not stopped by what this one does meanwhile
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
            parent = os.getppid()
            if signal.sigtimedwait([signal.SIGUSR1], 0.02 * (number + 1)) is None:
                os.kill(parent, signal.SIGKILL)
            os._exit(0)
        while True:
            done()

    state = in_processes(lambda: kill_soon.submit(return_state=True) and 0, return_state=True)
    names = [run.state_name for run in runs_of(state.state_details.flow_run_id)]
    assert set(names) <= {"Completed", "Crashed"}
    assert names[0] == "Crashed"
    assert names[1:].count("Crashed") <= 1


def test_cached_results_of_runs_in_workers_are_there_for_all(tmp_path: Path) -> None:
    @task(cache_key_fn=lambda: "key", persist_result=True)
    def cached() -> int:
        return os.getpid()

    outer = task(lambda: (cached(), cached(return_state=True).name, os.getpid()))
    found: list[Any] = []
    in_processes(lambda: found.append(outer.submit().result()) or 0)
    ((pid, name, worker),) = found
    assert pid == worker
    assert name == "Cached"
    assert cached() == worker


def test_runs_in_workers_are_recorded_in_a_store_in_memory() -> None:
    with temporary_settings({UPSHOT_RUN_STORE: "memory"}):
        state, runs = ended(dies, "exit")
        assert state.name == "Crashed"
        assert [run.state_name for run in runs["dies"]] == ["Crashed"]
        assert [run.state_name for run in runs["done"]] == ["Completed"]


def test_a_process_that_a_task_forks_in_a_worker_records_its_own_runs() -> None:
    @task
    def forks() -> int:
        child = os.fork()
        if child == 0:
            done()
            open_store().flush()
            os._exit(0)
        return os.waitpid(child, 0)[1]

    states: list[Any] = []
    state = in_processes(
        lambda: states.append(forks.submit(return_state=True)) or 0, return_state=True
    )
    assert states[0].result() == 0
    names = [run.state_name for run in runs_of(state.state_details.flow_run_id)]
    assert names == ["Completed", "Completed"]


class Loopback:
    """A link whose other end is in this process."""

    def __init__(self) -> None:
        self.received = Received()
        self.listens = True

    def tell(self, sent: Sent) -> bool:
        if self.listens:
            self.received.take(pickle.loads(pickle.dumps(sent)))
        return self.listens

    ask = tell


class TestRelay(RunStoreContract):
    """A store whose runs another process records is a run store like any other."""

    @pytest.fixture
    def store(self, upshot_home: Path) -> RunStore:
        store = open_store()
        return relay(("sqlite", str(upshot_home), "normal"), store, Loopback())


def test_a_store_whose_runs_nobody_takes_records_them_itself() -> None:
    link, store = Loopback(), MemoryRunStore()
    link.listens = False
    relayed = relay(("memory", "unused", "normal"), store, link)
    run = FlowRun(name="a", flow_name="f")
    relayed.record(run)
    relayed.commit(TaskRun(name="t", task_name="t", task_key="t", flow_run=run))
    assert store.flow_run(run.id) is not None
    assert len(store.task_runs(run.id)) == 1


def test_what_a_run_store_refuses_travels_as_the_reply() -> None:
    def refuse() -> None:
        raise RunStoreUnavailable("runs.db", "be written", "the disk is full")

    error = pickle.loads(replied(refuse)[1:])
    assert isinstance(error, RunStoreUnavailable)
    assert str(error).startswith("the run store runs.db could not be written")
    assert replied(lambda: None) == b"r"
