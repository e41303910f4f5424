"""Tags: of tasks, of blocks, of flow runs; on the records of runs, and to find runs by."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest

from upshot import context, flow, get_run_context, tags, task
from upshot.runstore import RunFilter, open_store
from upshot.states import State
from upshot.task_runners import ProcessPoolTaskRunner, SequentialTaskRunner

pytestmark = pytest.mark.usefixtures("upshot_home")


@task(tags=["own"])
def seen() -> set[str]:
    return set(get_run_context().task_run.tags)  # type: ignore[union-attr]


@flow
def seen_by_flow() -> set[str]:
    return set(get_run_context().flow_run.tags)  # type: ignore[union-attr]


def recorded(state: State[Any]) -> list[tuple[str, ...]]:
    """The tags of the flow run of a state, and of its task runs."""
    id = state.state_details.flow_run_id
    assert isinstance(id, UUID)
    store = open_store()
    run = store.flow_run(id)
    assert run is not None
    return [run.tags, *(each.tags for each in store.task_runs(id))]


def test_the_tags_of_a_task_are_a_set() -> None:
    assert task(lambda: 1).tags == set()
    assert task(tags=["a", "b", "a"])(lambda: 1).tags == {"a", "b"}
    assert seen() == {"own"}


def test_with_options_copies_tags_unless_it_gets_new_ones() -> None:
    first = task(tags=["a"])(lambda: 1)
    same = first.with_options(retries=1)
    assert same.tags == {"a"}
    assert same.tags is not first.tags
    assert first.with_options(tags=["b"]).tags == {"b"}


@pytest.mark.parametrize("value", ["a", 1, [1], [None]])
def test_tags_are_texts(value: Any) -> None:
    with pytest.raises(TypeError, match="tags"):
        task(tags=value)(lambda: 1)


def test_a_block_takes_only_texts() -> None:
    with pytest.raises(TypeError, match="tags"), tags(1):  # type: ignore[arg-type]
        pass


def test_a_block_gives_tags_to_flow_runs_and_ends() -> None:
    with tags("a", "b"):
        assert seen_by_flow() == {"a", "b"}
    assert seen_by_flow() == set()


def test_a_block_that_raises_ends_too() -> None:
    with pytest.raises(ValueError), tags("a"):
        raise ValueError
    assert seen_by_flow() == set()


def test_blocks_nest_by_union() -> None:
    with tags("a", "b") as outer:
        with tags("b", "c") as inner:
            assert seen_by_flow() == inner == {"a", "b", "c"}
        assert seen_by_flow() == outer == {"a", "b"}


def test_the_context_module_has_them_too() -> None:
    assert context.tags is tags


def test_a_task_run_has_the_tags_of_its_task_of_blocks_and_of_its_flow_run() -> None:
    @flow
    def around() -> set[str]:
        with tags("block"):
            return seen()

    with tags("flow"):
        state = around(return_state=True)
    assert state.result() == {"own", "block", "flow"}
    assert recorded(state) == [("flow",), ("block", "flow", "own")]


@pytest.mark.parametrize("runner", [None, SequentialTaskRunner, ProcessPoolTaskRunner])
@pytest.mark.parametrize("how", ["submit", "map"])
def test_submitted_runs_have_the_tags_of_where_they_were_made(how: str, runner: Any) -> None:
    @flow(task_runner=runner)
    def around() -> int:
        with tags("block"):
            futures = [seen.submit()] if how == "submit" else mapped.map([1, 2])
        for future in futures:
            assert future.result() == {"own", "block"}
        return 1

    state = around(return_state=True)
    assert state.result() == 1
    assert set(recorded(state)[1:]) == {("block", "own")}


@task(tags=["own"])
def mapped(x: int) -> set[str]:
    return set(get_run_context().task_run.tags)  # type: ignore[union-attr]


def test_runs_that_end_after_the_block_keep_its_tags() -> None:
    @flow
    def around() -> set[str]:
        with tags("block"):
            future = seen.submit()
        return future.result()  # type: ignore[no-any-return]

    assert around() == {"own", "block"}


def test_async_runs_have_tags_as_well() -> None:
    @task
    async def aseen() -> set[str]:
        await asyncio.sleep(0)
        return set(get_run_context().task_run.tags)  # type: ignore[union-attr]

    @flow
    async def around() -> list[set[str]]:
        with tags("block"):
            return [
                *(await asyncio.gather(aseen(), aseen())),
                await (await aseen.submit()).aresult(),
            ]

    with tags("flow"):
        running = around()
    assert asyncio.run(running) == [{"flow", "block"}] * 3


def test_blocks_of_tasks_that_overlap_do_not_meet() -> None:
    @flow
    async def one(tag: str) -> set[str]:
        with tags(tag):
            await asyncio.sleep(0)
            return seen()

    async def both() -> list[set[str]]:
        return await asyncio.gather(one("a"), one("b"))

    assert asyncio.run(both()) == [{"a", "own"}, {"b", "own"}]


def test_a_subflow_and_what_stands_for_it_have_the_tags_of_its_parent() -> None:
    @flow
    def around() -> set[str]:
        with tags("block"):
            return seen_by_flow()

    with tags("flow"):
        state = around(return_state=True)
    assert state.result() == {"flow", "block"}
    assert recorded(state) == [("flow",), ("block", "flow")]


def test_a_task_run_outside_of_flows_has_the_tags_of_blocks() -> None:
    with tags("block"):
        assert seen() == {"own", "block"}


def test_runs_without_tags_record_none() -> None:
    assert recorded(flow(lambda: 1, name="f")(return_state=True)) == [()]


def test_flow_runs_are_found_by_their_tags() -> None:
    for names in (("a",), ("a", "b"), ("b",), ()):
        with tags(*names):
            seen_by_flow()
    store = open_store()
    found = [
        {run.tags for run in store.list_flow_runs(RunFilter(tags=wanted)).runs}
        for wanted in (("a",), ("b", "a"), ("c",))
    ]
    assert found == [{("a", "b"), ("a",)}, {("a", "b")}, set()]


def test_tags_hold_for_a_call_for_run_and_for_submit() -> None:
    @flow
    def around() -> Any:
        with tags("block"):
            return [seen(), seen._run().result(), seen.submit().result()]

    assert around() == [{"own", "block"}] * 3
    with tags("outside"):
        assert seen_by_flow() == seen_by_flow._run().result() == {"outside"}
