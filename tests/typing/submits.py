"""What type checkers know of submitted runs; see `calls.py`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import NoReturn, assert_type

from upshot import State, allow_failure, task, unmapped
from upshot.futures import Async, Sync, UpshotFuture, as_completed


@task
def length(text: str, times: int = 1) -> int:
    return len(text) * times


@task
async def alength(text: str, times: int = 1) -> int:
    return len(text) * times


@task
def failing() -> NoReturn:
    raise ValueError


def sync_submits() -> None:
    future = length.submit("x")
    assert_type(future, UpshotFuture[int, Sync])
    plain: UpshotFuture[int] = future
    wide: UpshotFuture[float] = future
    print(plain, wide)
    assert_type(future.result(), int)
    assert_type(future.result(timeout=1), int)
    assert_type(future.result(raise_on_failure=False), int | BaseException)
    assert_type(future.wait(), State[int])
    assert_type(future.wait(timeout=1), State[int] | None)
    assert_type(future.state(), State[int])
    assert_type(future.get_state(), State[int])
    assert_type(length.submit(future, wait_for=[future]), UpshotFuture[int, Sync])
    assert_type(length.submit(allow_failure(future)), UpshotFuture[int, Sync])
    assert_type(length.submit("x", return_state=True), State[int])
    failing.submit().wait()


async def async_submits() -> None:
    future = await alength.submit("x")
    assert_type(future, UpshotFuture[int, Async])
    assert_type(await future.result(), int)
    assert_type(await future.result(raise_on_failure=False), int | BaseException)
    assert_type(await future.wait(), State[int])
    assert_type(await future.wait(1), State[int] | None)
    assert_type(await future.get_state(), State[int])
    assert_type(await future.aresult(), int)
    assert_type(await future.await_state(), State[int])
    assert_type(await alength.submit("x", return_state=True), State[int])
    assert_type(await length.submit("x").aresult(), int)


def sync_maps() -> None:
    futures = length.map(["x", "y"], times=unmapped(2))
    assert_type(futures, list[UpshotFuture[int, Sync]])
    assert_type([future.result() for future in futures], list[int])
    assert_type([future.result() for future in as_completed(futures)], list[int])
    assert_type(length.map(["x"], return_state=True), list[State[int]])
    assert_type(length.map(["x"], window=2), Iterator[int])
    assert_type(length.map(["x"], window=2, return_state=True), Iterator[State[int]])


async def async_maps() -> None:
    futures = await alength.map(["x", "y"])
    assert_type(futures, list[UpshotFuture[int, Async]])
    assert_type([await future.result() for future in futures], list[int])
    assert_type([await future.result() async for future in as_completed(futures)], list[int])
    assert_type(await alength.map(["x"], return_state=True), list[State[int]])
    assert_type(alength.map(["x"], window=2), AsyncIterator[int])
    assert_type(alength.map(["x"], window=2, return_state=True), AsyncIterator[State[int]])


def kept_by_with_options() -> None:
    assert_type(length.with_options(retries=1).submit("x"), UpshotFuture[int, Sync])


def wrong_uses() -> None:
    length.submit("x", wait_for=1)  # type: ignore[call-overload]
    text: str = length.submit("x").result()  # type: ignore[assignment]
    print(text)


def made_by_hand() -> None:
    future = UpshotFuture("a", "k", None, asynchronous=False)
    future.wait()


async def made_by_hand_for_async_callers() -> None:
    await UpshotFuture("a", "k", None).wait()
