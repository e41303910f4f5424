"""The border between sync and async: who calls, and what is given to whom."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import sys
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
import trio

from upshot._bridge import (
    call_must_block,
    caller_is_async,
    compatible,
    loop_runs_here,
    run_blocking,
    wants_awaitable,
)

Seen = tuple[bool, bool, bool]


def look() -> Seen:
    """A loop runs here; an awaitable is wanted; a call of an async flow must block."""
    return loop_runs_here(), wants_awaitable(), call_must_block()


async def alook() -> Seen:
    return look()


def coloured(colour: bool | None, function: Callable[[], Any]) -> Any:
    """What a function gives that is called by a user function of this colour (or by none)."""
    context = contextvars.copy_context()
    context.run(caller_is_async.set, colour)
    return context.run(function)


def in_new_thread(function: Callable[[], Any]) -> Any:
    given: list[Any] = []
    thread = threading.Thread(target=lambda: given.append(function()))
    thread.start()
    thread.join()
    return given[0]


def in_asyncio(function: Callable[[], Any]) -> Any:
    async def main() -> Any:
        return function()

    return asyncio.run(main())


def in_trio(function: Callable[[], Any]) -> Any:
    async def main() -> Any:
        return function()

    return trio.run(main)


@pytest.mark.parametrize(
    ("colour", "seen"),
    [
        (None, (False, False, False)),  # `asyncio.run(my_flow())` needs the awaitable
        (False, (False, False, True)),
        (True, (False, False, True)),  # a helper thread of an async function
    ],
)
def test_without_a_loop_nothing_wants_an_awaitable(colour: bool | None, seen: Seen) -> None:
    assert coloured(colour, look) == seen
    assert in_new_thread(lambda: coloured(colour, look)) == seen


@pytest.mark.parametrize("inside", [in_asyncio, in_trio])
@pytest.mark.parametrize(
    ("colour", "seen"),
    [(None, (True, True, False)), (False, (True, False, True)), (True, (True, True, False))],
)
def test_in_a_loop_the_innermost_function_decides(
    inside: Callable[[Any], Any], colour: bool | None, seen: Seen
) -> None:
    assert inside(lambda: coloured(colour, look)) == seen
    assert coloured(colour, lambda: inside(look)) == seen


@pytest.mark.parametrize("inside", [in_asyncio, in_trio])
@pytest.mark.parametrize("colour", [None, True, False])
def test_a_thread_beside_a_loop_has_none_with_a_copied_context_or_without(
    inside: Callable[[Any], Any], colour: bool | None
) -> None:
    def main() -> tuple[Seen, Seen]:
        copied = contextvars.copy_context()
        return in_new_thread(lambda: copied.run(look)), in_new_thread(look)

    with_context, without = coloured(colour, lambda: inside(main))
    assert with_context == (False, False, colour is not None)
    assert without == (False, False, False)


def test_a_worker_thread_of_a_loop_has_the_colour_and_no_loop() -> None:
    async def main() -> Seen:
        caller_is_async.set(True)
        return await asyncio.to_thread(look)

    async def trio_main() -> Seen:
        caller_is_async.set(True)
        return await trio.to_thread.run_sync(look)

    assert asyncio.run(main()) == trio.run(trio_main) == (False, False, True)


@pytest.mark.parametrize("module", [ModuleType("trio.lowlevel"), None])
def test_a_trio_that_is_being_imported_runs_no_loop(
    module: ModuleType | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "trio.lowlevel", module)
    assert not loop_runs_here()


@compatible
def where(*args: int, name: str = "") -> tuple[int, Any]:
    """Say which thread works."""
    if args and args[0] < 0:
        raise ValueError(name)
    return threading.get_ident(), (args, name, caller_is_async.get())


def test_a_compatible_function_works_in_the_thread_of_a_sync_caller() -> None:
    assert where(1, name="x") == (threading.get_ident(), ((1,), "x", None))
    assert in_asyncio(lambda: coloured(False, where))[0] == threading.get_ident()
    with pytest.raises(ValueError, match="no"):
        where(-1, name="no")


@pytest.mark.parametrize("colour", [None, True])
def test_a_compatible_function_gives_an_async_caller_a_coroutine(colour: bool | None) -> None:
    async def main() -> Any:
        caller_is_async.set(colour)
        given = where(2, name="y")
        assert inspect.iscoroutine(given)
        with pytest.raises(ValueError, match="no"):
            await where(-1, name="no")
        return await given

    for thread, rest in (asyncio.run(main()), trio.run(main)):
        assert thread != threading.get_ident()
        assert rest == ((2,), "y", colour)


def test_aio_is_always_awaited() -> None:
    async def main() -> Any:
        return await where.aio(3)

    assert coloured(False, lambda: asyncio.run(main()))[1] == ((3,), "", False)
    assert where.__doc__ == where.aio.__doc__ == "Say which thread works."


def test_a_compatible_method_is_bound() -> None:
    class Thing:
        name = "thing"

        @compatible
        def hello(self, to: str) -> str:
            return f"{self.name} {to}"

    async def main() -> list[Any]:
        return [await Thing().hello("a"), await Thing.hello.aio(Thing(), "b")]

    assert Thing().hello("you") == "thing you"
    assert asyncio.run(main()) == ["thing a", "thing b"]


def test_blocking_work_sees_the_callers_context_and_is_async() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")

    async def work() -> tuple[str, Any, Seen]:
        seen = variable.get(), caller_is_async.get(), look()
        variable.set("changed")
        return seen

    variable.set("mine")
    for colour in (None, False, True):
        seen = coloured(colour, lambda: run_blocking(work))
        assert seen == ("mine", True, (True, True, False))
    assert variable.get() == "mine"
    assert caller_is_async.get() is None


def test_an_async_helper_of_a_sync_caller_can_await_what_serves_both() -> None:
    async def work() -> Any:
        return await where(4)

    assert coloured(False, lambda: run_blocking(work))[1] == ((4,), "", True)
