"""Waiting cannot deadlock: it ends, or it is refused with the way to say it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import anyio.lowlevel
import pytest
import trio

from tests.e2e.colours import add, in_thread
from upshot import flow, task
from upshot.exceptions import WouldBlockLoop
from upshot.futures import UpshotFuture
from upshot.task_runners import ConcurrentTaskRunner

pytestmark = pytest.mark.usefixtures("upshot_home")

one_worker = flow(task_runner=ConcurrentTaskRunner(max_workers=1))
PATIENCE = 20

RUNS = [
    pytest.param(asyncio.run, id="asyncio"),
    pytest.param(lambda coroutine: trio.run(lambda: coroutine), id="trio"),
]
any_loop = pytest.mark.parametrize("run", RUNS)


@task
def down(depth: int) -> int:
    return 0 if depth == 0 else 1 + int(down.submit(depth - 1).result())


@task
async def adown(depth: int) -> int:
    if depth == 0:
        return 0
    return 1 + int(await (await adown.submit(depth - 1)).aresult())


@task
def up_and_down(depth: int) -> int:
    """Sync submits async submits sync."""
    return 0 if depth == 0 else 1 + int(aup_and_down.submit(depth - 1).result())


@task
async def aup_and_down(depth: int) -> int:
    return 0 if depth == 0 else 1 + int(await up_and_down.submit(depth - 1).aresult())


@pytest.mark.parametrize("nested", [down, adown, up_and_down])
def test_nested_submits_end_on_one_worker(nested: Any) -> None:
    def body() -> int:
        return int(nested.submit(5).result())

    assert in_thread(one_worker(body)) == 5


@any_loop
@pytest.mark.parametrize("nested", [down, adown, up_and_down, aup_and_down])
def test_nested_submits_end_on_one_worker_in_an_async_flow(run: Any, nested: Any) -> None:
    async def body() -> int:
        future = nested.submit(5)
        if not isinstance(future, UpshotFuture):
            future = await future
        return int(await future.aresult())

    assert in_thread(lambda: run(one_worker(body)())) == 5


@any_loop
def test_a_sync_tasks_future_may_be_waited_for_in_an_async_flow(run: Any) -> None:
    async def body() -> Any:
        return add.submit(1).result()

    assert in_thread(lambda: run(one_worker(body)())) == 2


@task
async def waits_for(event: Any, begun: Any) -> int:
    begun.set()
    await event.wait()
    return 1


@task
def blocks_on(future: list[Callable[[], Any]]) -> Any:
    return future[0]()


async def start_one() -> tuple[Any, UpshotFuture[int]]:
    event, begun = anyio.Event(), anyio.Event()
    future = await waits_for.submit(event, begun)
    await begun.wait()
    return event, future


def refused(blocking: Callable[[UpshotFuture[int]], Any]) -> Callable[..., Any]:
    """A flow in which a wait for a run of its own loop is refused, and the run ends after it."""

    async def body() -> Any:
        event, future = await start_one()
        with pytest.raises(WouldBlockLoop, match=r"await future\.aresult\(\)"):
            blocking(future)
        event.set()
        return await future.aresult()

    return one_worker(body)


BLOCKING = {
    "in a sync task": lambda future: blocks_on([future.result]),
    "in a sync flow": lambda future: flow(lambda: future.result())(),
    "with a timeout": lambda future: blocks_on([lambda: future.wait(60)]),
    "by a sync task that depends on it": lambda future: add.submit(future).result(),
    "by the argument of a sync task": lambda future: add(future),
    "by what waits in a worker": lambda future: blocks_on.submit([future.result]).result(),
    "by what waits deeper in workers": lambda future: blocks_on.submit(
        [lambda: blocks_on.submit([future.result]).result()]
    ).result(),
    "by an async task on another loop": lambda future: blocks_on([lambda: aadd_one(future)]),
    "by one that a worker has called": lambda future: blocks_on.submit(
        [lambda: aadd_one(future)]
    ).result(),
    "by a map over it": lambda future: blocks_on([lambda: add.map(future)]),
}


@task
async def aadd_one(x: int) -> int:
    return x + 1


@any_loop
@pytest.mark.parametrize("blocking", BLOCKING)
def test_a_blocking_wait_for_a_run_of_the_same_loop_is_refused(run: Any, blocking: str) -> None:
    assert in_thread(lambda: run(refused(BLOCKING[blocking])())) == 1


@task
async def thread_of(x: Any = None) -> int:
    await asyncio.sleep(0)
    return threading.get_ident()


@task
def same(x: Any) -> Any:
    return x


@flow
def below(x: Any = None) -> Any:
    return x


ARGUMENTS = {
    "of a sync task": same,
    "of a sync flow": below,
    "in a list": lambda future: same([future])[0],
    "of what is waited for": lambda future: below(future, wait_for=[future]),
    "of a run that it waits for": lambda future: same(same.submit(future)),
    "returned by a sync flow": lambda future: flow(lambda: future)(),
    "of a run whose result is asked for": lambda future: same.submit(future).result(),
    "of a run whose state is asked for": lambda future: same(
        same.submit(future, return_state=True)
    ),
    "of one in a map over it": lambda future: same.map([future])[0].result(),
    "as the future itself": lambda future: same(blocks_on([future.result])),
    "in a blocking thread": lambda future: same(blocks_on.submit([lambda: same(future)])),
}


@pytest.mark.parametrize("argument", ARGUMENTS)
def test_an_async_task_that_has_not_begun_is_called_elsewhere_for_who_blocks_its_loop(
    argument: str,
) -> None:
    async def body() -> bool:
        found = ARGUMENTS[argument](await thread_of.submit())
        return found != threading.get_ident()

    assert in_thread(lambda: asyncio.run(one_worker(body)())) is True


def test_so_are_those_that_it_waits_for_and_its_retries() -> None:
    tries: list[int] = []

    @task(retries=2)
    async def fails(x: Any) -> list[int]:
        tries.append(threading.get_ident())
        await asyncio.sleep(0)
        if len(tries) < 3:
            raise ValueError
        return tries

    async def body() -> Any:
        found = below(await fails.submit(await thread_of.submit()))
        return threading.get_ident() in found, await (await thread_of.submit()).aresult()

    here = in_thread(lambda: asyncio.run(one_worker(body)()))
    assert here[0] is False
    assert len(tries) == 3
    assert here[1] not in tries  # what is submitted later runs on the flow's loop again


def test_many_that_have_not_begun_are_called_elsewhere() -> None:
    async def body() -> Any:
        futures = await thread_of.map(range(50))
        return set(same(futures)), await asyncio.gather(*(future.aresult() for future in futures))

    threads, again = in_thread(lambda: asyncio.run(one_worker(body)()))
    assert set(again) == threads


def test_one_that_waits_for_another_that_has_begun_is_refused_and_stays_on_its_loop() -> None:
    async def body() -> Any:
        event, future = await start_one()
        other = await thread_of.submit(future)
        with pytest.raises(WouldBlockLoop):
            below([await thread_of.submit(), other])
        event.set()
        return await other.aresult() == threading.get_ident()

    assert in_thread(lambda: asyncio.run(one_worker(body)())) is True


def test_a_failure_elsewhere_is_that_of_who_needs_it() -> None:
    @task
    async def fails() -> None:
        raise ValueError("no")

    async def body() -> Any:
        return below(await fails.submit(), return_state=True).name

    assert in_thread(lambda: asyncio.run(one_worker(body)())) == "NotReady"


def test_a_trio_task_is_not_called_elsewhere() -> None:
    async def body() -> Any:
        future = await aadd_one.submit(1)
        with pytest.raises(WouldBlockLoop):
            same(future)
        return await future.aresult()

    assert in_thread(lambda: trio.run(one_worker(body))) == 2


@any_loop
def test_what_has_ended_may_be_read_anywhere(run: Any) -> None:
    async def body() -> Any:
        event, future = await start_one()
        event.set()
        await future.aresult()
        return blocks_on([future.result]), add(future), add.submit(future).result()

    assert in_thread(lambda: run(one_worker(body)())) == (1, 2, 2)


@any_loop
def test_an_async_task_called_by_a_blocking_one_may_submit_more(run: Any) -> None:
    """The flow's loop is blocked, so what is submitted there runs on another."""

    @task
    async def submits() -> int:
        return await (await aadd_one.submit(1)).aresult()

    async def body() -> Any:
        return blocks_on([submits]), blocks_on.submit([submits]).result()

    assert in_thread(lambda: run(one_worker(body)())) == (2, 2)


