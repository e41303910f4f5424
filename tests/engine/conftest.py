"""Runs without I/O: the generators, driven each way, with a store in memory and a made-up clock."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any

import pytest
import trio

from upshot._concurrency.waiting import Completion
from upshot._engine import async_driver, sync_driver
from upshot._engine.call import Call, Ports
from upshot._engine.coordinator import Coordinator
from upshot._engine.effects import Host, Invoke, Outcome, Steps
from upshot._engine.endings import Conclusion, Ended
from upshot._engine.task_run import TaskCall
from upshot.documents import LiteralResult, UnpersistedResult
from upshot.records import CacheEntry, Run, StateType, TaskRun
from upshot.runstore.memory import MemoryRunStore

Done = Callable[[Outcome], object]
Drive = Callable[[Steps[Ended], list[float]], Ended]


def run_sync(steps: Steps[Ended], slept: list[float]) -> Ended:
    return sync_driver.drive(steps, sleep=slept.append)


def run_asyncio(steps: Steps[Ended], slept: list[float]) -> Ended:
    return asyncio.run(_drive(steps, slept))


def run_trio(steps: Steps[Ended], slept: list[float]) -> Ended:
    end: Ended = trio.run(_drive, steps, slept)
    return end


async def _drive(steps: Steps[Ended], slept: list[float]) -> Ended:
    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    return await async_driver.drive(steps, sleep)


class JumpingClock:
    """The coordinator's time, if all else that happens takes none."""

    def __init__(self, slept: list[float]) -> None:
        self.slept = slept

    def after(self, seconds: float) -> float:
        self.slept.append(seconds)
        return 0.0

    def next(self, inbox: SimpleQueue[Any], until: float | None) -> Any:
        return inbox.get(block=until is None)


class Inline:
    """A runner that calls functions here and now."""

    def invoke(self, effect: Invoke, context: Context, host: Host, done: Done) -> None:
        done(context.run(sync_driver.invoke, effect))


def run_submitted(steps: Steps[Ended], slept: list[float]) -> Ended:
    coordinator, completion = Coordinator(JumpingClock(slept)), Completion("submitted")
    coordinator.submit(
        steps, runner=Inline(), host=_no_loop, context=copy_context(), completion=completion
    )
    try:
        end: Ended = completion.result(20)
    finally:
        coordinator.close()
    return end


def _no_loop(*args: Any) -> None:
    raise AssertionError("nothing here is async")


@pytest.fixture(params=[run_sync, run_asyncio, run_trio, run_submitted])
def drive(request: pytest.FixtureRequest) -> Drive:
    chosen: Drive = request.param
    return chosen


class LoggedStore(MemoryRunStore):
    """A store in memory that writes down what was asked of it, and what was known by then."""

    def __init__(self, log: list[str]) -> None:
        super().__init__()
        self.log = log

    def record(self, run: Run) -> None:
        self.log.append(f"record {run.state_name}")
        super().record(run)

    def queue(self, run: Run, cache: CacheEntry | None = None) -> None:
        self.log.append(f"queue {run.state_name}")
        super().queue(run, cache)

    def flush(self) -> None:
        self.log.append("flush")
        super().flush()


@dataclass
class Body:
    """What stands for a user's function."""

    call: Callable[[], Any]
    acall: Callable[[], Any]
    keep: Callable[[Any], Conclusion]


@dataclass
class World:
    """What a run meets in these tests."""

    log: list[str] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    clock: Iterator[int] = field(default_factory=lambda: itertools.count(1_000))

    def __post_init__(self) -> None:
        self.store = LoggedStore(self.log)
        self.ports = Ports(self.store, lambda: float(next(self.clock)))

    def call(self, function: Callable[[], Any], **options: Any) -> TaskCall:
        """A call of a task that does `function`; its value is kept in memory, or as a literal."""
        persists = options.setdefault("persists", False)

        def keep(value: Any) -> Conclusion:
            self.log.append("keep")
            document = LiteralResult(value=value) if persists else UnpersistedResult()
            document.hold(value)
            return Conclusion(StateType.COMPLETED, "Completed", None, document)

        def logged() -> Any:
            self.log.append("call")
            return function()

        run = TaskRun(name="t-0", task_name="t", task_key="t-key")
        options.setdefault("awaits", False)
        return TaskCall(run=run, body=Body(logged, logged, keep), **options)


@pytest.fixture
def world() -> World:
    return World()


def raising(*errors: BaseException | Any) -> Callable[[], Any]:
    """A function that raises each of these in turn; what is no exception it returns."""
    rest = iter(errors)

    def function() -> Any:
        item = next(rest)
        if isinstance(item, BaseException):
            raise item
        return item

    return function


def names(call: Call) -> list[str]:
    return [step.name for step in call.run.history]
