"""The client of the run store: reading what ran, and recording runs that nothing has called."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from upshot import flow, get_run_context, task
from upshot.client import SyncUpshotClient, UpshotClient, get_client
from upshot.client.schemas import (
    FlowRun,
    FlowRunFilter,
    OrchestrationResult,
    SetStateStatus,
    TaskRun,
    TaskRunResult,
)
from upshot.exceptions import MissingResult, ObjectNotFound
from upshot.filesystems import LocalFileSystem
from upshot.settings import temporary_settings
from upshot.states import Cancelled, Completed, Failed, Paused, Pending, Running, Scheduled, State

pytestmark = pytest.mark.usefixtures("run_store")


class OddError(Exception):
    pass


@task(tags=["own"], version="3")
def double(x: int) -> int:
    return 2 * x


@task
def plus(a: int, b: int) -> int:
    return a + b


@flow(version="7")
def report(n: int = 3) -> int:
    return plus(double(n), b=1)


@flow
def outer() -> int:
    return report(1)


def flow_run_id(state: State[Any]) -> UUID:
    id = state.state_details.flow_run_id
    assert id is not None
    return id


def ran(of: Any = report, *args: Any) -> UUID:
    return flow_run_id(of(*args, return_state=True))


@pytest.fixture(params=["sqlite", "memory"])
def run_store(upshot_home: object, request: pytest.FixtureRequest) -> Iterator[None]:
    with temporary_settings({"UPSHOT_RUN_STORE": request.param}):
        yield


@pytest.fixture
def client(run_store: None) -> SyncUpshotClient:
    return get_client(sync_client=True)


def awaited(work: Callable[[UpshotClient], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        async with get_client() as client:
            return await work(client)

    return asyncio.run(main())


# --- the two clients


def test_the_client_is_an_async_context_manager_whose_methods_are_awaited() -> None:
    id = ran()

    async def look(client: UpshotClient) -> None:
        assert (await client.read_flow_run(id)).id == id
        (run,) = await client.read_flow_runs()
        assert run.id == id
        runs = await client.read_task_runs()
        assert {run.flow_run_id for run in runs} == {id}
        assert (await client.read_task_run(runs[0].id)) == runs[0]
        assert [state.name for state in await client.read_flow_run_states(id)] == [
            "Pending",
            "Running",
            "Completed",
        ]
        assert (await client.read_task_run_states(runs[0].id))[-1] == runs[0].state
        made = await client.create_flow_run(report, parameters={"n": 4}, name="by hand")
        called = await client.create_task_run(double, made.id, "0")
        answer = await client.set_flow_run_state(made.id, Running())
        assert answer.state is not None
        assert answer.state.is_running()
        assert (await client.read_task_run(called.id)).flow_run_id == made.id

    awaited(look)


def test_a_sync_client_gives_values_also_to_async_callers() -> None:
    id = ran()

    with get_client(sync_client=True) as client:
        assert client.read_flow_run(id).id == id

    async def main() -> UUID:
        with get_client(sync_client=True) as client:
            return client.read_flow_run(id).id

    assert asyncio.run(main()) == id


def test_both_clients_have_the_same_methods() -> None:
    public = {name for name in dir(SyncUpshotClient) if not name.startswith("_")}

    assert public == {name for name in dir(UpshotClient) if not name.startswith("_")}
    for name in public:
        method = getattr(UpshotClient, name)
        assert inspect.iscoroutinefunction(method)
        assert inspect.signature(method) == inspect.signature(getattr(SyncUpshotClient, name))


def test_an_async_flow_reads_itself() -> None:
    @flow
    async def looks() -> tuple[str | None, int]:
        async with get_client() as client:
            context = get_run_context()
            run = await client.read_flow_run(context.flow_run.id)  # type: ignore[union-attr]
            return run.state_name, run.run_count

    assert asyncio.run(looks()) == ("Running", 1)


def test_an_identity_may_be_given_as_text(client: SyncUpshotClient) -> None:
    id = ran()
    assert client.read_flow_run(str(id)).id == id


@pytest.mark.parametrize("id", ["report", "", 3, None])
def test_what_is_no_identity_is_refused(client: SyncUpshotClient, id: Any) -> None:
    with pytest.raises(ValueError, match=f"identities are UUIDs; got {id!r}"):
        client.read_flow_run(id)


@pytest.mark.parametrize(
    ("method", "arguments", "kind"),
    [
        ("read_flow_run", (), "flow run"),
        ("read_task_run", (), "task run"),
        ("read_flow_run_states", (), "flow run"),
        ("read_task_run_states", (), "task run"),
        ("set_flow_run_state", (Pending(),), "flow run"),
        ("set_task_run_state", (Pending(),), "task run"),
        ("read_block_document", (), "block document"),
        ("read_flow", (), "flow"),
    ],
)
def test_what_is_not_there_is_not_found(
    client: SyncUpshotClient, method: str, arguments: tuple[Any, ...], kind: str
) -> None:
    id = uuid4()
    with pytest.raises(ObjectNotFound, match=f"knows no {kind} {id}") as raised:
        getattr(client, method)(id, *arguments)
    assert (raised.value.kind, raised.value.id) == (kind, id)


# --- the records


def test_a_flow_run_says_what_ran(client: SyncUpshotClient) -> None:
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    state = report(5, return_state=True)
    run = client.read_flow_run(flow_run_id(state))

    assert isinstance(run, FlowRun)
    assert run.name.startswith("report-")
    assert (run.flow_name, run.flow_version, run.parameters) == ("report", "7", {"n": 5})
    assert (run.tags, run.run_count, run.parent_task_run_id) == ([], 1, None)
    assert (run.state_name, run.state_type) == ("Completed", state.type)
    assert run.state is not None
    assert (run.state.id, run.state_id) == (state.id, state.id)
    assert run.expected_start_time is not None
    assert run.start_time is not None
    assert run.end_time is not None
    assert before <= run.expected_start_time < run.end_time <= datetime.now(UTC)
    assert run.total_run_time == run.end_time - run.start_time


def test_the_identity_of_a_flow_is_that_of_its_name(client: SyncUpshotClient) -> None:
    first, second = (client.read_flow_run(ran()) for _ in range(2))
    other = client.read_flow_run(ran(flow(name="other")(report.fn)))

    assert first.flow_id == second.flow_id != other.flow_id
    assert client.read_flow(first.flow_id).name == "report"
    assert client.read_flow_by_name("other").id == other.flow_id
    assert [flow.name for flow in client.read_flows()] == ["other", "report"]
    with pytest.raises(ObjectNotFound):
        client.read_flow_by_name("none")


def test_a_task_run_says_what_ran(client: SyncUpshotClient) -> None:
    id = ran()
    called = {run.task_name: run for run in client.read_task_runs()}
    run = called["double"]

    assert isinstance(run, TaskRun)
    assert (run.name, run.flow_run_id) == ("double-0", id)
    assert (run.task_version, run.dynamic_key, run.tags) == ("3", "0", ["own"])
    assert run.task_key.startswith("double-")
    assert (run.run_count, run.state_name, run.state_type) == (1, "Completed", "COMPLETED")
    assert run.state is not None
    assert run.state.is_completed()
    assert run.state.state_details.task_run_id == run.id
    assert run.state.state_details.flow_run_id == id


def test_a_task_run_says_whose_results_it_took(client: SyncUpshotClient) -> None:
    @task
    def text() -> str:
        return "a long text"

    @task
    def length(of: str, more: int) -> int:
        return len(of) + more

    @flow
    def measure() -> int:
        return length(text(), more=1)

    ran(measure)
    runs = {run.task_name: run for run in client.read_task_runs()}

    assert runs["length"].task_inputs == {"of": [TaskRunResult(id=runs["text"].id)], "more": []}


def test_a_subflow_is_read_with_the_task_run_that_stands_for_it(client: SyncUpshotClient) -> None:
    id = ran(outer)
    inner = next(run for run in client.read_flow_runs() if run.flow_name == "report")
    (standing,) = client.read_task_runs(flow_run_filter=FlowRunFilter(id={"any_": [id]}))  # type: ignore[arg-type]

    assert inner.parent_task_run_id == standing.id
    assert standing.state is not None
    assert standing.state.state_details.child_flow_run_id == inner.id


def test_a_run_is_read_as_its_context_has_it(client: SyncUpshotClient) -> None:
    seen: list[Any] = []

    @task
    def look(x: int) -> None:
        context = get_run_context()
        run = context.task_run  # type: ignore[union-attr]
        seen.append((TaskRun.of(run), client.read_task_run(run.id)))

    @flow
    def looks() -> None:
        context = get_run_context()
        run = context.flow_run  # type: ignore[union-attr]
        seen.append((FlowRun.of(run), client.read_flow_run(run.id)))
        look(1)

    looks()
    for held, read in seen:
        assert held == read
        assert read.state_name == "Running"


def test_what_contexts_and_hooks_hold_has_the_attributes_of_what_is_read(
    client: SyncUpshotClient,
) -> None:
    held: list[Any] = []

    def of_task(task: Any, task_run: Any, state: State[Any]) -> None:
        held.append(task_run)

    def of_flow(flow: Any, flow_run: Any, state: State[Any]) -> None:
        held.append(flow_run)

    @task(on_completion=[of_task])
    def step() -> None: ...

    @flow(on_completion=[of_flow])
    def steps() -> None:
        step()

    steps()
    for run, read in ((held[0], client.read_task_runs()[0]), (held[1], client.read_flow_runs()[0])):
        for name in type(read).model_fields:
            value = getattr(run, name)
            assert (list(value) if name == "tags" else value) == getattr(read, name), name


def test_runs_have_the_idioms_of_models(client: SyncUpshotClient) -> None:
    run = client.read_flow_run(ran())

    assert FlowRun.parse_obj(run.dict()) == run
    assert FlowRun.parse_raw(run.json()) == run
    assert run.copy(update={"name": "other"}).name == "other"
    assert run.copy(update={"name": "other"}) != run
    assert "name" not in run.dict(exclude={"name"})
    made = TaskRun.construct(name="made", tags=["a"])
    assert (made.name, made.tags, made.run_count) == ("made", ["a"], 0)
    with pytest.raises(ValueError, match="Extra inputs"):
        FlowRun(flow_id=run.flow_id, flow_nmae="misspelt")  # type: ignore[call-arg]


# --- states and their results


def test_the_states_of_a_run_are_read_in_the_order_in_which_it_was_in_them(
    client: SyncUpshotClient,
) -> None:
    @flow(retries=1)
    def fails_once() -> str:
        if get_run_context().flow_run.run_count == 1:  # type: ignore[union-attr]
            raise OddError("once")
        return "done"

    state = fails_once(return_state=True)
    id = flow_run_id(state)
    states = client.read_flow_run_states(id)

    names = ["Pending", "Running", "AwaitingRetry", "Retrying", "Completed"]
    assert [each.name for each in states] == names
    assert [each.type for each in states][2:] == ["SCHEDULED", "RUNNING", "COMPLETED"]
    assert states[2].message is not None
    assert "once" in states[2].message
    assert states[2].state_details.scheduled_time == states[2].timestamp
    assert sorted(states, key=lambda each: each.timestamp) == states
    assert len({each.id for each in states}) == 5
    assert states[-1].id == state.id
    assert {each.state_details.flow_run_id for each in states} == {id}
    assert client.read_flow_run_states(id) == states
    assert client.read_flow_run(id).run_count == 2


def test_a_state_read_from_the_client_has_what_was_persisted(client: SyncUpshotClient) -> None:
    kept, literal = flow(persist_result=True)(lambda: [1]), flow(persist_result=True)(lambda: True)
    for of, value in ((kept, [1]), (literal, True)):
        id = ran(of.with_options(name="kept"))
        run = client.read_flow_run(id)
        assert run.state is not None
        assert run.state.result() == value
        assert client.read_flow_run_states(id)[-1].result() == value

        async def look(client: UpshotClient, id: UUID = id) -> Any:
            run = await client.read_flow_run(id)
            assert run.state is not None
            return await run.state.result(fetch=True)

        assert awaited(look) == value


@pytest.mark.parametrize("value", ["text", None])
def test_a_state_read_from_the_client_has_nothing_that_was_not_persisted(
    client: SyncUpshotClient, value: str | None
) -> None:
    @flow
    def gives() -> str | None:
        return value

    run = client.read_flow_run(ran(gives))

    assert run.state is not None
    with pytest.raises(MissingResult):
        run.state.result()


def test_the_exceptions_of_failed_runs_are_read_with_their_type_and_message(
    client: SyncUpshotClient,
) -> None:
    @task
    def breaks() -> None:
        raise OddError("broken")

    @flow
    def breaking() -> None:
        breaks()

    run = client.read_flow_run(ran(breaking))
    (called,) = client.read_task_runs()

    for state in (run.state, called.state):
        assert state is not None
        assert state.is_failed()
        with pytest.raises(OddError, match=r"^broken$"):
            state.result()
        assert isinstance(state.result(raise_on_failure=False), OddError)


# --- runs that nothing has called


def test_a_flow_run_is_made_of_what_it_is_given(client: SyncUpshotClient) -> None:
    run = client.create_flow_run(report, parameters={"n": 9}, name="mine", tags=["b", "a"])

    assert (run.name, run.parameters, run.tags) == ("mine", {"n": 9}, ["a", "b"])
    assert (run.flow_name, run.flow_version, run.run_count) == ("report", "7", 0)
    assert run.state is not None
    assert run.state.is_pending()
    assert client.read_flow_run(run.id) == run
    assert client.create_flow_run(report).name.startswith("report-")


def test_a_flow_run_is_made_in_a_state(client: SyncUpshotClient) -> None:
    run = client.create_flow_run(report, state=Running(message="by hand"))

    assert run.state is not None
    assert (run.state.name, run.state.message) == ("Running", "by hand")
    assert [state.name for state in client.read_flow_run_states(run.id)] == ["Running"]
    assert run.run_count == 1


def test_a_flow_run_is_made_below_a_task_run(client: SyncUpshotClient) -> None:
    around = client.create_flow_run(outer)
    standing = client.create_task_run(double, around.id, dynamic_key="")
    run = client.create_flow_run(report, parent_task_run_id=standing.id)

    assert run.parent_task_run_id == standing.id
    assert client.read_flow_run(run.id).parent_task_run_id == standing.id
    found = client.read_task_run(standing.id)
    assert found.state is not None
    assert found.state.state_details.child_flow_run_id == run.id
    with pytest.raises(ObjectNotFound):
        client.create_flow_run(report, parent_task_run_id=uuid4())


def test_a_task_run_is_made_of_what_it_is_given(client: SyncUpshotClient) -> None:
    around = client.create_flow_run(report)
    run = client.create_task_run(double, around.id, dynamic_key="some-key", extra_tags=["more"])

    assert (run.flow_run_id, run.dynamic_key) == (around.id, "some-key")
    assert (run.name, run.tags, run.task_version) == ("double-some-key", ["more", "own"], "3")
    assert run.state_name == "Pending"
    assert client.read_task_run(run.id) == run
    after = client.create_task_run(
        double, None, dynamic_key="1", task_inputs={"x": [TaskRunResult(id=run.id)]}
    )
    assert client.read_task_run(after.id).task_inputs == {"x": [TaskRunResult(id=run.id)]}
    assert after.flow_run_id is None
    with pytest.raises(ObjectNotFound):
        client.create_task_run(double, uuid4(), dynamic_key="0")


def test_setting_a_state_gives_where_the_run_stands_then(client: SyncUpshotClient) -> None:
    run = client.create_flow_run(report)
    answer = client.set_flow_run_state(run.id, Completed(message="Test!"))

    assert isinstance(answer, OrchestrationResult)
    assert answer.status == SetStateStatus.ACCEPT
    assert answer.state is not None
    assert answer.state.message == "Test!"
    assert [s.type for s in client.read_flow_run_states(run.id)] == ["PENDING", "COMPLETED"]
    assert client.read_flow_run(run.id).end_time is not None


def test_a_run_that_has_ended_leaves_its_state_only_by_force(client: SyncUpshotClient) -> None:
    id = ran(flow(name="kept", persist_result=True)(lambda: [1]))

    refused = client.set_flow_run_state(id, Cancelled())
    assert refused.status == SetStateStatus.REJECT
    assert refused.reason is not None
    assert refused.state is not None
    assert refused.state.is_completed()
    assert len(client.read_flow_run_states(id)) == 3

    accepted = client.set_flow_run_state(id, Running(), force=True)
    assert accepted.status == SetStateStatus.ACCEPT
    run = client.read_flow_run(id)
    assert (run.state_name, run.run_count, run.end_time) == ("Running", 2, None)
    assert run.state is not None
    assert run.state.data is None


def test_entering_a_running_state_adds_one_to_the_run_count(client: SyncUpshotClient) -> None:
    run = client.create_flow_run(report)
    counts = []
    for state in (Running(), Paused(), Running(name="Retrying"), Pending()):
        client.set_flow_run_state(run.id, state, force=True)
        counts.append(client.read_flow_run(run.id).run_count)

    assert counts == [1, 1, 2, 2]

    called = client.create_task_run(double, None, dynamic_key="0")
    client.set_task_run_state(called.id, Running())
    assert client.read_task_run(called.id).run_count == 1


def test_a_scheduled_state_sets_when_the_run_is_expected_to_start(client: SyncUpshotClient) -> None:
    at = datetime(2031, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)
    run = client.create_flow_run(report, state=Scheduled(scheduled_time=at))

    assert run.expected_start_time == at
    assert client.read_flow_run(run.id) == run
    assert run.state is not None
    assert run.state.state_details.scheduled_time == at

    later = at + timedelta(hours=1)
    client.set_flow_run_state(run.id, Scheduled(scheduled_time=later))
    assert client.read_flow_run(run.id).expected_start_time == later
    client.set_flow_run_state(run.id, Running())
    assert client.read_flow_run(run.id).expected_start_time == later


def test_the_exception_of_a_state_that_is_set_is_kept(client: SyncUpshotClient) -> None:
    run = client.create_flow_run(report)
    client.set_flow_run_state(run.id, Failed(data=OddError("by hand")))
    found = client.read_flow_run(run.id).state

    assert found is not None
    with pytest.raises(OddError, match="by hand"):
        found.result()


def test_a_storage_is_read_as_it_is_kept(client: SyncUpshotClient, tmp_path: Any) -> None:
    storage = LocalFileSystem(basepath=str(tmp_path))
    id = storage.save("mine")
    document = client.read_block_document(id)

    assert (document.id, document.name, document.is_anonymous) == (id, "mine", False)
    assert document.block_type_slug == "local-file-system"
    assert document.data["basepath"] == str(tmp_path)
    assert awaited(lambda client: client.read_block_document(id)) == document
