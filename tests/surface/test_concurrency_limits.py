"""Limits of tags: how many task runs with a tag run at a time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.unit.cli_runs import upshot
from upshot import flow, get_run_context, tags, task
from upshot.client import SyncUpshotClient, get_client
from upshot.client.schemas import ConcurrencyLimit
from upshot.context import TaskRunContext
from upshot.exceptions import CancelledRun, ObjectNotFound, WouldBlockLoop
from upshot.task_runners import ProcessPoolTaskRunner
from upshot.testing import isolated


@pytest.fixture(params=["sqlite", "memory"], autouse=True)
def own_home(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[None]:
    with isolated(tmp_path, run_store=request.param):
        yield


@pytest.fixture
def client() -> SyncUpshotClient:
    return get_client(sync_client=True)


class Room:
    """Counts how many are in it at a time."""

    def __init__(self) -> None:
        self.now = self.most = 0
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self.now -= 1


def active(client: SyncUpshotClient, tag: str) -> list[UUID]:
    return client.read_concurrency_limit_by_tag(tag).active_slots


def wait_until_waiting(client: SyncUpshotClient) -> None:
    """Return once a run waits for a slot."""
    while not any(
        run.state is not None and run.state.message and "waits for a slot" in run.state.message
        for run in client.read_task_runs()
    ):
        pass


# what clients do


def test_a_limit_is_made_read_changed_and_deleted(client: SyncUpshotClient) -> None:
    id = client.create_concurrency_limit(tag="database", concurrency_limit=2)
    assert isinstance(id, UUID)

    limit = client.read_concurrency_limit_by_tag("database")
    assert isinstance(limit, ConcurrencyLimit)
    assert (limit.id, limit.tag, limit.concurrency_limit) == (id, "database", 2)
    assert limit.active_slots == []

    assert client.create_concurrency_limit("database", 5) == id
    assert client.read_concurrency_limit_by_tag("database").concurrency_limit == 5

    client.delete_concurrency_limit_by_tag("database")
    with pytest.raises(ObjectNotFound, match="database"):
        client.read_concurrency_limit_by_tag("database")


def test_limits_are_listed_in_parts(client: SyncUpshotClient) -> None:
    for tag in ("c", "a", "b"):
        client.create_concurrency_limit(tag, 1)

    def listed(**part: int) -> list[str]:
        return [limit.tag for limit in client.read_concurrency_limits(**part)]

    assert listed() == ["a", "b", "c"]
    assert listed(limit=1, offset=1) == ["b"]
    assert listed(offset=3) == []


def test_what_no_limit_can_be_is_refused(client: SyncUpshotClient) -> None:
    refused: list[Any] = [("", 1), (3, 1), ("a", -1), ("a", 1.5), ("a", "2"), ("a", True)]
    for tag, limit in refused:
        with pytest.raises(ValueError, match="must be"):
            client.create_concurrency_limit(tag, limit)
    with pytest.raises(ObjectNotFound):
        client.reset_concurrency_limit_by_tag("a")
    with pytest.raises(ObjectNotFound):
        client.delete_concurrency_limit_by_tag("a")


async def _client_awaited() -> None:
    async with get_client() as client:
        await client.create_concurrency_limit(tag="a", concurrency_limit=1)
        assert (await client.read_concurrency_limit_by_tag("a")).concurrency_limit == 1
        assert len(await client.read_concurrency_limits(limit=10, offset=0)) == 1
        await client.reset_concurrency_limit_by_tag("a")
        await client.delete_concurrency_limit_by_tag("a")
        assert await client.read_concurrency_limits() == []


def test_the_async_client_has_the_same_methods() -> None:
    asyncio.run(_client_awaited())


# what runs do


def test_submitted_runs_keep_to_the_limit(client: SyncUpshotClient) -> None:
    client.create_concurrency_limit("database", 2)
    room, both = Room(), threading.Barrier(2)

    @task(tags=["database"])
    def query(n: int) -> int:
        with room:
            both.wait(20)  # two do run at a time
            return n

    @flow
    def report() -> int:
        return sum(future.result() for future in query.map(range(8)))

    assert report() == 28
    assert room.most == 2
    assert active(client, "database") == []


def test_awaited_runs_keep_to_the_limit(client: SyncUpshotClient) -> None:
    client.create_concurrency_limit("database", 1)
    room = Room()

    @task(tags=["database"])
    async def query(n: int) -> int:
        with room:
            await asyncio.sleep(0)
            return n

    @flow
    async def report() -> list[int]:
        submitted = [await query.submit(n) for n in range(4)]
        direct = await asyncio.gather(*(query(n) for n in range(4)))
        return direct + [await future.aresult() for future in submitted]

    assert asyncio.run(report()) == [0, 1, 2, 3] * 2
    assert room.most == 1


def test_runs_of_several_threads_keep_to_the_limit(client: SyncUpshotClient) -> None:
    client.create_concurrency_limit("database", 1)
    room = Room()

    @task(tags=["database"])
    def query(n: int) -> int:
        with room:
            return n

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(query, range(20))) == list(range(20))
    assert room.most == 1


def in_process(n: int) -> int:
    context = get_run_context()
    assert isinstance(context, TaskRunContext)
    limit = get_client(sync_client=True).read_concurrency_limit_by_tag("database")
    assert limit.active_slots == [context.task_run.id]
    return n


def test_runs_in_worker_processes_keep_to_the_limit(
    client: SyncUpshotClient, request: pytest.FixtureRequest
) -> None:
    if "memory" in request.node.name:
        return  # workers cannot look into the memory of another process
    client.create_concurrency_limit("database", 1)
    query = task(in_process, tags=["database"])  # type: ignore[call-overload]

    @flow(task_runner=ProcessPoolTaskRunner(max_workers=2))
    def report() -> int:
        return sum(future.result() for future in query.map(range(4)))

    assert report() == 6
    assert active(client, "database") == []


@pytest.mark.parametrize("whose", ["flow", "block"])
def test_tags_of_the_flow_and_of_the_block_around_count_too(
    client: SyncUpshotClient, whose: str
) -> None:
    client.create_concurrency_limit("nightly", 3)
    seen: list[list[UUID]] = []

    @task
    def look() -> None:
        seen.append(active(client, "nightly"))

    @flow
    def report() -> None:
        if whose == "flow":
            look()
        else:
            with tags("nightly"):
                look()

    if whose == "flow":
        with tags("nightly"):
            report()
    else:
        report()
    assert [len(runs) for runs in seen] == [1]


def test_a_run_with_several_tags_waits_for_all_of_them(client: SyncUpshotClient) -> None:
    client.create_concurrency_limit("a", 1)
    client.create_concurrency_limit("b", 1)
    rooms = {"a": Room(), "b": Room()}

    @task(tags=["a", "b"])
    def both() -> None:
        with rooms["a"], rooms["b"]:
            pass

    @task(tags=["a"])
    def one() -> None:
        with rooms["a"]:
            pass

    @task(tags=["b"])
    def other() -> None:
        with rooms["b"]:
            pass

    @flow
    def report() -> None:
        for _ in range(6):
            both.submit()
            one.submit()
            other.submit()

    report()
    assert (rooms["a"].most, rooms["b"].most) == (1, 1)


def test_a_run_that_waits_is_pending_and_goes_on_when_the_limit_is_raised(
    client: SyncUpshotClient,
) -> None:
    client.create_concurrency_limit("database", 1)
    begun, go_on = threading.Event(), threading.Event()

    @task(tags=["database"])
    def hold() -> None:
        begun.set()
        assert go_on.wait(20)

    @task(tags=["database"])
    def query() -> int:
        return 1

    @flow
    def report() -> list[str]:
        hold.submit()
        assert begun.wait(20)
        future = query.submit()
        wait_until_waiting(client)
        state = future.get_state()
        client.create_concurrency_limit("database", 2)
        assert future.result() == 1
        go_on.set()
        return [state.name, state.message]

    message = "The run waits for a slot of the tag 'database' (limit: 1)."
    assert report() == ["Pending", message]


@pytest.mark.parametrize("how", ["reset", "delete"])
def test_a_run_that_waits_goes_on_when_the_limit_is_reset_or_deleted(
    client: SyncUpshotClient, how: str
) -> None:
    client.create_concurrency_limit("database", 1)
    begun, go_on = threading.Event(), threading.Event()

    @task(tags=["database"])
    def hold() -> None:
        begun.set()
        assert go_on.wait(20)

    @task(tags=["database"])
    def query() -> int:
        return 1

    @flow
    def report() -> None:
        hold.submit()
        assert begun.wait(20)
        future = query.submit()
        wait_until_waiting(client)
        getattr(client, f"{how}_concurrency_limit_by_tag")("database")
        assert future.result() == 1
        go_on.set()

    report()


def test_a_limit_of_zero_cancels_the_run(client: SyncUpshotClient) -> None:
    client.create_concurrency_limit("database", 0)
    called: list[int] = []

    @task(tags=["database"], retries=2)
    def query() -> None:
        called.append(1)

    state = query(return_state=True)
    assert state.is_cancelled()
    assert state.message is not None
    assert "The concurrency limit of the tag 'database' is 0" in state.message
    with pytest.raises(CancelledRun):
        query()
    assert called == []


def test_a_failed_run_gives_its_slot_back(client: SyncUpshotClient) -> None:
    client.create_concurrency_limit("database", 1)

    @task(tags=["database"])
    def query() -> None:
        raise ValueError("no")

    for _ in range(2):
        assert query(return_state=True).is_failed()
    assert active(client, "database") == []


def test_an_interrupted_run_gives_its_slot_back(client: SyncUpshotClient) -> None:
    client.create_concurrency_limit("database", 1)

    @task(tags=["database"])
    def query() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        query()
    assert active(client, "database") == []


def test_a_run_that_is_cancelled_while_it_waits_takes_no_slot(client: SyncUpshotClient) -> None:
    client.create_concurrency_limit("database", 1)

    @task(tags=["database"])
    async def hold(begun: asyncio.Event, go_on: asyncio.Event) -> None:
        begun.set()
        await go_on.wait()

    async def main() -> None:
        begun, go_on = asyncio.Event(), asyncio.Event()
        holder = asyncio.ensure_future(hold(begun, go_on))
        await begun.wait()
        waiting = asyncio.ensure_future(hold(begun, go_on))
        await asyncio.to_thread(wait_until_waiting, client)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert len(active(client, "database")) == 1
        go_on.set()
        await holder

    asyncio.run(main())
    assert active(client, "database") == []


def test_a_cached_result_needs_no_slot(client: SyncUpshotClient) -> None:
    @task(tags=["database"], cache_key_fn=lambda *_: "key")
    def query() -> int:
        return 5

    assert query() == 5
    client.create_concurrency_limit("database", 0)
    assert query() == 5


# runs in runs


def nested_directly(inner: Callable[[], int]) -> int:
    return inner()


def nested_in_a_subflow(inner: Callable[[], int]) -> int:
    @flow
    def between() -> int:
        return inner()

    return between()


@pytest.mark.parametrize("how", [nested_directly, nested_in_a_subflow])
def test_runs_that_a_run_calls_run_under_its_slot(
    client: SyncUpshotClient, how: Callable[[Callable[[], int]], int]
) -> None:
    client.create_concurrency_limit("database", 1)
    seen: list[int] = []

    @task(tags=["database"])
    def inner() -> int:
        seen.append(len(active(client, "database")))
        return 7

    @task(tags=["database"])
    def outer() -> int:
        return how(inner)

    @flow
    def report() -> int:
        return outer.submit().result() + outer()

    assert report() == 14
    assert seen == [1, 1]


def test_a_wait_that_keeps_the_slot_from_being_given_back_is_refused(
    client: SyncUpshotClient,
) -> None:
    client.create_concurrency_limit("database", 1)

    @task(tags=["database"])
    async def hold(begun: asyncio.Event, go_on: asyncio.Event) -> None:
        begun.set()
        await go_on.wait()

    @task(tags=["database"])
    def query() -> int:
        return 1

    @flow
    async def report(submit: bool) -> str:
        begun, go_on = asyncio.Event(), asyncio.Event()
        holding: Any = (
            await hold.submit(begun, go_on) if submit else asyncio.ensure_future(hold(begun, go_on))
        )
        await begun.wait()
        with pytest.raises(WouldBlockLoop, match="a slot of the tag 'database'"):
            query()  # on the loop on which `hold` must go on
        go_on.set()
        await (holding.aresult() if submit else holding)
        return "refused"

    for submit in (True, False):
        assert asyncio.run(report(submit)) == "refused"


# the command line


def test_the_command_line_does_what_clients_do() -> None:
    def said(*arguments: str) -> Any:
        return upshot("concurrency-limit", *arguments, "--json").json()

    assert said("ls") == {"concurrency_limits": []}
    made = said("create", "database", "3")["concurrency_limit"]
    assert (made["tag"], made["concurrency_limit"], made["active_slots"]) == ("database", 3, [])
    assert said("inspect", "database") == said("reset", "database") == {"concurrency_limit": made}
    assert said("ls", "--limit", "1") == {"concurrency_limits": [made]}
    assert said("ls", "--offset", "1") == {"concurrency_limits": []}
    head, row = upshot("concurrency-limit", "ls").lines()
    assert head == ["TAG", "LIMIT", "RUNNING", "CREATED"]
    assert row[:3] == ["database", "3", "0"]
    assert "running  –" in upshot("concurrency-limit", "inspect", "database").out
    assert said("delete", "database") == {"deleted": "database"}


def test_the_command_line_tells_people_what_it_did() -> None:
    ran = upshot("concurrency-limit", "create", "database", "3")
    assert (ran.code, ran.err) == (0, "at most 3 at a time with the tag 'database'\n")
    assert upshot("concurrency-limit", "reset", "database").code == 0
    assert upshot("concurrency-limit", "delete", "database").code == 0
    assert upshot("concurrency-limit", "ls").err == "no limits\n"


@pytest.mark.parametrize("command", ["inspect", "delete", "reset"])
def test_the_command_line_says_that_a_tag_has_no_limit(command: str) -> None:
    ran = upshot("concurrency-limit", command, "database")
    assert ran.code == 1
    assert "no concurrency limit of the tag 'database'" in ran.err


def test_the_command_line_refuses_what_no_limit_can_be() -> None:
    assert upshot("concurrency-limit", "create", "", "1").code == 2
    assert upshot("concurrency-limit", "create", "a", "many").code == 2
    assert upshot("concurrency-limit", "create", "a", "--", "-1").code == 2
