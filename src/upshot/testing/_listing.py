"""What every run store must do with listings, as tests."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from upshot.records import FlowRun, Run, StateType, TaskRun
from upshot.runstore import Page, RunFilter, RunStore
from upshot.testing._runs import AT, new_task_run

Made = dict[int, FlowRun]


def flow_run_made(second: int, flow: str = "report", state: StateType | None = None) -> FlowRun:
    """A flow run that was made so many seconds after `AT`, in that state."""
    uid = int((AT + second) * 1000).to_bytes(6, "big") + uuid4().bytes[6:]
    run = FlowRun(name=f"{flow}-{second}", flow_name=flow, uid=uid)
    run.enter(StateType.PENDING, "Pending", AT + second)
    if state is not None:
        run.enter(state, state.value.capitalize(), AT + second)
    return run


def seconds(page: Page[FlowRun]) -> list[int]:
    """When the runs of a page were made."""
    return [int(run.name.rpartition("-")[2]) for run in page.runs]


class ListingContract:
    """A part of `RunStoreContract`."""

    @pytest.fixture
    def made(self, store: RunStore) -> Made:
        """Runs of two flows, by the second in which they were made; not recorded in that order."""
        flows = ("report", "clean", "report")
        states = (StateType.COMPLETED, StateType.FAILED, StateType.RUNNING, StateType.COMPLETED)
        runs = {n: flow_run_made(n, flows[n % 3], states[n % 4]) for n in range(12)}
        for number in (3, 0, 7, 1, 2, 11, 5, 4, 6, 10, 9, 8):
            store.record(runs[number])
            store.flush()
        return runs

    def test_a_listing_begins_with_the_run_that_was_made_last(
        self, store: RunStore, made: Made
    ) -> None:
        page = store.list_flow_runs(RunFilter())

        assert seconds(page) == list(range(11, -1, -1))
        assert page.next is None

    @pytest.mark.parametrize(
        ("filter", "expected"),
        [
            (RunFilter(flow_name="clean"), [10, 7, 4, 1]),
            (RunFilter(flow_name="Clean"), []),
            (RunFilter(state_type=StateType.FAILED), [9, 5, 1]),
            (RunFilter(state_type=StateType.PENDING), []),
            (RunFilter(since=AT + 9), [11, 10, 9]),
            (RunFilter(since=AT + 9.001), [11, 10]),
            (RunFilter(since=AT + 60), []),
            (RunFilter(since=-1e30), list(range(11, -1, -1))),
            (RunFilter(since=1e30), []),
            (RunFilter(flow_name="clean", state_type=StateType.FAILED), [1]),
            (RunFilter(flow_name="report", since=AT + 6), [11, 9, 8, 6]),
            (RunFilter(state_type=StateType.COMPLETED, since=AT + 4), [11, 8, 7, 4]),
            (
                RunFilter(flow_name="report", state_type=StateType.COMPLETED, since=AT + 3),
                [11, 8, 3],
            ),
        ],
    )
    def test_a_listing_has_the_runs_that_its_filter_leaves(
        self, store: RunStore, made: Made, filter: RunFilter, expected: list[int]
    ) -> None:
        assert seconds(store.list_flow_runs(filter)) == expected

    @pytest.mark.parametrize(
        "chosen",
        [
            RunFilter(),
            RunFilter(flow_name="report"),
            RunFilter(state_type=StateType.COMPLETED),
            RunFilter(flow_name="report", state_type=StateType.COMPLETED, since=AT + 2),
        ],
    )
    @pytest.mark.parametrize("limit", [1, 2, 5, 12, 100])
    def test_pages_one_behind_the_other_are_the_whole_listing(
        self, store: RunStore, made: Made, chosen: RunFilter, limit: int
    ) -> None:
        found: list[int] = []
        filter = chosen
        while True:
            page = store.list_flow_runs(filter, limit)
            found += seconds(page)
            assert len(page.runs) == limit or page.next is None
            if page.next is None:
                break
            filter = RunFilter(
                flow_name=chosen.flow_name,
                state_type=chosen.state_type,
                since=chosen.since,
                before=page.next,
            )

        assert found == seconds(store.list_flow_runs(chosen))

    @pytest.fixture
    def tagged(self, store: RunStore, made: Made) -> Made:
        """The same, of which every other run has tags."""
        sets = (("nightly",), ("eu", "nightly"), ("eu",), ('a "b"', "größe"), ("night",))
        for number, run in made.items():
            run.tags = () if number % 2 else sets[number // 2 % 5]
            store.record(run)
        return made

    @pytest.mark.parametrize(
        ("filter", "expected"),
        [
            (RunFilter(tags=("nightly",)), [10, 2, 0]),
            (RunFilter(tags=("eu",)), [4, 2]),
            (RunFilter(tags=("nightly", "eu")), [2]),
            (RunFilter(tags=("night",)), [8]),
            (RunFilter(tags=('a "b"',)), [6]),
            (RunFilter(tags=("größe", 'a "b"')), [6]),
            (RunFilter(tags=("b",)), []),
            (RunFilter(tags=("",)), []),
            (RunFilter(tags=("nightly",), since=AT + 1), [10, 2]),
            (RunFilter(tags=("nightly",), flow_name="clean"), [10]),
            (RunFilter(tags=("nightly",), state_type=StateType.COMPLETED), [0]),
            (RunFilter(tags=("nightly",), state_type=StateType.RUNNING), [10, 2]),
            (RunFilter(tags=("eu",), flow_name="report", state_type=StateType.RUNNING), [2]),
            (RunFilter(tags=("eu",), flow_name="nothing"), []),
        ],
    )
    def test_a_listing_has_the_runs_with_all_tags_that_are_asked_for(
        self, store: RunStore, tagged: Made, filter: RunFilter, expected: list[int]
    ) -> None:
        assert seconds(store.list_flow_runs(filter)) == expected
        first = store.list_flow_runs(filter, 1)
        assert seconds(first) == expected[:1]
        assert (first.next is None) == (len(expected) < 2)

    def test_a_run_without_a_state_is_in_no_listing_by_tags(self, store: RunStore) -> None:
        store.record(FlowRun(name="r", flow_name="r", tags=("eu",)))
        assert store.list_flow_runs(RunFilter(tags=("eu",))) == Page([], None)

    def test_a_run_is_listed_under_the_state_that_it_is_in_now(self, store: RunStore) -> None:
        run = flow_run_made(1)
        store.commit(run)
        run.enter(StateType.FAILED, "Failed", AT + 2)
        store.record(run)

        assert store.list_flow_runs(RunFilter(state_type=StateType.PENDING)).runs == []
        failed = store.list_flow_runs(RunFilter(state_type=StateType.FAILED))
        assert [found.id for found in failed.runs] == [run.id]

    @pytest.mark.parametrize("limit", [1, 3, 7, 200])
    def test_pages_of_task_runs_come_in_the_order_in_which_they_were_recorded(
        self, store: RunStore, limit: int
    ) -> None:
        flow_run, other = flow_run_made(1), flow_run_made(2)
        for run in (flow_run, other):
            store.record(run)
            for index in range(7):
                store.record(new_task_run(run, index))

        found: list[TaskRun] = []
        after: UUID | None = None
        while True:
            page = store.list_task_runs(flow_run.id, after=after, limit=limit)
            found += page.runs
            after = page.next
            if after is None:
                break

        assert [run.call_index for run in found] == list(range(7))
        assert {run.flow_run_id for run in found} == {flow_run.id}

    def test_what_was_never_recorded_is_not_listed(self, store: RunStore) -> None:
        assert store.list_flow_runs(RunFilter()) == Page([], None)
        assert store.list_task_runs(uuid4()) == Page([], None)
        assert store.runs_between(UUID(int=0), UUID(int=2**128 - 1)) == []
        assert store.search_results("{", until=AT + 60) == []

    def test_runs_are_found_by_a_range_of_ids_flow_runs_first(
        self, store: RunStore, made: Made
    ) -> None:
        run = new_task_run(made[11])
        store.record(run)
        first, last = made[3].id, made[5].id

        assert [r.id for r in store.runs_between(first, last)] == [made[n].id for n in (3, 4, 5)]
        assert [r.id for r in store.runs_between(first, last, limit=2)] == [first, made[4].id]
        assert [r.id for r in store.runs_between(run.id, run.id)] == [run.id]
        everything = store.runs_between(UUID(int=0), UUID(int=2**128 - 1), limit=100)
        assert [r.kind for r in everything] == ["flow run"] * 12 + ["task run"]

    def test_runs_are_found_by_a_text_in_their_result_the_newest_first(
        self, store: RunStore, made: Made
    ) -> None:
        runs: list[Run] = [made[2], made[4], made[6], new_task_run(made[11])]
        for run in runs:
            run.result = '{"key":"größe/1"}'
            store.record(run)
        now = AT + 10_000_000_000

        found = store.search_results('"key":"größe/1"', until=now)
        assert [run.id for run in found] == [run.id for run in reversed(runs)]
        assert [run.id for run in store.search_results("größe", until=AT + 4)] == [
            made[4].id,
            made[2].id,
        ]
        assert [run.id for run in store.search_results("größe", until=now, limit=1)] == [runs[3].id]
        assert store.search_results("größe/2", until=now) == []

    def test_a_sound_store_says_so(self, store: RunStore, made: Made) -> None:
        health = store.health()

        assert health.problem is None
        assert health.version == health.supported
