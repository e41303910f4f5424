"""What calls cost, against the limits in limits.toml. Nothing here is timed."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import tracemalloc
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tests.guards.conftest import Limits
from upshot import flow, task

CALLS = 100


@task
def plain(x: int) -> list[int]:
    return [x]


@task(persist_result=True)
def persisted(x: int) -> list[int]:
    return [x]


@task(cache_key_fn=lambda context, parameters: str(parameters["x"]))
def hit(x: int) -> list[int]:
    return [x]


def of_flow(body: Callable[[int], Any]) -> Callable[[int], None]:
    @flow
    def around(calls: int) -> bool:
        for x in range(calls):
            body(x)
        return True

    return around


def of_async_flow(body: Any, *, gathered: bool = False) -> Callable[[int], None]:
    async def awaited(x: int) -> list[int]:
        return [x]

    inner = task(
        awaited,
        persist_result=body.persist_result,
        cache_key_fn=body.cache_key_fn,
    )

    @flow
    async def around(calls: int) -> bool:
        if gathered:
            await asyncio.gather(*[inner(x) for x in range(calls)])
            return True
        for x in range(calls):
            await inner(x)
        return True

    return lambda calls: asyncio.run(around(calls))


CASES = {
    "plain": of_flow(plain),
    "persisted": of_flow(persisted),
    "hit": of_flow(hit),
    "async_plain": of_async_flow(plain),
    "async_persisted": of_async_flow(persisted),
    "async_hit": of_async_flow(hit),
    "gathered_persisted": of_async_flow(persisted, gathered=True),
    "gathered_hit": of_async_flow(hit, gathered=True),
}


@pytest.mark.parametrize("case", CASES)
def test_a_call_costs_no_more_than_its_limit(
    case: str, limits: Limits, counted: Counter[str]
) -> None:
    run = CASES[case]
    run(CALLS)  # opens the store, registers the storage, fills the cache
    counted.clear()
    run(0)
    without = Counter(counted)
    counted.clear()
    run(CALLS)
    of_calls = {kind: counted[kind] - without[kind] for kind in limits[case]}
    # a persisted call carries the flow's first row along, which the empty flow wrote at its end
    of_calls["rows"] -= 1 if "persisted" in case else 0
    assert of_calls == {kind: limit * CALLS for kind, limit in limits[case].items()}


MODULES = """
import sys
before = set(sys.modules)
import upshot
loaded = set(sys.modules) - before
print(sum(name.split(".")[0] == "upshot" for name in loaded))
print(sum(name.split(".")[0] != "upshot" for name in loaded))
from upshot import flow, task
@task(persist_result=True)
def one():
    return [1]
@flow(version="1")
def around():
    return one()
print(*sys.modules)
from upshot.testing import isolated
with isolated():
    around()
print(*sys.modules)
"""


def test_importing_upshot_and_a_first_flow_load_no_more_than_they_need(limits: Limits) -> None:
    printed = subprocess.run(
        [sys.executable, "-c", MODULES], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert int(printed[0]) <= limits["import"]["upshot_modules"]
    assert int(printed[1]) <= limits["import"]["other_modules"]
    decorated, loaded = set(printed[2].split()), set(printed[3].split())
    assert not set(limits["import"]["never_before_a_call"]) & decorated
    of_upshot = sum(name.split(".")[0] == "upshot" for name in decorated)
    assert of_upshot <= limits["import"]["used_upshot_modules"]
    assert not set(limits["import"]["never"]) & loaded
    assert not set(limits["import"]["never_in_sync"]) & loaded
    of_upshot = sum(name.split(".")[0] == "upshot" for name in loaded)
    assert of_upshot <= limits["import"]["first_flow_upshot_modules"]


def living() -> Counter[str]:
    """The objects that the garbage collector goes through, by type."""
    for _ in range(3):  # each finds plain data one level further out
        gc.collect()
    return Counter(type(one).__name__ for one in gc.get_objects())


@pytest.mark.usefixtures("upshot_home")
def test_a_call_that_is_to_be_gathered_is_made_of_few_objects(limits: Limits) -> None:
    @flow
    async def around() -> Counter[str]:
        await mapped(0)  # what is made once is not what a call is made of
        before = living()
        calls = [mapped(x) for x in range(MAPPED)]
        made = living() - before
        await asyncio.gather(*calls)
        return made

    made = asyncio.run(around())
    assert made.total() // MAPPED <= limits["prepared"]["objects"], made.most_common(15)


MAPPED = 1_000


@task
async def mapped(x: int) -> list[int]:
    return [x]


@flow
async def mapping(seen: Callable[[], None]) -> bool:
    futures = await mapped.map(range(MAPPED))
    for future in futures:
        await future.wait()
    while len(asyncio.all_tasks()) > 1:  # noqa: ASYNC110  until the loop has let go of them, too
        await asyncio.sleep(0)
    seen()
    return True


@pytest.mark.usefixtures("upshot_home")
def test_not_much_is_left_of_a_mapped_task_that_has_ended(limits: Limits) -> None:
    objects: list[Counter[str]] = []
    sizes: list[int] = []

    def look() -> None:
        objects.append(living())
        sizes.append(tracemalloc.get_traced_memory()[0])

    asyncio.run(mapping(look))  # what is made once is not what a task leaves
    tracemalloc.start()
    try:
        look()
        asyncio.run(mapping(look))
    finally:
        tracemalloc.stop()
    left = objects[-1] - objects[-2]
    assert left.total() // MAPPED <= limits["mapped"]["objects"], left.most_common(10)
    assert (sizes[-1] - sizes[-2]) / MAPPED <= limits["mapped"]["bytes"]


@pytest.mark.usefixtures("upshot_home")
def test_mapped_tasks_that_end_at_once_do_not_pile_up(limits: Limits) -> None:
    seen: list[int] = []

    @task
    async def ending(x: int) -> None:
        seen.append(len(asyncio.all_tasks()))

    @flow
    async def around() -> bool:
        for future in await ending.map(range(MAPPED)):
            await future.wait()
        return True

    asyncio.run(around())
    assert len(seen) == MAPPED
    assert max(seen) <= limits["mapped"]["at_once"]


SIZE = 64 * 2**20


@task
def large_plain(value: bytes) -> bytes:
    return value


@task(persist_result=True)
def large_persisted(value: bytes) -> bytes:
    return value


@task(cache_key_fn=lambda context, parameters: "large", cache_result_in_memory=False)
def large_hit() -> bytes:
    return bytes(SIZE)


def peak_of(call: Callable[[], Any]) -> float:
    """The megabytes that a call allocates at its worst, what it gives back included."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1] / 2**20
    finally:
        tracemalloc.stop()


@flow(retries=1)  # which knows calls by the digests of their arguments
def peak_in_retried(value: bytes) -> float:
    large_plain(b"")
    return peak_of(lambda: large_plain(value))


@pytest.mark.usefixtures("upshot_home")
def test_a_large_value_is_not_copied(limits: Limits) -> None:
    value = bytes(SIZE)
    large_plain(b"")  # what is loaded once is not what a call costs
    large_persisted(b"")
    assert peak_of(lambda: large_plain(value)) <= limits["megabytes"]["plain"]
    assert peak_of(lambda: large_persisted(value)) <= limits["megabytes"]["persisted"]
    assert peak_in_retried(value) <= limits["megabytes"]["retried"]
    large_hit(return_state=True)
    assert peak_of(large_hit) <= SIZE / 2**20 + limits["megabytes"]["hit"]
