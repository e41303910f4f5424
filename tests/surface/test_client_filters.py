"""Listings of runs through the client: filtered, sorted, in parts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import ValidationError

from upshot import flow, tags, task
from upshot.client import SyncUpshotClient, get_client
from upshot.client.schemas import FlowFilter, FlowRunFilter, FlowRunSort, TaskRunFilter, TaskRunSort
from upshot.client.schemas.filters import (
    FlowRunFilterId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from upshot.settings import temporary_settings
from upshot.states import Completed, Failed, Running, Scheduled, StateType

pytestmark = pytest.mark.usefixtures("run_store")

AT = datetime(2030, 1, 1, tzinfo=UTC)


@task(tags=["own"])
def step(x: int) -> int:
    return x


@flow(version="1")
def daily() -> int:
    return step(1) + step(2)


@flow(version="2")
def weekly() -> int:
    return inner(3)


@flow
def inner(x: int) -> int:
    return step(x)


@pytest.fixture(params=["sqlite", "memory"])
def run_store(upshot_home: object, request: pytest.FixtureRequest) -> Iterator[None]:
    with temporary_settings({"UPSHOT_RUN_STORE": request.param}):
        yield


@pytest.fixture
def client(run_store: None) -> SyncUpshotClient:
    return get_client(sync_client=True)


@pytest.fixture
def made(client: SyncUpshotClient) -> dict[str, UUID]:
    """Flow runs by their names; the older ones first."""
    states = {
        "waits": Scheduled(scheduled_time=AT + timedelta(days=9)),
        "Runs": Running(timestamp=AT),
        "broke": Failed(name="Broken", timestamp=AT + timedelta(days=2)),
        "done": Completed(timestamp=AT + timedelta(days=1)),
    }
    flows = {"waits": daily, "Runs": weekly, "broke": daily, "done": daily}
    labels = {"waits": [], "Runs": ["a"], "broke": ["a", "b"], "done": ["b"]}
    return {
        name: client.create_flow_run(flows[name], name=name, tags=labels[name], state=state).id
        for name, state in states.items()
    }


def found(client: SyncUpshotClient, **filter: Any) -> list[str]:
    return [run.name for run in client.read_flow_runs(flow_run_filter=FlowRunFilter(**filter))]


@pytest.mark.parametrize(
    ("filter", "expected"),
    [
        ({}, "done broke Runs waits"),
        ({"name": {"any_": ["done", "waits"]}}, "done waits"),
        ({"name": {"like_": "R"}}, "broke Runs"),
        ({"state": {"type": {"any_": ["FAILED", StateType.RUNNING]}}}, "broke Runs"),
        ({"state": {"type": {"not_any_": ["FAILED"]}}}, "done Runs waits"),
        ({"state": {"name": {"any_": ["Broken"]}}}, "broke"),
        ({"tags": {"all_": ["a"]}}, "broke Runs"),
        ({"tags": {"all_": ["a", "b"]}}, "broke"),
        ({"tags": {"is_null_": True}}, "waits"),
        ({"flow_version": {"any_": ["2"]}}, "Runs"),
        ({"start_time": {"is_null_": False}}, "Runs"),
        ({"start_time": {"before_": AT}}, "Runs"),
        ({"start_time": {"after_": AT + timedelta(seconds=1)}}, ""),
        ({"expected_start_time": {"after_": AT}}, "waits"),
        ({"expected_start_time": {"before_": "2030-01-01"}}, "done broke Runs"),
        ({"parent_task_run_id": {"is_null_": False}}, ""),
        ({"name": {"like_": "o"}, "tags": {"all_": ["a"]}}, "broke"),
    ],
)
def test_flow_runs_are_listed_by_a_filter(
    client: SyncUpshotClient, made: dict[str, UUID], filter: Any, expected: str
) -> None:
    assert " ".join(found(client, **filter)) == expected


def test_filters_are_made_of_dicts_or_of_their_classes(
    client: SyncUpshotClient, made: dict[str, UUID]
) -> None:
    ids = [made["done"], made["Runs"]]
    kinds = FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.COMPLETED]))

    assert found(client, id={"any_": ids}) == ["done", "Runs"]
    assert found(client, id={"any_": [str(id) for id in ids]}) == ["done", "Runs"]
    assert found(client, id=FlowRunFilterId(any_=ids), state=kinds) == ["done"]
    assert found(client, id={"not_any_": ids}) == ["broke", "waits"]
    assert found(client, id={"any_": [uuid4()]}) == []
    assert found(client, id={"any_": []}) == []


def test_runs_are_listed_by_their_flow(client: SyncUpshotClient, made: dict[str, UUID]) -> None:
    def of(**filter: Any) -> list[str]:
        return [run.name for run in client.read_flow_runs(flow_filter=FlowFilter(**filter))]

    id = client.read_flow_by_name("weekly").id
    assert of(name={"any_": ["weekly"]}) == ["Runs"]
    assert of(name={"like_": "AIL"}) == ["done", "broke", "waits"]
    assert of(id={"any_": [id]}) == ["Runs"]
    assert of(id={"not_any_": [id]}, name={"any_": ["weekly"]}) == []
    assert [f.name for f in client.read_flows(flow_filter=FlowFilter(id={"any_": [id]}))] == [  # type: ignore[arg-type]
        "weekly"
    ]


def test_task_runs_are_listed_by_their_own_filter_and_by_that_of_their_flow_run(
    client: SyncUpshotClient,
) -> None:
    first = daily(return_state=True).state_details.flow_run_id
    with tags("night"):
        weekly()

    def listed(own: Any = None, around: Any = None, of: Any = None) -> list[str]:
        runs = client.read_task_runs(
            task_run_filter=None if own is None else TaskRunFilter(**own),
            flow_run_filter=None if around is None else FlowRunFilter(**around),
            flow_filter=None if of is None else FlowFilter(**of),
        )
        return [run.name for run in runs]

    assert listed() == ["step-0", "inner-0", "step-1", "step-0"]
    assert listed(own={}, around={}) == listed()
    assert listed(around={"id": {"any_": [first]}}) == ["step-1", "step-0"]
    assert listed(own={"flow_run_id": {"any_": [first]}}) == ["step-1", "step-0"]
    assert listed(own={"name": {"like_": "-0"}}, around={"id": {"any_": [first]}}) == ["step-0"]
    assert listed(of={"name": {"any_": ["weekly"]}}) == ["inner-0"]
    assert listed(own={"subflow_runs": {"exists_": True}}) == ["inner-0"]
    assert listed(own={"tags": {"all_": ["night", "own"]}}) == ["step-0"]
    assert listed(around={"tags": {"all_": ["night"]}}) == ["step-0", "inner-0"]
    assert listed(own={"state": {"type": {"any_": ["FAILED"]}}}) == []


def test_flow_runs_are_listed_by_the_task_runs_that_they_have(client: SyncUpshotClient) -> None:
    daily()
    weekly()
    runs = client.read_flow_runs(task_run_filter=TaskRunFilter(name={"any_": ["step-1"]}))  # type: ignore[arg-type]

    assert [run.flow_name for run in runs] == ["daily"]


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        (None, "done broke Runs waits"),
        (FlowRunSort.ID_DESC, "done broke Runs waits"),
        ("NAME_ASC", "Runs broke done waits"),
        (FlowRunSort.NAME_DESC, "waits done broke Runs"),
        (FlowRunSort.EXPECTED_START_TIME_DESC, "waits done broke Runs"),
        (FlowRunSort.EXPECTED_START_TIME_ASC, "Runs broke done waits"),
        (FlowRunSort.START_TIME_DESC, "Runs done broke waits"),
        (FlowRunSort.END_TIME_DESC, "broke done Runs waits"),
    ],
)
def test_flow_runs_are_listed_in_the_order_that_is_asked_for(
    client: SyncUpshotClient, made: dict[str, UUID], sort: Any, expected: str
) -> None:
    assert " ".join(run.name for run in client.read_flow_runs(sort=sort)) == expected


def test_task_runs_are_listed_in_the_order_that_is_asked_for(client: SyncUpshotClient) -> None:
    daily()

    def listed(sort: Any) -> list[str]:
        return [run.name for run in client.read_task_runs(sort=sort)]

    assert listed(None) == listed(TaskRunSort.ID_DESC) == ["step-1", "step-0"]
    assert listed(TaskRunSort.EXPECTED_START_TIME_ASC) == ["step-0", "step-1"]
    assert listed("NAME_DESC") == ["step-1", "step-0"]


def test_a_listing_has_200_runs_where_it_is_not_told(client: SyncUpshotClient) -> None:
    @flow
    def many() -> None:
        for number in range(203):
            step(number)

    many()

    assert len(client.read_task_runs()) == 200
    assert len(client.read_task_runs(offset=200)) == 3
    assert len(client.read_task_runs(limit=1000)) == 203
    assert client.read_task_runs(limit=0) == []


def test_parts_one_behind_the_other_are_the_whole_listing(
    client: SyncUpshotClient, made: dict[str, UUID]
) -> None:
    parts = [client.read_flow_runs(limit=3, offset=offset) for offset in (0, 3, 6)]

    assert [run.name for part in parts for run in part] == ["done", "broke", "Runs", "waits"]


@pytest.mark.parametrize(
    "filter",
    [
        {"deployment_id": {"any_": [uuid4()]}},
        {"name": {"starts_with_": "a"}},
        {"state": {"type": {"any_": ["SLEEPING"]}}},
        {"id": {"any_": ["no identity"]}},
    ],
)
def test_a_filter_that_is_not_known_is_refused(filter: Any) -> None:
    with pytest.raises(ValidationError):
        FlowRunFilter(**filter)


def test_a_filter_of_too_many_values_is_refused(client: SyncUpshotClient) -> None:
    def listed(number: int) -> int:
        names = [str(one) for one in range(number)]
        return len(client.read_flow_runs(flow_run_filter=FlowRunFilter(name={"any_": names})))  # type: ignore[arg-type]

    assert listed(15_000) == 0
    with pytest.raises(ValueError, match="at most 15,000 values; got 15,001"):
        listed(15_001)


def test_an_order_that_is_not_known_and_a_negative_number_are_refused(
    client: SyncUpshotClient,
) -> None:
    with pytest.raises(ValueError, match="SIDEWAYS"):
        client.read_flow_runs(sort="SIDEWAYS")
    with pytest.raises(ValueError, match="limit must not be negative"):
        client.read_flow_runs(limit=-1)
    with pytest.raises(ValueError, match="offset must not be negative"):
        client.read_task_runs(offset=-1)
