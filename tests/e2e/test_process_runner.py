"""`ProcessPoolTaskRunner`: functions are called in worker processes, and only that."""

from __future__ import annotations

import functools
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.processes import (
    children,
    files_open_here,
    in_processes,
    kept,
    linux,
    submitted,
    where,
)
from upshot import get_run_context, task
from upshot.runstore import open_store
from upshot.settings import get_current_settings, temporary_settings

pytestmark = pytest.mark.usefixtures("upshot_home")


def test_functions_are_called_in_as_many_other_processes_as_there_are_workers() -> None:
    found = in_processes(lambda: [f.result() for f in where.map(range(20))])
    assert [x for x, _ in found] == list(range(20))
    assert 1 <= len({pid for _, pid in found}) <= 2
    assert os.getpid() not in {pid for _, pid in found}


def test_a_direct_call_stays_in_this_process() -> None:
    assert in_processes(lambda: where(1)) == (1, os.getpid())


@linux
def test_no_worker_opens_the_run_store_not_even_for_a_persisted_result() -> None:
    def use() -> Any:
        state = kept.submit(3, return_state=True)
        return state.result(), state.data.size, files_open_here.submit().result()

    value, size, files = in_processes(use, workers=1)
    assert value[0] == 3
    assert value[1] != os.getpid()
    assert size > 0
    assert files
    assert [name for name in files if "runs.db" in name] == []


def test_all_rows_are_there_in_the_end() -> None:
    def use() -> Any:
        futures = kept.map(range(5))
        return [future.task_run.id for future in futures]

    state = in_processes(use, return_state=True)
    runs = open_store().task_runs(state.state_details.flow_run_id)
    assert sorted(run.id for run in runs) == sorted(state.result())
    assert {run.state_name for run in runs} == {"Completed"}
    assert all(run.result for run in runs)


@linux
def test_no_process_is_left_after_the_flow() -> None:
    before = children()

    def use() -> set[int]:
        [future.result() for future in where.map(range(4))]
        return children()

    assert len(in_processes(use)) > len(before)
    assert children() == before
    with pytest.raises(ZeroDivisionError):
        in_processes(lambda: [where.submit().result(), 1 / 0])
    assert children() == before


@linux
def test_a_flow_that_submits_nothing_starts_no_process() -> None:
    before = children()
    assert in_processes(children) == before


def test_closures_lambdas_and_variants_are_sent_along() -> None:
    offset = [10]

    @task
    def shift(x: int) -> int:
        return x + offset[0]

    variant = where.with_options(name="variant", retries=1)

    def use() -> list[Any]:
        return [
            shift.submit(1).result(),
            task(lambda x: 2 * x).submit(4).result(),
            task(functools.partial(pow, 2)).submit(5).result(),
            variant.submit(3).result()[0],
            shift.with_options(retries=2).submit(2).result(),
        ]

    assert in_processes(use) == [11, 8, 32, 3, 12]


def test_what_a_closure_holds_is_sent_as_it_is_at_each_call() -> None:
    offset = [1]

    @task
    def shift(x: int) -> int:
        return x + offset[0]

    def use() -> list[int]:
        found = []
        for offset[0] in (1, 2, 3):
            found.append(shift.submit(0).result())
        return found

    assert in_processes(use, workers=1) == [1, 2, 3]


def test_a_worker_sees_its_run_and_its_flow() -> None:
    @task(name="look")
    def look(x: int) -> tuple[Any, ...]:
        context = get_run_context()
        run = context.task_run  # type: ignore[union-attr]
        return context.task.name, run.id, run.flow_run_id, dict(context.parameters)  # type: ignore[union-attr]

    def use() -> Any:
        future = look.submit(5)
        return future.task_run.id, future.result()

    state = in_processes(use, return_state=True)
    id, seen = state.result()
    assert seen == ("look", id, state.state_details.flow_run_id, {"x": 5})


def test_temporary_settings_reach_the_worker(tmp_path: Path) -> None:
    @task
    def settings() -> Any:
        return get_current_settings()

    with temporary_settings({"UPSHOT_HOME": tmp_path, "UPSHOT_TASK_DEFAULT_RETRIES": 3}) as mine:
        assert submitted(settings).result() == mine


def test_the_settings_of_each_call_reach_the_worker() -> None:
    @task
    def retries() -> int:
        return get_current_settings().task_default_retries

    def use() -> list[int]:
        found = []
        for count in (1, 2, 1):
            with temporary_settings({"UPSHOT_TASK_DEFAULT_RETRIES": count}):
                found.append(retries.submit().result())
        return found

    assert in_processes(use, workers=1) == [1, 2, 1]


def test_an_async_task_runs_in_this_process() -> None:
    @task
    async def awhere() -> int:
        return os.getpid()

    assert submitted(awhere).result() == os.getpid()


def test_a_worker_is_not_asked_through_its_standard_streams(capfd: pytest.CaptureFixture) -> None:  # type: ignore[type-arg]
    @task
    def talk() -> str:
        print("said in a worker", flush=True)
        return sys.stdin.read()

    assert submitted(talk).result() == ""
    assert "said in a worker" in capfd.readouterr().out
