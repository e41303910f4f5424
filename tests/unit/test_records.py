"""Records: runs, cache entries, blocks and moments."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upshot import _ids
from upshot.records import (
    FINAL,
    Block,
    CacheEntry,
    FlowRun,
    StateType,
    TaskRun,
    moment,
    new_id,
)


def test_an_id_is_a_uuid_of_version_7() -> None:
    for _ in range(100):
        made = UUID(bytes=new_id())
        assert (made.version, made.variant) == (7, "specified in RFC 4122")


def test_ids_sort_by_the_time_they_were_made(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([1, 2, 10**3, 10**9, 10**12])
    monkeypatch.setattr(_ids.time, "time_ns", lambda: next(times) * 1_000_000)
    made = [new_id() for _ in range(5)]
    assert made == sorted(made)
    assert int.from_bytes(made[-1][:6], "big") == 10**12


def test_ids_made_together_differ() -> None:
    assert len({new_id() for _ in range(1_000)}) == 1_000


def test_a_name_is_a_uuid_of_version_4_in_hexadecimal() -> None:
    names = [_ids.new_name() for _ in range(1_000)]
    assert len(set(names)) == 1_000
    for name in names:
        made = UUID(name)
        assert (made.version, made.variant, made.hex) == (4, "specified in RFC 4122", name)


def test_a_forked_child_makes_ids_and_names_of_its_own() -> None:
    new_id(), _ids.new_name()
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        os.write(writing, new_id()[6:] + bytes.fromhex(_ids.new_name()))
        os._exit(0)
    os.waitpid(pid, 0)
    of_child = os.read(reading, 26)
    os.close(reading)
    os.close(writing)
    assert of_child[:10] not in {new_id()[6:] for _ in range(300)}
    assert of_child[10:].hex() not in {_ids.new_name() for _ in range(300)}


def test_a_run_goes_from_state_to_state() -> None:
    run = FlowRun(name="r", flow_name="f")
    assert (run.state_type, run.state_name, run.message, run.run_count) == (None, None, None, 0)
    run.enter(StateType.PENDING, "Pending", 1.0)
    assert (run.began, run.ended) == (None, None)
    run.enter(StateType.RUNNING, "Running", 2.0)
    run.enter(StateType.SCHEDULED, "AwaitingRetry", 3.0, "why")
    assert (run.state_type, run.message) == (StateType.SCHEDULED, "why")
    run.enter(StateType.RUNNING, "Retrying", 4.0)
    run.enter(StateType.COMPLETED, "Completed", 5.0)
    assert (run.run_count, run.began, run.ended) == (2, 2.0, 5.0)
    assert [step.timestamp for step in run.history] == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert run.state_name == "Completed"


@pytest.mark.parametrize("type", StateType)
def test_a_run_has_ended_in_a_final_state_alone(type: StateType) -> None:
    run = TaskRun(name="r", task_name="t", task_key="k")
    run.enter(type, "x", 7.0)
    assert (run.ended == 7.0) is (type in FINAL)


def test_runs_are_equal_only_to_themselves() -> None:
    uid = new_id()
    first, second = (FlowRun(name="r", flow_name="f", uid=uid) for _ in range(2))
    assert first != second
    assert len({first, second}) == 2
    assert first.id == second.id == UUID(bytes=uid)


def test_runs_share_no_history() -> None:
    first, second = (FlowRun(name="r", flow_name="f") for _ in range(2))
    first.enter(StateType.PENDING, "Pending", 1.0)
    assert second.history == []


def test_a_run_knows_whose_child_it_is() -> None:
    parent = FlowRun(name="p", flow_name="f")
    task = TaskRun(name="t", task_name="t", task_key="k", flow_run=parent, call_index=3)
    child = FlowRun(name="c", flow_name="g", parent=task)
    assert (task.flow_run_id, task.dynamic_key) == (parent.id, "3")
    assert (child.parent_task_run_id, parent.parent_task_run_id) == (task.id, None)
    assert TaskRun(name="t", task_name="t", task_key="k").flow_run_id is None


@pytest.mark.parametrize(
    ("expires", "now", "fresh"),
    [(None, 1e300, True), (5.0, 4.9, True), (5.0, 5.0, False), (-1.0, 0.0, False)],
)
def test_a_cache_entry_is_fresh_until_it_expires(
    expires: float | None, now: float, fresh: bool
) -> None:
    entry = CacheEntry(key="k", document="{}", created=0.0, expires=expires)
    assert entry.is_fresh(now) is fresh


def test_a_block_without_a_name_is_anonymous() -> None:
    block = Block(id=UUID(int=1), type="memory", fields="{}")
    assert block.is_anonymous
    assert not Block(id=UUID(int=1), type="memory", fields="{}", name="mine").is_anonymous


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_moment_is_an_aware_datetime_in_utc(at: datetime) -> None:
    assert abs(moment(at.timestamp()) - at) < timedelta(milliseconds=1)


@given(st.floats(allow_nan=False))
def test_there_is_a_moment_for_every_timestamp(timestamp: float) -> None:
    assert moment(timestamp).tzinfo is UTC


@pytest.mark.parametrize(("timestamp", "year"), [(1e15, 9999), (-1e15, 1), (float("inf"), 9999)])
def test_a_timestamp_beyond_all_years_is_in_the_last_or_first(timestamp: float, year: int) -> None:
    assert moment(timestamp).year == year
