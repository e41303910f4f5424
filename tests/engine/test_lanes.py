"""Lanes: runs of one loop share a thread, and nobody waits for long behind somebody else."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
import weakref
from collections.abc import Callable
from typing import Any

import anyio
import pytest
import sniffio

from upshot._engine import lanes
from upshot._engine.effects import Io, Steps
from upshot._engine.lanes import go_on
from upshot._engine.stepping import End

variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable")


def asking(*calls: Callable[[], Any]) -> Steps[list[Any]]:
    """A run that asks for these calls, one after the other, and ends with what they gave."""
    replies = []
    for call in calls:
        replies.append((yield Io(call)))
    return replies


async def ended(*calls: Callable[[], Any]) -> Any:
    steps = asking(*calls)
    end = await go_on(steps, next(steps).call)  # type: ignore[union-attr]
    assert isinstance(end, End)
    if end.error is not None:
        raise end.error
    return end.value


def test_those_who_come_together_are_served_in_one_thread_call_by_call() -> None:
    log: list[tuple[int, int]] = []
    threads: set[int] = set()

    def note(number: int, call: int) -> int:
        log.append((call, number))
        threads.add(threading.get_ident())
        return number

    async def main() -> list[Any]:
        runs = [
            ended(*[lambda number=number, call=call: note(number, call) for call in range(3)])
            for number in range(50)
        ]
        return await asyncio.gather(*runs)

    assert asyncio.run(main()) == [[number] * 3 for number in range(50)]
    assert log == sorted(log)
    assert threading.get_ident() not in threads


def test_each_is_served_in_its_own_context_in_which_no_loop_runs() -> None:
    def seen() -> tuple[int, bool]:
        try:
            sniffio.current_async_library()
        except sniffio.AsyncLibraryNotFoundError:
            return variable.get(), True
        return variable.get(), False

    async def one(number: int) -> Any:
        variable.set(number)
        return await ended(seen)

    async def main() -> list[Any]:
        return await asyncio.gather(*map(one, range(5)))

    assert anyio.run(main) == [[(number, True)] for number in range(5)]


def test_what_is_raised_reaches_its_own_run_alone() -> None:
    def fail() -> None:
        raise ValueError("mine")

    async def main() -> list[Any]:
        runs = [ended(list), ended(fail, list), ended(list, list)]
        return await asyncio.gather(*runs, return_exceptions=True)

    first, second, third = asyncio.run(main())
    assert (first, third) == ([[]], [[], []])
    assert isinstance(second, ValueError)


@pytest.mark.parametrize("number", [2, 3, 20])
def test_calls_that_wait_for_those_behind_them_do_not_hold_up_the_line(number: int) -> None:
    meet = threading.Barrier(number, timeout=30)

    async def main() -> list[Any]:
        return await asyncio.gather(*[ended(meet.wait, list) for _ in range(number)])

    assert len(asyncio.run(main())) == number


def test_who_was_served_is_told_while_others_are_still_served() -> None:
    begun, let = threading.Event(), threading.Event()

    def stay() -> None:
        begun.set()
        assert let.wait(30)

    async def main() -> None:
        slow = asyncio.ensure_future(ended(stay))
        assert await asyncio.to_thread(begun.wait, 30)
        assert await asyncio.wait_for(asyncio.gather(ended(list), ended(list)), 30)
        assert not slow.done()
        let.set()
        await slow

    asyncio.run(main())


def test_who_is_cancelled_in_the_line_is_not_served_and_the_others_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lanes, "PATIENCE", 3600)
    begun, let = threading.Event(), threading.Event()
    served: list[str] = []

    def stay() -> None:
        begun.set()
        assert let.wait(30)

    async def main() -> None:
        first = asyncio.ensure_future(ended(stay))
        assert await asyncio.to_thread(begun.wait, 30)
        second, third, fourth = (
            asyncio.ensure_future(ended(lambda name=name: served.append(name)))
            for name in ("second", "third", "fourth")
        )
        await asyncio.sleep(0)
        third.cancel()
        with pytest.raises(asyncio.CancelledError):
            await third
        let.set()
        await asyncio.gather(first, second, fourth)

    asyncio.run(main())
    assert sorted(served) == ["fourth", "second"]


def test_who_is_cancelled_while_served_waits_for_the_end_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lanes, "PATIENCE", 3600)
    begun, let, done = threading.Event(), threading.Event(), threading.Event()

    def stay() -> None:
        begun.set()
        assert let.wait(30)
        done.set()

    async def main() -> None:
        # the first is in the thread, and serves the second
        first, second = (asyncio.ensure_future(ended(call, list)) for call in (list, stay))
        assert await asyncio.to_thread(begun.wait, 30)
        for _ in range(3):
            second.cancel()
            await asyncio.sleep(0)
        assert not second.done()
        let.set()
        with pytest.raises(asyncio.CancelledError):
            await second
        assert done.is_set()
        await first

    asyncio.run(main())


def test_who_comes_in_a_scope_that_was_cancelled_is_served() -> None:
    async def main() -> Any:
        with anyio.CancelScope() as scope:
            scope.cancel()
            try:
                await anyio.sleep(1000)
            finally:
                return await ended(list, list)  # noqa: B012

    assert anyio.run(main) == [[], []]


def test_the_line_moves_on_when_who_was_to_go_to_the_thread_is_cancelled() -> None:
    async def main() -> None:
        for _ in range(20):
            runs = [asyncio.ensure_future(ended(list, list)) for _ in range(5)]
            await asyncio.sleep(0)
            runs[0].cancel()
            runs[-1].cancel()
            await asyncio.sleep(0)
            assert await asyncio.wait_for(asyncio.gather(*runs[1:-1]), 30)

    asyncio.run(main())


def test_a_loop_that_has_ended_is_let_go_of() -> None:
    gone: list[weakref.ref[Any]] = []

    async def main() -> None:
        gone.append(weakref.ref(asyncio.get_running_loop()))
        await asyncio.gather(ended(list), ended(list))

    asyncio.run(main())
    gc.collect()
    assert gone[0]() is None


@pytest.mark.parametrize("cancelled", [False, True])
@pytest.mark.parametrize("loop_runs", [True, False])
def test_a_run_that_nobody_will_resume_is_served_to_its_end(
    loop_runs: bool, cancelled: bool
) -> None:
    begun, let, done = threading.Event(), threading.Event(), threading.Event()
    second = ended(lambda: begun.set() or let.wait(30), done.set)

    def close() -> None:
        threading.Timer(0.05, let.set).start()
        second.close()
        assert done.is_set()

    async def main() -> None:
        # the first is in the thread, serves the second, and is through before that is
        first = asyncio.ensure_future(ended(list, list))
        await asyncio.sleep(0)
        second.send(None)  # it waits in the line
        assert await asyncio.to_thread(begun.wait, 30)
        if cancelled:
            second.throw(asyncio.CancelledError())  # and now for the end of what has begun
        if loop_runs:
            close()
            await first

    asyncio.run(main())
    if not loop_runs:
        close()
