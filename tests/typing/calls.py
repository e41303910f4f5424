"""What type checkers know of calls: parameters stay checked, and what is returned is kept.

mypy and basedpyright read this file; no test runs it. A `type: ignore` stands where both must find
an error, and is an error where they do not.
"""

from __future__ import annotations

from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, assert_type

from upshot import Flow, State, Task, flow, task


@task
def length(text: str, times: int = 1) -> int:
    return len(text) * times


@task(retries=2, cache_expiration=timedelta(days=1))
async def alength(text: str, times: int = 1) -> int:
    return len(text) * times


@flow
def total(texts: list[str]) -> float:
    return sum(length(text) for text in texts)


@flow(name="async total", retries=1)
async def atotal(texts: list[str]) -> float:
    return sum([await alength(text) for text in texts])


def sync_calls() -> None:
    assert_type(length("x"), int)
    assert_type(length("x", times=2), int)
    assert_type(total(["x"]), float)
    assert_type(length("x", return_state=True), State[int])
    assert_type(total(["x"], return_state=True), State[float])


async def async_calls() -> None:
    assert_type(await alength("x"), int)
    assert_type(await atotal(["x"]), float)
    assert_type(await alength("x", return_state=True), State[int])
    assert_type(await atotal(["x"], return_state=True), State[float])
    assert_type(length("x"), int)


def wrong_calls() -> None:
    length(1)  # type: ignore[call-overload]
    length()  # type: ignore[call-overload]
    length("x", "y")  # type: ignore[call-overload]
    length("x", other=1)  # type: ignore[call-overload]
    total("x")  # type: ignore[call-overload]
    text: str = length("x")  # type: ignore[assignment]
    print(text)


def kept_by_with_options() -> None:
    assert_type(length.with_options(name="other")("x"), int)
    assert_type(total.with_options(retries=1)(["x"]), float)
    length.with_options(name="other")(1)  # type: ignore[call-overload]


async def kept_by_with_options_of_async_ones() -> None:
    assert_type(await alength.with_options(name="other")("x"), int)
    assert_type(await atotal.with_options(name="other")(["x"]), float)


async def taken_as_arguments(
    sync: Task[[str], int], asynchronous: Flow[[], Coroutine[Any, Any, str]]
) -> None:
    assert_type(sync("x"), int)
    assert_type(await asynchronous(), str)


def as_a_callable(function: Flow[..., Any]) -> Any:
    return function(1, x=2)


class Counter:
    @task
    def add(self, x: int) -> int:
        return x

    @flow
    async def run(self, x: int) -> str:
        return str(x)


async def methods(counter: Counter) -> None:
    assert_type(counter.add(1), int)
    assert_type(await counter.run(1), str)
    counter.add("x")  # type: ignore[call-overload]
