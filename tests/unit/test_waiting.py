"""Waiting for runs that go on elsewhere: what could never end is refused, and nothing is kept."""

from __future__ import annotations

import asyncio
import gc
import itertools
import threading
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import trio

from upshot._concurrency.loops import thread_safe
from upshot._concurrency.promise import when_all_done
from upshot._concurrency.waiting import (
    Completion,
    bind_here,
    blocked_by,
    enter,
    wait_async,
    wait_blocking,
)
from upshot.exceptions import WouldBlockLoop

PATIENCE = 20
HERE = threading.get_ident()


def chain(length: int, loop_thread: int | None = None) -> list[Completion]:
    made = [Completion("0", loop_thread=loop_thread)]
    for number in range(1, length):
        made.append(Completion(str(number), [made[-1]]))
    return made


def test_a_chain_of_ten_thousand_runs_needs_the_loop_of_its_first() -> None:
    runs = chain(10_000, loop_thread=HERE)
    assert runs[-1].needs_loop_of(HERE)
    assert not runs[-1].needs_loop_of(HERE + 1)
    runs[0].set_result(None)
    assert not runs[-1].needs_loop_of(HERE)


def test_runs_that_depend_on_one_another_in_many_ways_are_looked_at_once() -> None:
    layer = [Completion("first", loop_thread=HERE + 1) for _ in range(20)]
    for _ in range(50):  # 20 ** 50 ways down
        layer = [Completion("run", layer) for _ in range(20)]
    assert not layer[0].needs_loop_of(HERE)
    assert layer[0].needs_loop_of(HERE + 1)


def test_ten_thousand_runs_that_have_ended_are_let_go_without_recursion() -> None:
    runs = chain(10_000)
    inbox: list[Completion] = [runs[0]]
    for before, after in itertools.pairwise(runs):
        when_all_done([before], partial(inbox.append, after))
    while inbox:
        inbox.pop().set_result(None)
    assert runs[-1].done()
    watched = weakref.ref(runs[5_000])
    first = runs[0]
    del runs, before, after
    gc.collect()
    assert watched() is None
    assert first.done()


def test_a_run_that_is_waited_for_pins_no_result_of_those_before_it() -> None:
    class Large:
        pass

    upstream = Completion("upstream")
    downstream = Completion("downstream", [upstream])
    upstream.set_result(Large())
    watched = weakref.ref(upstream.result())
    downstream.set_result(None)
    del upstream
    gc.collect()
    assert watched() is None


def test_what_was_to_be_told_is_let_go_once_it_was_told() -> None:
    class Told:
        def __call__(self) -> None:
            calls.append(1)

    calls: list[int] = []
    told, run = Told(), Completion("run")
    when_all_done([run], told)
    watched = weakref.ref(told)
    run.set_result(None)
    del told
    gc.collect()
    assert (watched(), calls) == (None, [1])


def test_a_blocking_wait_for_the_loop_of_this_thread_is_refused_and_names_the_way() -> None:
    run = Completion("t-0", loop_thread=threading.get_ident())
    with pytest.raises(WouldBlockLoop, match=r"'t-0'.*await future\.aresult\(\)"):
        wait_blocking([run])
    later = Completion("t-1", [run])
    with pytest.raises(WouldBlockLoop, match="'t-1'"):
        wait_blocking([later], 0.01)
    run.set_result(None)
    assert wait_blocking([run])
    assert not wait_blocking([later], 0.01)


def in_threads(*functions: Callable[[], Any]) -> None:
    threads = [threading.Thread(target=function, daemon=True) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()


@pytest.mark.parametrize("repetition", range(20))
def test_of_two_waits_that_would_make_a_circle_the_second_is_refused(repetition: int) -> None:
    """A thread waits for a loop's run, and the loop's thread for what that thread does."""
    runs, bound = [Completion("one"), Completion("two")], threading.Barrier(2, timeout=PATIENCE)
    refused: list[str] = []

    def waits(mine: Completion, other: Completion) -> None:
        mine.thread = threading.get_ident()
        bound.wait()
        try:
            assert wait_blocking([other], PATIENCE)
        except WouldBlockLoop as error:
            refused.append(error.run)
        mine.set_result(None)

    in_threads(lambda: waits(*runs), lambda: waits(*reversed(runs)))
    assert len(refused) == 1


def test_a_thread_that_waits_in_vain_no_longer_stands_in_the_way() -> None:
    mine, other = Completion("mine"), Completion("other")
    mine.thread = threading.get_ident()
    assert not wait_blocking([other], 0.01)
    other.thread = threading.get_ident() + 1
    with blocked_by([other]):
        pass
    seen: list[bool] = []
    in_threads(lambda: seen.append(wait_blocking([mine], 0.01)))
    assert seen == [False]


@pytest.mark.parametrize("run", [asyncio.run, lambda coroutine: trio.run(lambda: coroutine)])
def test_an_async_wait_for_what_waits_for_it_is_refused(run: Any) -> None:
    mine = Completion("mine")
    other = Completion("other", [mine])

    async def waits() -> None:
        enter(mine)
        await wait_async([other])

    with pytest.raises(WouldBlockLoop, match="'other'"):
        run(waits())


def test_a_run_is_bound_to_a_thread_only_while_it_is_called_there() -> None:
    run = Completion("run", loop_thread=5)
    enter(run)
    unbind = bind_here()
    assert run.thread == threading.get_ident()
    unbind()
    assert run.thread == 5
    enter(None)  # type: ignore[arg-type]
    bind_here()()


@pytest.mark.parametrize("run", [asyncio.run, trio.run])
def test_what_ends_after_the_loop_has_is_told_to_nobody(run: Any) -> None:
    late = Completion("late")

    async def main() -> None:
        when_all_done([late], thread_safe(lambda: pytest.fail("nobody is there")))

    run(main() if run is asyncio.run else main)
    late.set_result(None)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_ten_thousand_waits_for_one_run_end_with_it(backend: str) -> None:
    import anyio

    gate, ended = Completion("gate"), []

    async def one() -> None:
        await wait_async([gate])
        ended.append(1)

    async def main() -> None:
        with anyio.fail_after(PATIENCE):
            async with anyio.create_task_group() as group:
                for _ in range(10_000):
                    group.start_soon(one)
                await anyio.lowlevel.checkpoint()
                gate.set_result(None)

    anyio.run(main, backend=backend)
    assert len(ended) == 10_000
