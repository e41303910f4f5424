"""What every run store must do with cached results and storages, as tests."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from upshot.records import Block, CacheEntry
from upshot.runstore import RunStore
from upshot.testing._runs import AT, new_task_run


class CacheAndBlockContract:
    """A part of `RunStoreContract`."""

    def test_a_committed_cache_entry_is_found_under_its_key(self, store: RunStore) -> None:
        run = new_task_run(None)
        entry = CacheEntry(
            key="k", document='{"a": 1}', created=AT, expires=AT + 60, task_run=run.uid
        )
        store.commit(run, entry)

        assert store.cached("k") == entry
        assert store.cached("K") is None

    @pytest.mark.parametrize("key", ["\udc80", "\\udc80", "a\0b", "", "x" * 10_000])
    def test_keys_of_any_text_are_kept_apart(self, store: RunStore, key: str) -> None:
        others = ["\udc80", "\\udc80", "a\0b", "", "x" * 10_000]
        for other in others:
            store.commit(
                new_task_run(None), CacheEntry(key=other, document=repr(other), created=AT)
            )

        found = store.cached(key)
        assert found is not None
        assert (found.key, found.document) == (key, repr(key))

    def test_the_newest_entry_of_a_key_replaces_the_one_before_it(self, store: RunStore) -> None:
        first, second = (
            CacheEntry(key="k", document=text, created=AT + at, task_run=new_task_run(None).uid)
            for at, text in enumerate(("1", "2"))
        )
        store.commit(new_task_run(None), first)
        store.commit(new_task_run(None), second)

        assert store.cached("k") == second

    def test_an_entry_is_struck_out_unless_its_key_has_a_newer_one(self, store: RunStore) -> None:
        first, second = (
            CacheEntry(key="k", document=text, created=AT + at)
            for at, text in enumerate(("1", "2"))
        )
        store.commit(new_task_run(None), first)
        store.commit(new_task_run(None), second)
        store.strike(first)
        assert store.cached("k") == second

        store.strike(second)
        store.strike(second)
        assert store.cached("k") is None

    def test_blocks_are_kept_as_they_first_came_and_in_that_order(self, store: RunStore) -> None:
        ids = [UUID(int=n) for n in (9, 4, 7)]
        for id in ids:
            store.save_block(Block(id=id, type="memory", fields='{"a": "ü"}', name=str(id)))
        store.save_block(Block(id=ids[0], type="other", fields="{}"))

        assert [block.id for block in store.blocks()] == ids
        assert store.block(ids[0]) == Block(
            id=ids[0], type="memory", fields='{"a": "ü"}', name=str(ids[0])
        )

    def test_two_storages_of_a_type_cannot_have_one_name_but_many_can_have_none(
        self, store: RunStore
    ) -> None:
        store.save_block(Block(id=uuid4(), type="memory", fields="{}", name="mine"))
        with pytest.raises(ValueError, match="mine"):
            store.save_block(Block(id=uuid4(), type="memory", fields="{}", name="mine"))
        store.save_block(Block(id=uuid4(), type="other", fields="{}", name="mine"))
        store.save_block(Block(id=uuid4(), type="memory", fields="{}"))
        store.save_block(Block(id=uuid4(), type="memory", fields="{}"))

        assert len(store.blocks()) == 4

    def test_a_block_is_changed_if_it_is_still_as_it_was(self, store: RunStore) -> None:
        block = Block(id=uuid4(), type="memory", fields="{}", name="mine", secrets="a:b")
        changed = replace(block, fields='{"a": 1}', secrets=None)
        assert not store.change_block(block, changed)
        store.save_block(block)

        assert store.change_block(block, changed)
        assert store.block(block.id) == changed
        assert not store.change_block(block, block)
        assert store.blocks() == [changed]

    def test_a_block_is_not_given_the_name_of_another(self, store: RunStore) -> None:
        block = Block(id=uuid4(), type="memory", fields="{}", name="mine")
        other = replace(block, id=uuid4(), name="other")
        store.save_block(block)
        store.save_block(other)
        with pytest.raises(ValueError, match="mine"):
            store.change_block(other, replace(other, name="mine"))
        assert store.blocks() == [block, other]

    def test_a_block_is_dropped_if_it_is_still_as_it_was(self, store: RunStore) -> None:
        block = Block(id=uuid4(), type="memory", fields="{}", secrets="a:b")
        store.save_block(block)
        assert not store.drop_block(replace(block, secrets=None))

        assert store.drop_block(block)
        assert not store.drop_block(block)
        assert store.blocks() == []
