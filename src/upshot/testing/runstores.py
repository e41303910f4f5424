"""What every run store must do, as tests."""

# ruff: noqa: D102  what a test wants is said by its name

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest

from upshot.records import CacheEntry, FlowRun, StateType, TaskRun
from upshot.runstore import RunStore
from upshot.testing._cache_and_blocks import CacheAndBlockContract
from upshot.testing._limits import LimitContract
from upshot.testing._listing import ListingContract
from upshot.testing._queries import QueryContract
from upshot.testing._runs import AT, complete, facts, new_flow_run, new_task_run


class RunStoreContract(CacheAndBlockContract, LimitContract, ListingContract, QueryContract):
    """Subclass it with a fixture `store` that gives a new `RunStore`, empty, for each test."""

    @pytest.fixture
    def store(self) -> Iterator[RunStore]:
        """The store under test."""
        raise NotImplementedError("give your subclass a fixture called `store`")

    @pytest.fixture(params=["recorded", "committed"])
    def write(
        self, request: pytest.FixtureRequest, store: RunStore
    ) -> Callable[[FlowRun | TaskRun], None]:
        """Either way of writing a run."""
        return store.record if request.param == "recorded" else store.commit

    def test_all_that_a_flow_run_says_is_read_back(
        self, store: RunStore, write: Callable[[FlowRun | TaskRun], None]
    ) -> None:
        run = new_flow_run()
        run.failure = '{"type": "ValueError"}'
        run.enter(StateType.FAILED, "Failed", AT + 2, 'it "broke": ü')
        write(run)

        found = store.flow_run(run.id)

        assert found is not None
        assert found is not run
        assert facts(found) == facts(run)

    def test_all_that_a_task_run_says_is_read_back(
        self, store: RunStore, write: Callable[[FlowRun | TaskRun], None]
    ) -> None:
        flow_run = new_flow_run()
        run = new_task_run(flow_run, index=3)
        run.cache_key, run.child_uid = "key", new_flow_run().uid
        complete(run)
        write(flow_run)
        write(run)

        found = store.task_run(run.id)

        assert found is not None
        assert facts(found) == facts(run)
        assert found.flow_run is not None
        assert facts(found.flow_run) == facts(flow_run)

    def test_a_run_without_any_state_or_flow_is_read_back(self, store: RunStore) -> None:
        run = TaskRun(name="bare", task_name="bare", task_key="bare")
        store.record(run)

        found = store.task_run(run.id)

        assert found is not None
        assert facts(found) == facts(run)
        assert found.state_type is None
        assert found.flow_run is None

    def test_a_run_stands_as_it_was_queued_last(
        self, store: RunStore, write: Callable[[FlowRun | TaskRun], None]
    ) -> None:
        flow_run = new_flow_run()
        run = new_task_run(flow_run)
        write(flow_run)
        write(run)
        store.flush()
        run.name, run.cache_key = "renamed", "key"
        complete(run)
        complete(flow_run)
        write(run)
        write(flow_run)

        found = store.task_run(run.id)

        assert found is not None
        assert facts(found) == facts(run)
        assert found.flow_run is not None
        assert found.flow_run.state_type is StateType.COMPLETED

    def test_what_is_read_does_not_change_with_the_run(self, store: RunStore) -> None:
        run = new_flow_run()
        store.record(run)
        found = store.flow_run(run.id)
        complete(run)
        store.commit(run)

        assert found is not None
        assert found.state_type is StateType.RUNNING
        assert found.result is None

    def test_committing_a_run_writes_what_is_queued(self, store: RunStore) -> None:
        flow_run = new_flow_run()
        run = new_task_run(flow_run)
        store.record(flow_run)
        store.record(run)
        complete(run)
        store.commit(run)

        assert [facts(one) for one in store.task_runs(flow_run.id)] == [facts(run)]
        assert not run.queued

    def test_a_subflow_knows_the_task_run_that_stands_for_it(self, store: RunStore) -> None:
        outer = new_flow_run("outer")
        stand_in = new_task_run(outer)
        inner = new_flow_run("inner", parent=stand_in)
        leaf = new_task_run(inner)
        for run in (outer, stand_in, inner, leaf):
            store.record(run)

        found = store.task_run(leaf.id)

        assert found is not None
        assert found.flow_run is not None
        assert found.flow_run.parent is not None
        assert found.flow_run.parent.id == stand_in.id
        assert found.flow_run.parent.flow_run_id == outer.id

    def test_a_parent_that_the_store_does_not_know_is_left_out(self, store: RunStore) -> None:
        elsewhere = new_flow_run()
        elsewhere.row = 1  # its number in some other store
        run = new_task_run(elsewhere)
        store.commit(run)

        found = store.task_run(run.id)

        assert found is not None
        assert found.flow_run is None

    def test_a_number_from_another_store_hits_no_other_run(self, store: RunStore) -> None:
        mine, other = new_flow_run("mine"), new_flow_run("other")
        store.commit(mine)
        other.row = mine.row if mine.row is not None else 1
        store.commit(other)

        assert {run.name for run in store.flow_runs()} == {"mine", "other"}

    def test_task_runs_come_in_the_order_in_which_they_were_first_recorded(
        self, store: RunStore
    ) -> None:
        flow_run, other = new_flow_run(), new_flow_run()
        runs = [new_task_run(flow_run, index) for index in range(20)]
        store.record(flow_run)
        store.record(other)
        for run in runs:
            store.record(run)
            store.record(new_task_run(other, run.call_index))
        for run in reversed(runs):
            complete(run)
            store.record(run)

        assert [run.call_index for run in store.task_runs(flow_run.id)] == list(range(20))
        assert len(store.task_runs(other.id)) == 20

    def test_the_newest_flow_runs_come_first(self, store: RunStore) -> None:
        for index in range(5):
            store.record(new_flow_run(f"run-{index}"))
            store.flush()

        assert [run.name for run in store.flow_runs(limit=3)] == ["run-4", "run-3", "run-2"]
        assert len(store.flow_runs()) == 5

    def test_what_was_never_recorded_is_not_found(self, store: RunStore) -> None:
        assert store.flow_run(uuid4()) is None
        assert store.task_run(uuid4()) is None
        assert store.task_runs(uuid4()) == []
        assert store.flow_runs() == []
        assert store.cached("nothing") is None
        assert store.block(uuid4()) is None
        assert store.blocks() == []

    def test_a_text_that_is_no_unicode_is_kept_with_escapes(self, store: RunStore) -> None:
        run = new_flow_run()
        run.enter(StateType.FAILED, "Failed", AT, "no file 'a\udcff'")
        entry = CacheEntry(key="a\udcff", document="{}", created=AT)
        store.commit(run, entry)

        found, cached = store.flow_run(run.id), store.cached("a\udcff")

        assert found is not None
        assert found.message in {"no file 'a\udcff'", "no file 'a\\udcff'"}
        assert cached is not None
        assert cached.document == "{}"

    def test_threads_share_a_store(self, store: RunStore) -> None:
        flow_run = new_flow_run()
        store.record(flow_run)
        problems: list[BaseException] = []

        def work(thread: int) -> None:
            try:
                for index in range(50):
                    run = new_task_run(flow_run, thread * 50 + index)
                    store.record(run)
                    complete(run)
                    key = CacheEntry(key=run.name, document="{}", created=AT)
                    store.commit(run, key) if index % 5 == 0 else store.record(run)
                    assert store.cached(key.key) is None or index % 5 == 0
            except BaseException as error:
                problems.append(error)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        found = store.task_runs(flow_run.id)
        assert problems == []
        assert {run.call_index for run in found} == set(range(200))
        assert {run.state_type for run in found} == {StateType.COMPLETED}

    def test_a_closed_store_can_be_closed_again_and_used_again(self, store: RunStore) -> None:
        run = new_flow_run()
        store.record(run)
        store.close()
        store.close()
        complete(run)
        store.record(run)

        found = store.flow_run(run.id)

        assert found is not None
        assert found.state_type is StateType.COMPLETED
        assert not store.backlogged
