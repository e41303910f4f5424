"""Options of `@flow` and `@task` that cannot be: refused where they are given, with what to do."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upshot import Flow, Task, flow, task
from upshot._options.checks import LONGEST_DELAY
from upshot._options.retries import delays
from upshot.exceptions import InvalidOption, ReservedArgumentError, UnknownPlugin, UpshotError
from upshot.filesystems import LocalFileSystem, MemoryFileSystem
from upshot.serializers import JSONSerializer

BOTH = pytest.mark.parametrize("decorate", [flow, task])


def function(x: int = 1, y: int = 2) -> int:
    """Add two numbers."""
    return x + y


def refused(decorate: Any, option: str, value: object) -> str:
    """What is said of an option, by all three ways to give it."""
    ways: list[Callable[[], Any]] = [
        lambda: decorate(**{option: value})(function),
        lambda: {flow: Flow, task: Task}[decorate](function, **{option: value}),
        lambda: decorate(function).with_options(**{option: value}),
    ]
    said = set()
    takes_no_change = (option, decorate) == ("version", task)
    changes_nothing = (option, value) == ("cache_result_in_memory", None)
    for way in ways[:2] if takes_no_change or changes_nothing else ways:
        with pytest.raises(InvalidOption) as caught:
            way()
        assert caught.value.option == option
        said.add(str(caught.value))
    (text,) = said
    return text


@BOTH
@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("name", 1, "parameter 'name'; got int instead."),
        ("name", function, "got function instead. Perhaps you meant to call it?"),
        ("name", "", "is empty; leave it out"),
        ("description", 5, "must be text; got 5"),
        ("version", 1.0, "must be text; got 1.0"),
        ("retries", -1, "must be an int of 0 or more; got -1"),
        ("retries", 1.0, "got 1.0"),
        ("retries", True, "got True"),
        ("retries", "1", "got '1'"),
        ("retry_delay_seconds", -1, "Invalid value -1: must be seconds, 0 or more"),
        ("retry_delay_seconds", "1", "Invalid value '1'"),
        ("retry_delay_seconds", [1, None], "Invalid value [1, None]"),
        ("retry_delay_seconds", [1, True], "Invalid value"),
        ("retry_delay_seconds", float("nan"), "Invalid value nan"),
        ("retry_delay_seconds", float("inf"), "Invalid value inf"),
        ("retry_delay_seconds", 10**400, "Invalid value 1000"),
        ("retry_delay_seconds", {1: 2}, "Invalid value {1: 2}"),
        ("retry_delay_seconds", timedelta(1), "Invalid value"),
        ("persist_result", 1, "must be True, False or None; got 1"),
        ("persist_result", "yes", "got 'yes'"),
        ("cache_result_in_memory", None, "must be True or False; got None"),
        ("cache_result_in_memory", 0, "got 0"),
        ("result_storage", 5, "must be a storage, or its name; got 5"),
        ("result_storage", LocalFileSystem, "must be a storage, or its name; got <class"),
        ("result_serializer", JSONSerializer, "must be a serializer, or its type; got <class"),
        ("result_serializer", b"json", "got b'json'"),
    ],
)
def test_an_option_of_the_wrong_kind_is_refused(
    decorate: Any, option: str, value: object, said: str
) -> None:
    assert said in refused(decorate, option, value)


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("cache_expiration", 60, "must be a datetime.timedelta; got 60"),
        ("refresh_cache", "yes", "must be True, False or None"),
        ("result_storage_key", 5, "must be text; got 5"),
        ("result_storage_key", "", "is empty"),
        ("result_storage_key", "{parameters[z]}", "{parameters[z]} is unknown: known are: x, y"),
        ("result_storage_key", "{flow_run.nmae}", "did you mean 'name'?"),
        ("result_storage_key", "{", "'{'"),
        ("cache_key_fn", "key", "must be a plain function; got 'key'"),
        ("cache_key_fn", asyncio.sleep, "must be a plain function; got <function sleep"),
        ("cache_key_fn", lambda x: "k", "must take two arguments, the run's context and its"),
        ("cache_key_fn", lambda a, b, c: "k", "must take two arguments"),
    ],
)
def test_an_option_of_tasks_of_the_wrong_kind_is_refused(
    option: str, value: object, said: str
) -> None:
    assert said in refused(task, option, value)


@BOTH
@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("result_serializer", "jsn", "no serializer is called 'jsn': did you mean 'json'?"),
        ("result_serializer", "", "no serializer is called ''"),
        ("result_storage", "local", "no storage is called 'local'"),
        ("result_storage", "os:path", "no storage is called 'os:path'"),
    ],
)
def test_a_name_that_nothing_goes_by_is_refused(
    decorate: Any, option: str, value: str, said: str
) -> None:
    with pytest.raises(UnknownPlugin) as caught:
        decorate(**{option: value})(function)
    assert said in str(caught.value)


@BOTH
def test_an_option_that_there_is_not_is_refused_with_the_nearest(decorate: Any) -> None:
    with pytest.raises(InvalidOption, match=r"'retrys': is no option of @.*did you mean 'retries'"):
        decorate(retrys=1)
    with pytest.raises(TypeError):
        decorate(function).with_options(retrys=1)


def test_a_flow_has_no_options_of_tasks() -> None:
    with pytest.raises(InvalidOption, match="'cache_key_fn': is no option of @flow"):
        flow(cache_key_fn=lambda context, parameters: "k")


@BOTH
@pytest.mark.parametrize("thing", [5, "name", [], classmethod(function)])
def test_what_cannot_be_called_cannot_be_decorated(decorate: Any, thing: object) -> None:
    with pytest.raises(InvalidOption, match="is made of something callable, not of"):
        decorate(thing)
    with pytest.raises(InvalidOption):
        decorate(name="x")(thing)


@BOTH
@pytest.mark.parametrize("name", ["wait_for", "return_state"])
def test_a_parameter_with_a_reserved_name_is_refused(decorate: Any, name: str) -> None:
    with pytest.raises(ReservedArgumentError, match=f"'{name}' is a reserved argument name"):
        decorate(eval(f"lambda {name}=None: None"))


@BOTH
def test_every_refusal_is_an_upshot_error_and_a_builtin_one(decorate: Any) -> None:
    for option, value, builtin in (
        ("retries", -1, TypeError),
        ("result_storage", "x", LookupError),
    ):
        with pytest.raises(UpshotError) as caught:
            decorate(**{option: value})(function)
        assert isinstance(caught.value, builtin)


@BOTH
def test_what_is_right_is_taken_as_it_is(decorate: Any) -> None:
    storage, serializer = MemoryFileSystem(), JSONSerializer()
    made = decorate(
        name="mine",
        description="d",
        version="v",
        retries=3,
        retry_delay_seconds=[1, 0.5],
        persist_result=False,
        result_storage=storage,
        result_serializer=serializer,
        cache_result_in_memory=False,
    )(function)
    assert (made.name, made.description, made.version, made.retries) == ("mine", "d", "v", 3)
    assert made.retry_delays == (1.0, 0.5)
    assert (made.persist_result, made.cache_result_in_memory) == (False, False)
    assert made.result_storage is storage
    assert made.result_serializer is serializer


@pytest.mark.parametrize(
    "fn",
    [lambda: "k", lambda *args: "k", lambda context, parameters: "k", functools.partial(max, 1)],
)
def test_a_function_of_cache_keys_takes_both_arguments_or_none(fn: Any) -> None:
    assert task(cache_key_fn=fn)(function).cache_key_fn is fn


def test_a_cache_may_expire_at_any_distance() -> None:
    for lifetime in (timedelta.max, timedelta.min, timedelta(0), timedelta(seconds=-1), None):
        assert task(cache_expiration=lifetime)(function).cache_expiration == lifetime


delay = st.floats(0, LONGEST_DELAY) | st.integers(0, LONGEST_DELAY)
anything = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text() | st.just(Decimal(1)),
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner),
    max_leaves=4,
)


@given(delay | st.lists(delay, max_size=5) | st.tuples(delay))
def test_delays_are_seconds(value: Any) -> None:
    given = list(value) if isinstance(value, list | tuple) else [value]
    assert delays(value) == (tuple(map(float, given)) if any(given) else ())


@given(anything)
def test_any_other_delay_is_an_invalid_option(value: Any) -> None:
    try:
        seconds = delays(value)
    except InvalidOption:
        return
    assert all(type(each) is float and 0 <= each <= LONGEST_DELAY for each in seconds)
