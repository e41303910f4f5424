"""Submitting runs: to which runner, on which loop, and what is handed out for them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from typing import Any

import anyio

from upshot._arguments.mapping import Arguments
from upshot._bridge import call_must_block, run_blocking
from upshot._calls.chosen_runner import runner_of
from upshot._calls.own_runner import OwnRunner
from upshot._calls.submitting import Submitting
from upshot._collector import full_collections_rarer
from upshot._concurrency import portals
from upshot._concurrency.jobs import Job
from upshot._concurrency.loops import in_trio, thread_safe
from upshot._concurrency.waiting import Completion, wait_async
from upshot._engine import async_driver, sync_driver
from upshot._engine.call import Ports
from upshot._engine.coordinator import coordinator
from upshot._engine.effects import Steps
from upshot._engine.endings import Ended
from upshot._engine.task_run import TaskCall, run_task
from upshot._future import UpshotFuture
from upshot.context import FlowRunContext
from upshot.exceptions import InvalidOption
from upshot.records import StateType
from upshot.task_runners import TaskRunner


@dataclass(slots=True, eq=False)
class Prepared:
    """A run that could start."""

    call: TaskCall
    ports: Ports
    flow: FlowRunContext | None

    def steps(self) -> Steps[Ended]:
        """What it does."""
        return run_task(self.call, self.ports)


def submit(task: Submitting[..., Any], run: Prepared, *, return_state: bool = False) -> Any:
    """Start a run; its future, or an awaitable of it where who calls and what is called is async.

    Args:
        task: whose run it is.
        run: what to start.
        return_state: wait for it, and give its final state instead.
    """
    runner, isasync = runner_of(run.flow), task.isasync
    awaitable = isasync and not call_must_block()
    if awaitable:
        return _asubmit(run, runner, return_state)
    if isinstance(runner, OwnRunner):
        future, submission = _hand_over(run, runner, asynchronous=False)
        submission.wait()
    elif runner.sequential:
        future = _run_now(run, runner, isasync)
    else:
        future = _start(run, runner, asynchronous=False)
    return future.wait() if return_state else future


async def _asubmit(run: Prepared, runner: TaskRunner | OwnRunner, return_state: bool) -> Any:
    if isinstance(runner, OwnRunner):
        future, submission = _hand_over(run, runner, asynchronous=True)
        await submission.await_end()
    elif runner.sequential:
        end = await async_driver.drive(run.steps())
        future = _ended(run, runner, end, asynchronous=True)
    else:
        future = _start(run, runner, asynchronous=True)
    return await future.await_state() if return_state else future


def _run_now(run: Prepared, runner: TaskRunner, isasync: bool) -> UpshotFuture[Any]:
    if isasync:
        end = run_blocking(partial(async_driver.drive, run.steps()))
    else:
        end = sync_driver.drive(run.steps())
    return _ended(run, runner, end, asynchronous=False)


def _ended(
    run: Prepared, runner: TaskRunner, end: Ended, *, asynchronous: bool
) -> UpshotFuture[Any]:
    if end.crashed and end.error is not None:
        raise end.error
    completion = Completion(run.call.run.name)
    completion.set_result(end)
    return UpshotFuture.of(run.call.run, completion, runner, asynchronous=asynchronous)


def _start(run: Prepared, runner: TaskRunner, *, asynchronous: bool) -> UpshotFuture[Any]:
    host, completion = _begun(run, asynchronous=asynchronous)
    coordinator().submit(
        run.steps(), runner=runner, host=host, context=copy_context(), completion=completion
    )
    return UpshotFuture.of(run.call.run, completion, runner, asynchronous=asynchronous)


def _hand_over(
    run: Prepared, runner: OwnRunner, *, asynchronous: bool
) -> tuple[UpshotFuture[Any], Job]:
    """Give a run to a runner of the user's; its future, and the runner's `submit`, going on."""
    host, completion = _begun(run, asynchronous=asynchronous)
    record = run.call.run
    submission = runner.submit(record.id, run.steps(), host=host, completion=completion)
    return UpshotFuture.of(
        record, completion, runner.given_runner, asynchronous=asynchronous
    ), submission


def _begun(run: Prepared, *, asynchronous: bool) -> tuple[Any, Completion]:
    """How async functions of a run are started, and what its end is told to."""
    flow, call = run.flow, run.call
    if call.place is None or call.place.run is None:  # else it has ended before
        call.run.enter(StateType.PENDING, "Pending", run.ports.now())
    host: Any = portals.start
    loop_thread = None
    if asynchronous and flow is not None and flow.loop_thread == threading.get_ident():
        # from elsewhere not: who calls there may be what the flow's loop is blocked by
        host, loop_thread = flow.host, flow.loop_thread
    completion = Completion(
        call.run.name,
        call.upstreams or (),
        loop_thread,
        movable=loop_thread is not None and not in_trio(),  # functions there need trio
    )
    if flow is not None:
        flow.submitted.add(completion)
        completion.add_done_callback(flow.submitted.discard)
    return host, completion


def submit_all(
    start: Callable[[Arguments], Any],
    calls: Callable[[], Iterable[Arguments]],
    before: list[UpshotFuture[Any]],
    *,
    isasync: bool,
    return_state: bool,
    window: int | None,
) -> Any:
    """Start a run for each call: a list of futures, or an iterator of results with a `window`.

    Args:
        start: starts one.
        calls: gives their arguments, once all runs in `before` have ended.
        before: what the arguments are made of.
        isasync: whether the function is async.
        return_state: give states; without a window, wait for all.
        window: how many may be ahead of what was taken.
    """
    if window is not None and (type(window) is not int or window < 1):
        raise InvalidOption("window", f"must be an int of 1 or more; got {window!r}")
    if isasync and not call_must_block():
        if window is None:
            return _agather(start, calls, before, return_state)
        return _awindowed(start, calls, before, window, return_state)
    if window is not None:
        return _windowed(start, calls(), window, return_state)
    with full_collections_rarer():
        futures = [start(call) for call in calls()]
    return [future.wait() for future in futures] if return_state else futures


# so many runs are begun before those that were get their turn: what has ended needs a tenth of the
# memory, and what ends soon is nothing yet to the garbage collector
_AT_ONCE = 50


async def _agather(
    start: Callable[[Arguments], Any],
    calls: Callable[[], Iterable[Arguments]],
    before: list[UpshotFuture[Any]],
    return_state: bool,
) -> list[Any]:
    await wait_async([future.done for future in before])
    futures = []
    with full_collections_rarer():
        for number, call in enumerate(calls(), 1):
            futures.append(await start(call))
            if number % _AT_ONCE == 0:
                await _caught_up()
    return [await future.await_state() for future in futures] if return_state else futures


async def _caught_up() -> None:
    """Let the coordinator, and then the loop, take what was begun as far as it goes."""
    event = anyio.Event()
    coordinator().tell_caught_up(thread_safe(event.set))
    await event.wait()
    await anyio.lowlevel.checkpoint()


def _windowed(
    start: Callable[[Arguments], Any], calls: Iterable[Arguments], window: int, return_state: bool
) -> Iterator[Any]:
    ahead: deque[UpshotFuture[Any]] = deque()
    for call in calls:
        ahead.append(start(call))
        if len(ahead) >= window:
            yield _taken(ahead.popleft(), return_state)
    while ahead:
        yield _taken(ahead.popleft(), return_state)


def _taken(future: UpshotFuture[Any], return_state: bool) -> Any:
    return future.wait() if return_state else future.result()


async def _awindowed(
    start: Callable[[Arguments], Any],
    calls: Callable[[], Iterable[Arguments]],
    before: list[UpshotFuture[Any]],
    window: int,
    return_state: bool,
) -> AsyncIterator[Any]:
    await wait_async([future.done for future in before])
    ahead: deque[UpshotFuture[Any]] = deque()
    for call in calls():
        ahead.append(await start(call))
        if len(ahead) >= window:
            yield await _ataken(ahead.popleft(), return_state)
    while ahead:
        yield await _ataken(ahead.popleft(), return_state)


async def _ataken(future: UpshotFuture[Any], return_state: bool) -> Any:
    return await (future.await_state() if return_state else future.aresult())