def test_an_async_task_beside_one_that_blocks_its_loop_is_refused_or_runs_elsewhere() -> None:
    """Both run on the loop that serves sync callers, and the second is in the way of the first."""
    begun = threading.Event()

    @task
    async def first() -> int:
        begun.set()
        await anyio.sleep(0.05)
        return 1

    @task
    async def second() -> Any:
        future = await first.submit()
        while not begun.is_set():
            await anyio.lowlevel.checkpoint()
        return blocks_on([future.result])

    def body() -> Any:
        with pytest.raises(WouldBlockLoop):
            second.submit().result()
        return 5

    assert in_thread(one_worker(body)) == 5


@any_loop
def test_gathers_inside_of_tasks_end(run: Any) -> None:
    @task
    async def gathers(depth: int) -> int:
        if depth == 0:
            return 1
        found: list[int] = [0, 0, 0]

        async def one(number: int) -> None:
            found[number] = await (await gathers.submit(depth - 1)).aresult()

        async with anyio.create_task_group() as group:
            for number in range(3):
                group.start_soon(one, number)
        return sum(found)

    async def body() -> int:
        return int(await gathers(3))

    assert in_thread(lambda: run(one_worker(body)())) == 27


def test_a_worker_that_waits_for_async_work_lends_its_slot() -> None:
    """The async task cannot end before another sync task has had the only slot."""
    had = threading.Event()

    @task
    def has_a_slot() -> None:
        had.set()

    @task
    async def needs_it() -> bool:
        has_a_slot.submit()
        return await asyncio.to_thread(had.wait, PATIENCE)

    @task
    def calls() -> Any:
        return needs_it()

    assert in_thread(one_worker(lambda: calls.submit().result())) is True


def test_a_run_that_waits_for_itself_is_refused() -> None:
    mine: list[UpshotFuture[Any]] = []
    known = threading.Event()

    @task
    def waits() -> Any:
        known.wait(PATIENCE)
        return mine[0].result()

    def body() -> Any:
        mine.append(waits.submit())
        known.set()
        with pytest.raises(WouldBlockLoop):
            mine[0].result()
        return 1

    assert in_thread(one_worker(body)) == 1
