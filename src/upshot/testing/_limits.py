"""What every run store must do with limits and their slots, as tests."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import pytest

from upshot.runstore import RunStore


class LimitContract:
    """A part of `RunStoreContract`."""

    def test_a_tag_keeps_its_limit_until_it_is_given_another(self, store: RunStore) -> None:
        made = store.put_limit("b", 3)
        store.put_limit("a", 0)
        changed = store.put_limit("b", 1)

        assert (made.tag, made.most, made.runs) == ("b", 3, ())
        assert (changed.id, changed.created, changed.most) == (made.id, made.created, 1)
        assert store.limit("b") == changed
        assert [limit.tag for limit in store.limits()] == ["a", "b"]
        assert store.limit("c") is None

    @pytest.mark.parametrize("tag", ["\udc80", "\\udc80", "a\0b", "ü", "x" * 10_000])
    def test_limits_of_any_tag_are_kept_apart(self, store: RunStore, tag: str) -> None:
        others = ["\udc80", "\\udc80", "a\0b", "ü", "x" * 10_000]
        for number, other in enumerate(others):
            store.put_limit(other, number + 1)

        limit = store.limit(tag)
        assert limit is not None
        assert (limit.tag, limit.most) == (tag, others.index(tag) + 1)
        assert sorted(each.tag for each in store.limits()) == sorted(others)

    def test_only_as_many_runs_as_the_limit_says_have_a_slot(self, store: RunStore) -> None:
        first, second, third = (uuid4() for _ in range(3))
        store.put_limit("a", 2)

        assert store.take_slots(first, ["a", "free"]).tags == ("a",)
        assert store.take_slots(second, ["a"]).full is None
        full = store.take_slots(third, ["a"]).full
        assert full is not None
        assert (full.tag, full.most, full.runs) == ("a", 2, (first, second))

        store.free_slots(first)
        assert store.take_slots(third, ["a"]).full is None
        assert self.runs(store, "a") == (second, third)

    def test_a_run_gets_slots_of_all_its_tags_or_none(self, store: RunStore) -> None:
        first, second = uuid4(), uuid4()
        store.put_limit("a", 1)
        store.put_limit("b", 1)
        store.take_slots(first, ["b"])

        taken = store.take_slots(second, ["a", "b"])

        assert taken.tags == ()
        assert taken.full is not None
        assert taken.full.tag == "b"
        assert self.runs(store, "a") == ()
        store.free_slots(first)
        assert store.take_slots(second, ["a", "b"]).tags == ("a", "b")
        store.free_slots(second)
        assert self.runs(store, "a") == self.runs(store, "b") == ()

    def test_a_run_has_one_slot_of_a_tag_however_often_it_takes_it(self, store: RunStore) -> None:
        run = uuid4()
        store.put_limit("a", 1)
        store.take_slots(run, ["a"])

        assert store.take_slots(run, ["a"]).tags == ("a",)
        assert self.runs(store, "a") == (run,)
        store.free_slots(run)
        store.free_slots(run)
        assert self.runs(store, "a") == ()

    def test_no_run_has_a_slot_of_a_limit_of_zero(self, store: RunStore) -> None:
        store.put_limit("a", 0)
        full = store.take_slots(uuid4(), ["a"]).full
        assert full is not None
        assert full.most == 0

    def test_tags_without_limits_need_no_slots(self, store: RunStore) -> None:
        store.put_limit("a", 1)
        taken = store.take_slots(uuid4(), ["b", "c"])
        assert (taken.tags, taken.full) == ((), None)

    def test_a_limit_that_is_reset_or_made_anew_has_no_slots_taken(self, store: RunStore) -> None:
        store.put_limit("a", 1)
        store.take_slots(uuid4(), ["a"])
        assert store.reset_limit("a")
        assert self.runs(store, "a") == ()

        store.take_slots(uuid4(), ["a"])
        assert store.remove_limit("a")
        assert store.limit("a") is None
        store.put_limit("a", 1)
        assert self.runs(store, "a") == ()
        assert not store.reset_limit("b")
        assert not store.remove_limit("b")

    def test_a_lower_limit_takes_no_slot_away(self, store: RunStore) -> None:
        runs = [uuid4() for _ in range(3)]
        store.put_limit("a", 3)
        for run in runs:
            store.take_slots(run, ["a"])
        store.put_limit("a", 1)

        assert self.runs(store, "a") == tuple(runs)
        assert store.take_slots(uuid4(), ["a"]).full is not None

    def test_threads_that_take_slots_at_once_never_get_too_many(self, store: RunStore) -> None:
        store.put_limit("a", 2)
        barrier = threading.Barrier(6)

        def take(_: int) -> bool:
            barrier.wait(20)
            return store.take_slots(uuid4(), ["a"]).full is None

        with ThreadPoolExecutor(6) as pool:
            assert sum(pool.map(take, range(6))) == 2

    def runs(self, store: RunStore, tag: str) -> tuple[UUID, ...]:
        """The runs that have a slot of a tag."""
        limit = store.limit(tag)
        assert limit is not None
        return limit.runs
