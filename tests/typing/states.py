"""What type checkers know of states and their results; see `calls.py`."""

from __future__ import annotations

from typing import Any, assert_type

from upshot import State


def in_sync_functions(state: State[int]) -> None:
    assert_type(state.result(), int)
    assert_type(state.result(True), int)
    assert_type(state.result(raise_on_failure=False), int | BaseException)
    assert_type(state.result(fetch=False), Any)
    text: str = state.result()  # type: ignore[assignment]
    print(text)


async def in_async_functions(state: State[int]) -> None:
    assert_type(await state.result(fetch=True), int)
    assert_type(await state.result(raise_on_failure=False, fetch=True), int | BaseException)
    assert_type(await state.aresult(), int)
    assert_type(await state.aresult(raise_on_failure=False), int | BaseException)
    text: str = await state.aresult()  # type: ignore[assignment]
    print(text)
